/**
 * A file, read by positional reads (pread(2)), so that any number of them may run at once.
 */
import { constants, type Stats } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { LazyRestoreError } from '../core/error.ts'
import { readError } from '../core/text-file.ts'
import { GIB } from '../core/units.ts'
import { shortRead } from './byte-source.ts'
import { type DataRuns, dataRunsOf } from './file-holes.ts'
import { hexOffset } from './format-error.ts'
import type { StoredFile } from './stored-file.ts'

/** One read(2) moves less than 2 GiB. */
const MAX_READ_BYTES = GIB

export class FileSource implements StoredFile {
  readonly name: string
  readonly byteLength: number
  readonly #handle: FileHandle
  #closed = false

  /** Use {@link openFile}. */
  constructor(path: string, byteLength: number, handle: FileHandle) {
    this.name = path
    this.byteLength = byteLength
    this.#handle = handle
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    for (let done = 0; done < target.length; ) {
      const length = Math.min(target.length - done, MAX_READ_BYTES)
      const count = await this.#readOnce(offset + done, target.subarray(done, done + length))
      if (count === 0) throw shortRead(this.name, offset, done, target.length)
      done += count
    }
  }

  async #readOnce(offset: number, target: Uint8Array): Promise<number> {
    try {
      return (await this.#handle.read(target, 0, target.length, offset)).bytesRead
    } catch (cause) {
      const what = `${this.name}: ${hexOffset(offset)}: cannot read ${target.length} bytes: ${(cause as Error).message}`
      throw new LazyRestoreError('io', what, { cause })
    }
  }

  dataRuns(): DataRuns {
    return dataRunsOf(this.name, this.#handle.fd)
  }

  /** May be called twice. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#handle.close()
  }
}

/**
 * @param what what the file should be, for the message
 * @param mayBeEmpty an empty file is refused otherwise
 * @throws LazyRestoreError `io` when there is no such file, or it is not a regular one.
 */
export async function openFile(path: string, what = 'a snapshot file', mayBeEmpty = false): Promise<FileSource> {
  const handle = await openHandle(path)
  try {
    const stat = await handle.stat()
    const wrong = wrongKind(stat, mayBeEmpty)
    if (wrong !== null) throw new LazyRestoreError('io', `${path}: found ${wrong}, expected ${what}`)
    return new FileSource(path, stat.size, handle)
  } catch (error) {
    await handle.close()
    throw error
  }
}

function wrongKind(stat: Stats, mayBeEmpty: boolean): string | null {
  if (stat.isDirectory()) return 'a directory'
  if (!stat.isFile()) return 'a device, pipe or socket'
  return stat.size === 0 && !mayBeEmpty ? 'an empty file' : null
}

async function openHandle(path: string): Promise<FileHandle> {
  try {
    // A pipe without a writer would block the open for ever.
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (cause) {
    throw readError(path, cause)
  }
}
