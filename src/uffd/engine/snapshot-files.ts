/**
 * The files of a snapshot as threads read them: its one file, or the several that its pages are scattered over. Plain data
 * that can be posted; which page is where stands in the blocks' places, in shared memory.
 */
import { LazyRestoreError } from '../../core/error.ts'
import { FileSource } from '../../snapshot/file-source.ts'
import { ScatteredSource } from '../../snapshot/scattered-source.ts'
import type { Snapshot } from '../../snapshot/snapshot.ts'
import { FileReader, type PageReader } from './page-reader.ts'

/** Files that a thread keeps open: a chain may have thousands, and there are many threads. */
const MAX_OPEN = 64

/** Paths by origin: of the one file at 0, or of several from 1 on; one may stand there twice. */
export type SnapshotFiles = readonly string[]

/** @throws LazyRestoreError `unsupported` when the snapshot is in no file */
export function snapshotFiles({ source, name }: Snapshot): SnapshotFiles {
  if (source instanceof FileSource) return [source.name]
  if (source instanceof ScatteredSource) return ['', ...source.origins.map(({ file }) => file.name)]
  throw new LazyRestoreError(
    'unsupported',
    `${name}: found no file, expected one to restore from; write it with: lazyrestore snapshot make ${name} -o FILE`,
  )
}

/** The files there are, each once. */
export function distinctFiles(files: SnapshotFiles): string[] {
  return [...new Set(files)].filter(path => path !== '')
}

/** @throws LazyRestoreError `io` */
export function openSnapshotFiles(files: SnapshotFiles, direct: boolean): PageReader {
  return files.length === 1 ? new FileReader(files[0], direct) : new ScatteredReader(files, direct)
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

  read(offset: number, address: number, length: number, origin: number): void {
    this.#reader(this.#files[origin]).read(offset, address, length)
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
