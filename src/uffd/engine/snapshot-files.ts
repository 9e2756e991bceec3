/**
 * The files of a snapshot as threads read them: its one file, or the several that its pages are scattered over. Plain data
 * that can be posted; the index of scattered pages is shared memory.
 */
import { LazyRestoreError } from '../../core/error.ts'
import { FileSource } from '../../snapshot/file-source.ts'
import { NO_ORIGIN, type PagePlaces, placeOffset, placeRunEnd } from '../../snapshot/page-places.ts'
import { ScatteredSource } from '../../snapshot/scattered-source.ts'
import type { Snapshot } from '../../snapshot/snapshot.ts'
import { FileReader, type PageReader } from './page-reader.ts'

/** Files that a thread keeps open: a chain may have thousands, and there are many threads. */
const MAX_OPEN = 64

export interface SnapshotFiles {
  /** Of each origin, in its order; of the one file when `places` is null. */
  readonly paths: readonly string[]
  readonly bases: readonly number[]
  readonly places: PagePlaces | null
}

/** @throws LazyRestoreError `unsupported` when the snapshot is in no file */
export function snapshotFiles({ source, name }: Snapshot): SnapshotFiles {
  if (source instanceof FileSource) return { paths: [source.name], bases: [0], places: null }
  if (source instanceof ScatteredSource) {
    const { origins, places } = source
    return { paths: origins.map(({ file }) => file.name), bases: origins.map(({ base }) => base), places }
  }
  throw new LazyRestoreError(
    'unsupported',
    `${name}: found no file, expected one to restore from; write it with: lazyrestore snapshot make ${name} -o FILE`,
  )
}

/** @throws LazyRestoreError `io` */
export function openSnapshotFiles(files: SnapshotFiles, direct: boolean): PageReader {
  return files.places === null ? new FileReader(files.paths[0], direct) : new ScatteredReader(files, direct)
}

/** Calls `visit` with the parts that bytes `[offset, offset + length)` of the source lie in, in order. */
export function forEachPart(
  { paths, bases, places }: SnapshotFiles,
  offset: number,
  length: number,
  visit: (path: string, offset: number, length: number) => void,
): void {
  if (places === null) return visit(paths[0], offset, length)
  const { pageSize, origin } = places
  const end = Math.ceil((offset + length) / pageSize)
  let at = offset
  for (let page = Math.floor(offset / pageSize); page < end; ) {
    const past = placeRunEnd(places, page, end)
    if (origin[page] === NO_ORIGIN) {
      throw new LazyRestoreError('io', `page ${page} of the snapshot: found it in no file, expected it in one`)
    }
    const number = origin[page] - 1
    const start = placeOffset(places, page, bases[number]) + (at - page * pageSize)
    const partLength = Math.min(past * pageSize, offset + length) - at
    visit(paths[number], start, partLength)
    at += partLength
    page = past
  }
}

class ScatteredReader implements PageReader {
  readonly #files: SnapshotFiles
  readonly #direct: boolean
  /** The oldest first. */
  readonly #readers = new Map<string, FileReader>()

  constructor(files: SnapshotFiles, direct: boolean) {
    this.#files = files
    this.#direct = direct
  }

  read(offset: number, address: number, length: number): void {
    let target = address
    forEachPart(this.#files, offset, length, (path, start, bytes) => {
      this.#reader(path).read(start, target, bytes)
      target += bytes
    })
  }

  /** May be called twice. */
  close(): void {
    for (const reader of this.#readers.values()) reader.close()
    this.#readers.clear()
  }

  #reader(path: string): FileReader {
    const known = this.#readers.get(path)
    if (known !== undefined) return known
    if (this.#readers.size === MAX_OPEN) {
      const [oldest, reader] = this.#readers.entries().next().value!
      reader.close()
      this.#readers.delete(oldest)
    }
    const reader = new FileReader(path, this.#direct)
    this.#readers.set(path, reader)
    return reader
  }
}
