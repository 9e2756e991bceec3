/** Errors of the work as data, since an instance does not survive the way between threads. */
import { LazyRestoreError } from 'lazyrestore'
import type { JobFailure } from './job.ts'

const LIBRARY_CODES = ['usage', 'format', 'unsupported', 'io', 'mismatch', 'limit'] as const

/** What is not the library's own says nothing to a user, and may name files. */
export function failureOf(error: unknown): JobFailure {
  if (error instanceof LazyRestoreError) return { code: error.code, message: error.message }
  if (error instanceof RangeError) return { code: 'limit', message: `found no memory for it: ${error.message}` }
  return { code: 'internal', message: error instanceof Error ? (error.stack ?? error.message) : String(error) }
}

/** The error once more, at the other end. */
export function errorOf({ code, message }: JobFailure): Error {
  const known = LIBRARY_CODES.find(one => one === code)
  return known === undefined ? new Error(message) : new LazyRestoreError(known, message)
}
