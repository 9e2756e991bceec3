/**
 * Finds the end of a stream: the EOF byte, and behind it, as a rule, a description of the device state in JSON.
 *
 *   device sections …  00  [06, u32 length, JSON text]
 *
 * Device sections have no length, so the end is found from the end of the file. JSON text holds no NUL byte and its length
 * is below 2^24, so the file's last NUL is the EOF byte or a byte of the length: a handful of places to try.
 */
import type { ByteSource } from './byte-source.ts'
import { formatError, hexBytes } from './format-error.ts'
import type { ByteRange } from './snapshot.ts'
import { ELEMENT_EOF, ELEMENT_SECTION_FOOTER, ELEMENT_VM_DESCRIPTION } from './stream-format.ts'

export interface StreamEnd {
  /** Where the EOF byte is. */
  readonly eofOffset: number
  /** The JSON text; null where the machine type suppresses it. */
  readonly description: ByteRange | null
}

const WINDOW_BYTES = 64 * 1024
const MAX_DESCRIPTION_BYTES = 2 ** 24 - 1
const OPEN_BRACE = 0x7b
/** The marker, the length, and the first byte of the text. */
const HEAD_BYTES = 6
const FOOTER_BYTES = 5

/** Finds the end of the stream whose device sections start at `start`. */
export async function findStreamEnd(source: ByteSource, start: number): Promise<StreamEnd> {
  const lastNul = await findLastNul(source, start)
  if (lastNul >= 0) {
    const description = await findDescription(source, start, lastNul)
    if (description !== null) return { eofOffset: description.offset - HEAD_BYTES, description }
    if (lastNul === source.byteLength - 1 && (await followsSection(source, start, lastNul))) {
      return { eofOffset: lastNul, description: null }
    }
  }
  const tail = await readRange(source, Math.max(start, source.byteLength - 4), source.byteLength)
  const expected =
    'an EOF mark behind the last section, and the description of the device state if any: was the save cut short?'
  const found = hexBytes(tail)
  throw formatError({ name: source.name, offset: source.byteLength, field: 'end of the stream', found, expected })
}

/** Offset of the last NUL byte, or -1 when the last 16 MiB, or all bytes from `start` on, hold none. */
async function findLastNul(source: ByteSource, start: number): Promise<number> {
  const least = Math.max(start, source.byteLength - MAX_DESCRIPTION_BYTES - WINDOW_BYTES)
  for (let end = source.byteLength; end > least; end -= WINDOW_BYTES) {
    const from = Math.max(least, end - WINDOW_BYTES)
    const index = (await readRange(source, from, end)).lastIndexOf(ELEMENT_EOF)
    if (index >= 0) return from + index
  }
  return -1
}

/** Tries each place where the marker can stand if the file's last NUL is the byte before it or one of the length. */
async function findDescription(source: ByteSource, start: number, lastNul: number): Promise<ByteRange | null> {
  for (let marker = Math.max(start + 1, lastNul - 4); marker <= lastNul + 1; marker++) {
    const offset = marker - 1 + HEAD_BYTES
    if (offset >= source.byteLength) break
    const head = await readRange(source, marker - 1, offset + 1)
    const length = source.byteLength - offset
    const found = head[0] === ELEMENT_EOF && head[1] === ELEMENT_VM_DESCRIPTION && head[HEAD_BYTES] === OPEN_BRACE
    if (found && head.readUInt32BE(2) === length) return { offset, length }
  }
  return null
}

/** Whether a section's footer ends right before `eofOffset`, or the RAM section does. */
async function followsSection(source: ByteSource, start: number, eofOffset: number): Promise<boolean> {
  if (eofOffset === start) return true
  if (eofOffset - FOOTER_BYTES < start) return false
  const footer = await readRange(source, eofOffset - FOOTER_BYTES, eofOffset)
  // Section ids count up from 0: one that needs more than two bytes is not an id.
  return footer[0] === ELEMENT_SECTION_FOOTER && footer.readUInt16BE(1) === 0
}

async function readRange(source: ByteSource, start: number, end: number): Promise<Buffer> {
  const bytes = Buffer.alloc(end - start)
  await source.read(start, bytes)
  return bytes
}
