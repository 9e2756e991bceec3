/**
 * The header of a trace file: the same fields in both formats. What a file says is checked here before anything is
 * allocated or used; docs/workloads.md specifies it.
 */
import { LazyRestoreError } from '../core/error.ts'
import { isPageSize } from './memory.ts'
import { MAX_ACCESSES, MAX_PAGES, MAX_VCPUS, type Workload } from './workload.ts'

export interface TraceHeader {
  readonly name: string
  readonly seed: number | null
  readonly snapshotIdentity: string | null
  readonly pageCount: number
  readonly pageSize: number
  readonly vcpus: number
  readonly accesses: number
}

export const TRACE_VERSION = 1
/** Longest header, in bytes: in the binary format its msgpack, in the other its line. */
export const MAX_HEADER_BYTES = 64 * 1024

const MAX_NAME_LENGTH = 4096
const MAX_IDENTITY_LENGTH = 256

type Fields = Readonly<Record<string, unknown>>

interface FieldRule {
  readonly accepts: (value: unknown) => boolean
  readonly expected: string
}

const RULES: Readonly<Record<keyof TraceHeader, FieldRule>> = {
  name: { accepts: value => isText(value, MAX_NAME_LENGTH), expected: `text of at most ${MAX_NAME_LENGTH} characters` },
  seed: {
    accepts: value => value === null || isWhole(value, 0, Number.MAX_SAFE_INTEGER),
    expected: 'null or a whole number from 0 to 2^53 - 1',
  },
  snapshotIdentity: {
    accepts: value => value === null || isText(value, MAX_IDENTITY_LENGTH),
    expected: `null or text of at most ${MAX_IDENTITY_LENGTH} characters`,
  },
  pageCount: wholeRule(1, MAX_PAGES),
  pageSize: {
    accepts: value => typeof value === 'number' && isPageSize(value),
    expected: 'a power of two from 512 to 2^30',
  },
  vcpus: wholeRule(1, MAX_VCPUS),
  accesses: wholeRule(0, MAX_ACCESSES),
}

export function headerOf({ name, seed, snapshotIdentity, pageCount, pageSize, vcpus, page }: Workload): TraceHeader {
  return { name, seed, snapshotIdentity, pageCount, pageSize, vcpus, accesses: page.length }
}

/** The value as an object with fields. `where` names file and place. @throws LazyRestoreError `format` */
export function expectFields(value: unknown, where: string): Fields {
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) {
    throw new LazyRestoreError('format', `${where}: found ${describe(value)}, expected an object`)
  }
  return value as Fields
}

/** Checks every field, and that there are no others. @throws LazyRestoreError `format` */
export function parseHeader(fields: Fields, where: string): TraceHeader {
  for (const [key, { accepts, expected }] of Object.entries(RULES)) {
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
    if (!Object.hasOwn(RULES, key)) {
      const known = Object.keys(RULES).join(', ')
      throw new LazyRestoreError('format', `${where}: found field ${describe(key)}, expected only ${known}`)
    }
  }
  return fields as unknown as TraceHeader
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

function wholeRule(min: number, max: number): FieldRule {
  return { accepts: value => isWhole(value, min, max), expected: `a whole number from ${min} to ${max}` }
}

function isText(value: unknown, maxLength: number): boolean {
  return typeof value === 'string' && value.length <= maxLength
}
