/**
 * The header of a trace file: the same fields in both formats. What a file says is checked here before anything is
 * allocated or used; docs/workloads.md specifies it.
 */
import { checkFields, type FieldRule, type Fields, orNull, textRule, wholeRule } from '../core/fields.ts'
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

const RULES: Readonly<Record<keyof TraceHeader, FieldRule>> = {
  name: textRule(MAX_NAME_LENGTH),
  seed: {
    accepts: orNull(wholeRule(0, Number.MAX_SAFE_INTEGER)).accepts,
    expected: 'null or a whole number from 0 to 2^53 - 1',
  },
  snapshotIdentity: orNull(textRule(MAX_IDENTITY_LENGTH)),
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

/** Checks every field, and that there are no others. @throws LazyRestoreError `format` */
export function parseHeader(fields: Fields, where: string): TraceHeader {
  return checkFields<TraceHeader>(fields, RULES, where)
}
