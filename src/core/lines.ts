/** Lines of a stream of bytes, one at a time: memory holds a block and a line, whatever the size of the file. */
import { LazyRestoreError } from './error.ts'

const BLOCK_BYTES = 1024 * 1024
/** Longest line, and so the longest thing that is kept from block to block. */
export const MAX_LINE_BYTES = 64 * 1024

/** Bytes that can be read at offsets; a `ByteSource` is one. */
export interface Readable {
  readonly name: string
  readonly byteLength: number
  read(offset: number, target: Uint8Array): Promise<void>
}

/**
 * Calls `visit` with each line, its bytes as Latin-1 without the line end, and its number from 1. A last line without line
 * end counts.
 * @throws LazyRestoreError `format` for a line that is too long
 */
export async function forEachLine(source: Readable, visit: (text: string, line: number) => void): Promise<void> {
  const buffer = Buffer.allocUnsafe(MAX_LINE_BYTES + BLOCK_BYTES)
  let kept = 0
  let line = 1
  for (let offset = 0; offset < source.byteLength; ) {
    const read = Math.min(BLOCK_BYTES, source.byteLength - offset)
    await source.read(offset, buffer.subarray(kept, kept + read))
    offset += read
    const end = kept + read
    let start = 0
    for (;;) {
      const newline = buffer.subarray(0, end).indexOf(10, start)
      if (newline < 0) break
      visit(lineText(source, buffer, start, newline, line), line)
      line++
      start = newline + 1
    }
    const rest = lineText(source, buffer, start, end, line)
    if (offset === source.byteLength && rest !== '') visit(rest, line)
    kept = buffer.copy(buffer, 0, start, end)
  }
}

function lineText(source: Readable, buffer: Buffer, start: number, end: number, line: number): string {
  if (end - start > MAX_LINE_BYTES) {
    throw new LazyRestoreError(
      'format',
      `${source.name}: line ${line}: found more than ${MAX_LINE_BYTES} bytes, expected a line end`,
    )
  }
  return buffer.toString('latin1', start, end)
}
