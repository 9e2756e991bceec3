/** A range that a variable of a sweep is spread over: points of it, evenly or at given places, in the unit of its ends. */
import { LazyRestoreError } from '../../core/error.ts'
import { checkFields, describe, expectFields, orNull, wholeRule } from '../../core/fields.ts'
import { parseQuantity, type Quantity, type Unit, writeQuantity } from './quantity.ts'

export interface Range {
  readonly from: number
  readonly to: number
  readonly unit: Unit
  /** `log`: equal ratios are as likely as each other. */
  readonly scale: 'linear' | 'log'
  /** Values are rounded to a multiple of it; null: they are not. */
  readonly step: number | null
  /** How many points a grid takes of it; null: none given. */
  readonly points: number | null
}

const MAX_POINTS = 10_000
const NUMBER = 'a number with a unit, such as 64MiB, 10%, 20us or 4'
const number = { accepts: (value: unknown) => typeof value === 'string' || typeof value === 'number', expected: NUMBER }
const RULES = {
  from: number,
  to: number,
  scale: { accepts: (value: unknown) => value === 'linear' || value === 'log', expected: 'linear or log' },
  step: orNull(number),
  points: orNull(wholeRule(2, MAX_POINTS)),
}

/** @throws LazyRestoreError `format` with the place in the spec */
export function checkRange(value: unknown, where: string): Range {
  const given = { scale: 'linear', step: null, points: null, ...expectFields(value, where) }
  const { from, to, scale, step, points } = checkFields<Record<keyof typeof RULES, unknown>>(given, RULES, where)
  const first = expectQuantity(from, `${where}.from`)
  const last = expectQuantity(to, `${where}.to`)
  const every = step === null ? null : expectQuantity(step, `${where}.step`)
  for (const [name, quantity] of [['to', last] as const, ['step', every] as const]) {
    if (quantity === null || quantity.unit === first.unit) continue
    throw new LazyRestoreError('format', `${where}.${name}: found ${quantity.unit}, expected ${first.unit} as in from`)
  }
  if (last.value <= first.value) {
    throw new LazyRestoreError('format', `${where}.to: found ${describe(to)}, expected more than ${describe(from)}`)
  }
  if (scale === 'log' && first.value <= 0) {
    throw new LazyRestoreError('format', `${where}.from: found ${describe(from)}, expected more than 0 on a log scale`)
  }
  if (every !== null && every.value <= 0) {
    throw new LazyRestoreError('format', `${where}.step: found ${describe(step)}, expected more than 0`)
  }
  return {
    from: first.value,
    to: last.value,
    unit: first.unit,
    scale: scale as Range['scale'],
    step: every?.value ?? null,
    points: points as number | null,
  }
}

function expectQuantity(value: unknown, where: string): Quantity {
  let quantity: Quantity | null
  try {
    quantity = parseQuantity(String(value))
  } catch (cause) {
    throw new LazyRestoreError('format', `${where}: ${(cause as Error).message}`, { cause })
  }
  if (quantity !== null) return quantity
  throw new LazyRestoreError('format', `${where}: found ${describe(value)}, expected ${NUMBER}`)
}

/** The value at a place from 0 (`from`) to 1 (`to`), rounded to the step and kept inside. */
export function valueAt({ from, to, scale, step }: Range, place: number): number {
  const value = scale === 'log' ? from * (to / from) ** place : from + (to - from) * place
  return step === null ? value : Math.min(to, Math.max(from, Math.round(value / step) * step))
}

/** The same as a spec string reads it. */
export function textAt(range: Range, place: number): string {
  return writeQuantity({ value: valueAt(range, place), unit: range.unit })
}

/** `points` values from end to end, each once. */
export function spread(range: Range, points: number): string[] {
  return [...new Set(Array.from({ length: points }, (_, i) => textAt(range, i / (points - 1))))]
}
