/**
 * The one shape of a reader's complaint: `FILE: 0x8d: bitmap offset: found X, expected Y`, with the offset at which the
 * field stands, so that it can be looked up with a hex viewer.
 */
import { type ErrorCode, LazyRestoreError } from '../core/error.ts'

/** A field of a file that is not what it must be. */
export interface Finding {
  /** The file, as its source calls it. */
  readonly name: string
  /** Where the field starts. */
  readonly offset: number
  readonly field: string
  readonly found: string | number
  readonly expected: string | number
  /** `format` unless given. */
  readonly code?: ErrorCode
}

export function formatError({ name, offset, field, found, expected, code }: Finding): LazyRestoreError {
  return new LazyRestoreError(
    code ?? 'format',
    printable(`${name}: ${hexOffset(offset)}: ${field}: found ${found}, expected ${expected}`),
  )
}

/** Text of a file may stand in the message, and the message in a terminal. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, char => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

/** `141` → `0x8d`. */
export function hexOffset(offset: number): string {
  return `0x${offset.toString(16)}`
}

/** `[0x8d, 0x48d)`. */
export function hexRange(start: number, length: number): string {
  return `[${hexOffset(start)}, ${hexOffset(start + length)})`
}

/** `7e 00 2a`. */
export function hexBytes(bytes: Uint8Array): string {
  return bytes.length === 0 ? 'nothing' : [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join(' ')
}
