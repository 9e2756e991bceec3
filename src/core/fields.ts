/**
 * What a file, or another process, says in named fields: each is checked by a rule before anything is allocated or used, and
 * no other field is let in.
 */
import { LazyRestoreError } from './error.ts'

export type Fields = Readonly<Record<string, unknown>>

export interface FieldRule {
  readonly accepts: (value: unknown) => boolean
  readonly expected: string
}

export function wholeRule(min: number, max: number): FieldRule {
  return { accepts: value => isWhole(value, min, max), expected: `a whole number from ${min} to ${max}` }
}

export function textRule(maxLength: number): FieldRule {
  return { accepts: value => isText(value, maxLength), expected: `text of at most ${maxLength} characters` }
}

export function orNull({ accepts, expected }: FieldRule): FieldRule {
  return { accepts: value => value === null || accepts(value), expected: `null or ${expected}` }
}

/** The value as an object with fields. `where` names file and place. @throws LazyRestoreError `format` */
export function expectFields(value: unknown, where: string): Fields {
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) {
    throw new LazyRestoreError('format', `${where}: found ${describe(value)}, expected an object`)
  }
  return value as Fields
}

/** Checks that every field is there and keeps to its rule, and that there are no others. @throws LazyRestoreError `format` */
export function checkFields<T>(fields: Fields, rules: Readonly<Record<keyof T, FieldRule>>, where: string): T {
  for (const [key, { accepts, expected }] of Object.entries<FieldRule>(rules)) {
    if (!Object.hasOwn(fields, key)) {
      throw new LazyRestoreError('format', `${where}: found no field ${key}, expected ${expected}`)
    }
    if (!accepts(fields[key])) {
      throw new LazyRestoreError(
        'format',
        `${where}: field ${key}: found ${describe(fields[key])}, expected ${expected}`,
      )
    }
  }
  for (const key of Object.keys(fields)) {
    if (!Object.hasOwn(rules, key)) {
      const known = Object.keys(rules).join(', ')
      throw new LazyRestoreError('format', `${where}: found field ${describe(key)}, expected only ${known}`)
    }
  }
  return fields as unknown as T
}

/** A found value in an error message: short, whatever it is. */
export function describe(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'an object'
  if (typeof value !== 'string') return String(value)
  return value.length <= 40
    ? JSON.stringify(value)
    : `${JSON.stringify(value.slice(0, 40))}… (${value.length} characters)`
}

export function isWhole(value: unknown, min: number, max: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
}

export function isText(value: unknown, maxLength: number): value is string {
  return typeof value === 'string' && value.length <= maxLength
}
