/**
 * Numbers as a sweep writes them, with the unit that they are written in: `64MiB`, `10%`, `20us`, `4`. A range draws in the
 * unit of its ends, and writes what the spec strings read.
 */
import { parseBytes, parseDurationNs, parseShare } from '../../core/units.ts'

export type Unit = 'bytes' | 'ns' | 'share' | 'number'

export interface Quantity {
  readonly value: number
  readonly unit: Unit
}

const FORMS: readonly (readonly [form: RegExp, unit: Unit, parse: (text: string) => number])[] = [
  [/^\d+(\.\d+)?$/, 'number', Number],
  [/^\d+(\.\d+)?%$/, 'share', text => parseShare(text, 'share')],
  [/^\d+(\.\d+)?\s*(ns|us|µs|ms|s)$/, 'ns', text => parseDurationNs(text, 'duration')],
  [/^\d+(\.\d+)?\s*([KMGT](i?B)?|B)(\/s)?$/i, 'bytes', text => parseBytes(text, 'size')],
]

/** Digits behind the point of a percentage and of a plain number; never an exponent, which spec strings do not read. */
const DIGITS = 6

/** Null: the text is no number. @throws LazyRestoreError `usage` for a number that is out of range, such as 120% */
export function parseQuantity(text: string): Quantity | null {
  const form = FORMS.find(([pattern]) => pattern.test(text.trim()))
  return form === undefined ? null : { value: form[2](text.trim()), unit: form[1] }
}

/** As a spec string reads it: whole bytes, whole ns, a share or number with six digits behind the point. */
export function writeQuantity({ value, unit }: Quantity): string {
  switch (unit) {
    case 'bytes':
      return String(Math.round(value))
    case 'ns':
      return `${Math.round(value)}ns`
    case 'share':
      return `${decimal(value * 100)}%`
    case 'number':
      return decimal(value)
  }
}

function decimal(value: number): string {
  return value.toFixed(DIGITS).replace(/\.?0+$/, '')
}
