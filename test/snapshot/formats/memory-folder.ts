/** Snapshots in memory, as readers see files: for tests that change them thousands of times a second. */
import { posix } from 'node:path'
import { LazyRestoreError } from '../../../src/core/error.ts'
import { type ByteSource, memorySource, shortRead } from '../../../src/snapshot/byte-source.ts'
import type { ByteRange } from '../../../src/snapshot/snapshot.ts'
import { type Folder, headOf, type StoredFile, type Subject } from '../../../src/snapshot/stored-file.ts'

export interface MemoryFile {
  readonly bytes: Uint8Array
  /** What follows them. */
  readonly tail?: Uint8Array
  /** Where it has no holes; everywhere when not given. */
  readonly runs?: readonly ByteRange[]
}

export class MemoryTree {
  readonly #files: ReadonlyMap<string, MemoryFile>
  readonly #links: ReadonlyMap<string, string>

  /** @param files by absolute path; @param links from a folder's path to another folder's */
  constructor(files: ReadonlyMap<string, MemoryFile>, links: ReadonlyMap<string, string> = new Map()) {
    this.#files = files
    this.#links = links
  }

  /** What is at a path. @throws LazyRestoreError `io` when there is nothing */
  async subject(path: string): Promise<Subject> {
    const file = this.open(path)
    if (file === null) {
      const folder = this.folder(path)
      if (folder === null) throw new LazyRestoreError('io', `${path}: no such file`)
      return { path, folder, file, head: Buffer.alloc(0) }
    }
    return { path, folder: this.folder(posix.dirname(path))!, file, head: await headOf(file) }
  }

  open(path: string): StoredFile | null {
    const found = this.#files.get(this.#real(path))
    if (found === undefined) return null
    const source = sourceOf(found, path)
    const { runs = [{ offset: 0, length: source.byteLength }] } = found
    return { ...source, dataRuns: () => ({ runs, isExact: true }) }
  }

  folder(path: string): Folder | null {
    const id = this.#real(path)
    if (![...this.#files.keys()].some(file => file.startsWith(`${id}/`.replace('//', '/')))) return null
    const at = (name: string) => posix.resolve(path, name)
    return {
      path,
      id,
      open: async name => this.open(at(name)),
      subject: name => this.subject(at(name)),
      folder: async name => this.folder(at(name)),
      list: async most => {
        const names = [...this.#files.keys()]
          .filter(file => posix.dirname(file) === id)
          .map(file => posix.basename(file))
        return names.slice(0, most)
      },
    }
  }

  /** With links followed, one after the other. */
  #real(path: string): string {
    let real = ''
    for (const part of posix.normalize(path).split('/').filter(Boolean)) {
      real = `${real}/${part}`
      for (let hops = 0; this.#links.has(real) && hops < 8; hops++) real = this.#links.get(real)!
    }
    return real
  }
}

function sourceOf({ bytes, tail }: MemoryFile, path: string): ByteSource {
  const head = memorySource(bytes, path)
  if (tail === undefined) return head
  const byteLength = bytes.length + tail.length
  return {
    name: path,
    byteLength,
    async read(offset, target) {
      const available = Math.max(0, byteLength - offset)
      if (target.length > available) throw shortRead(path, offset, available, target.length)
      const fromHead = Math.max(0, Math.min(bytes.length - offset, target.length))
      if (fromHead > 0) await head.read(offset, target.subarray(0, fromHead))
      const start = offset + fromHead - bytes.length
      if (fromHead < target.length) target.set(tail.subarray(start, start + target.length - fromHead), fromHead)
    },
  }
}
