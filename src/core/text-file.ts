/** Files that are read whole: specs, profiles, tables. They are bounded, so that a wrong one costs no memory. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { LazyRestoreError } from './error.ts'
import { formatBytes, MIB } from './units.ts'

const MAX_JSON_BYTES = 16 * MIB
const BLOCK_BYTES = 64 * 1024

/** Why a file cannot be read, in place of what the operating system calls it. */
export function readError(path: string, cause: unknown): LazyRestoreError {
  const { code, message } = cause as NodeJS.ErrnoException
  const reason = code === 'ENOENT' ? 'no such file' : code === 'EACCES' ? 'no permission to read it' : message
  return new LazyRestoreError('io', `${path}: ${reason}`, { cause })
}

/**
 * The text of a file or pipe.
 * @param what the file is expected to be, for the message
 * @throws LazyRestoreError `io`, or `limit` for more than `maxBytes`
 */
export function readTextFile(path: string, what: string, maxBytes: number): string {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch (cause) {
    throw readError(path, cause)
  }
  try {
    if (fstatSync(file).isDirectory()) throw new LazyRestoreError('io', `${path}: found a directory, expected a file`)
    const blocks: Buffer[] = []
    for (let length = 0; ; ) {
      const block = Buffer.allocUnsafe(BLOCK_BYTES)
      const count = readSync(file, block)
      if (count === 0) return Buffer.concat(blocks, length).toString('utf8')
      length += count
      // The size that a pipe or a device says it has is no limit.
      if (length > maxBytes) {
        throw new LazyRestoreError('limit', `${path}: found more than ${formatBytes(maxBytes)}, expected ${what}`)
      }
      blocks.push(block.subarray(0, count))
    }
  } catch (cause) {
    throw cause instanceof LazyRestoreError ? cause : readError(path, cause)
  } finally {
    closeSync(file)
  }
}

/** @param what the file is expected to be, for the message @throws LazyRestoreError `io`, `limit`, `format` */
export function readJsonFile(path: string, what: string): unknown {
  const text = readTextFile(path, what, MAX_JSON_BYTES)
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new LazyRestoreError('format', `${path}: found no JSON (${(cause as Error).message}), expected ${what}`, {
      cause,
    })
  }
}
