/**
 * Where a snapshot's bytes come from: a file, memory, later a URL. Three members, so that each kind is a few lines and a
 * test can wrap one to count what it reads.
 */
import { LazyRestoreError } from '../core/error.ts'
import { formatError, hexOffset } from './format-error.ts'

export interface ByteSource {
  /** What to call it in an error message: a path, or a description. */
  readonly name: string
  readonly byteLength: number
  /**
   * Fills the whole of `target` with the bytes at `offset`.
   * @throws LazyRestoreError `io` on a read error or when the source ends early; the message names offset and lengths.
   */
  read(offset: number, target: Uint8Array): Promise<void>
}

/** Bytes that are in memory already. */
export function memorySource(bytes: Uint8Array, name: string): ByteSource {
  return {
    name,
    byteLength: bytes.length,
    async read(offset, target) {
      const found = bytes.subarray(offset, offset + target.length)
      if (found.length < target.length) throw shortRead(name, offset, found.length, target.length)
      target.set(found)
    },
  }
}

/** All of a source that is small. @throws LazyRestoreError `limit` when it is not */
export async function readWhole(source: ByteSource, mostBytes: number): Promise<Buffer> {
  const { name, byteLength } = source
  if (byteLength > mostBytes) {
    const expected = `at most ${mostBytes}`
    throw formatError({ name, offset: 0, field: 'length', found: `${byteLength} bytes`, expected, code: 'limit' })
  }
  const bytes = Buffer.alloc(byteLength)
  await source.read(0, bytes)
  return bytes
}

/** The error for a source that ends before the read does. */
export function shortRead(name: string, offset: number, found: number, expected: number): LazyRestoreError {
  return new LazyRestoreError('io', `${name}: ${hexOffset(offset)}: read: found ${found} bytes, expected ${expected}`)
}
