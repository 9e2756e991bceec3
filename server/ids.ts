/** Ids: a prefix that says of what, the time in ms in base 36, and randomness. They sort by the time they were made. */
import { randomBytes } from 'node:crypto'

const TIME_DIGITS = 9
const RANDOM_DIGITS = 10

let lastMs = 0

export function createId(prefix: string): string {
  // Two in the same ms still sort in the order in which they were made.
  lastMs = Math.max(Date.now(), lastMs + 1)
  let random = ''
  for (const byte of randomBytes(RANDOM_DIGITS)) random += (byte % 36).toString(36)
  return `${prefix}_${lastMs.toString(36).padStart(TIME_DIGITS, '0')}${random}`
}
