/**
 * Machine code of x86-64 that stands in the source: each instruction beside its bytes, which a test holds against the GNU
 * assembler. What is left to do here are short jumps.
 */
import { LazyRestoreError } from '../core/error.ts'

/** Bytes in hexadecimal and the instruction; with a label, the bytes are a short jump's opcode, or none at the label itself. */
export type CodeLine = readonly [bytes: string, assembly: string, label?: string]

/** A place that jumps go to. */
export const at = (label: string): CodeLine => ['', `${label}:`, label]
export const jump = (opcode: string, mnemonic: string, label: string): CodeLine => [
  opcode,
  `${mnemonic} ${label}`,
  label,
]

export interface AssembledCode {
  readonly bytes: Uint8Array
  /** Offset of each label. */
  readonly labels: ReadonlyMap<string, number>
}

/** Puts the bytes together and fills in the jumps. @throws LazyRestoreError `usage` for a jump that a short one cannot make. */
export function assemble(lines: readonly CodeLine[]): AssembledCode {
  const labels = new Map<string, number>()
  const bytes: number[] = []
  const jumps: { readonly at: number; readonly label: string }[] = []
  for (const [hex, , label] of lines) {
    if (hex === '') {
      labels.set(label!, bytes.length)
      continue
    }
    for (const byte of hex.split(' ')) bytes.push(Number.parseInt(byte, 16))
    if (label !== undefined) jumps.push({ at: bytes.push(0) - 1, label })
  }
  for (const { at: position, label } of jumps) {
    const distance = (labels.get(label) ?? Number.NaN) - position - 1
    if (!(distance >= -128 && distance <= 127)) {
      throw new LazyRestoreError('usage', `jump to ${label}: found a distance of ${distance}, expected -128 to 127`)
    }
    bytes[position] = distance & 0xff
  }
  return { bytes: Uint8Array.from(bytes), labels }
}
