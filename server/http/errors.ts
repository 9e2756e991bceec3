/**
 * Errors over HTTP: one body, `{code, message, details}`, from whatever was thrown. What is not known to be meant for the
 * caller becomes `internal` and only the log sees it, so that no path and no stack leaves the server.
 */
import { type ErrorCode, LazyRestoreError } from 'lazyrestore'
import type { ErrorBody } from '../schemas/common.ts'

const STATUS = {
  usage: 400,
  invalid: 400,
  unauthorized: 401,
  forbidden: 403,
  'not-found': 404,
  'not-allowed': 405,
  timeout: 408,
  conflict: 409,
  'too-large': 413,
  'media-type': 415,
  format: 422,
  unsupported: 422,
  mismatch: 422,
  limit: 422,
  interrupted: 422,
  io: 422,
  'too-many': 429,
  internal: 500,
  busy: 503,
  full: 507,
} as const satisfies Record<string, number> & Record<ErrorCode, number>

/** Codes of the library's errors, and those that only the server has. */
export type HttpErrorCode = keyof typeof STATUS

export class HttpError extends Error {
  readonly code: HttpErrorCode
  readonly details: unknown
  /** When to try again. */
  readonly retryAfterS: number | null

  constructor(code: HttpErrorCode, message: string, { details = null, retryAfterS = null }: HttpErrorDetails = {}) {
    super(message)
    this.name = 'HttpError'
    this.code = code
    this.details = details
    this.retryAfterS = retryAfterS
  }
}

export interface HttpErrorDetails {
  readonly details?: unknown
  readonly retryAfterS?: number | null
}

export interface ErrorAnswer {
  readonly status: number
  readonly body: ErrorBody
  readonly retryAfterS: number | null
  /** Nobody foresaw it: the log should have all of it. */
  readonly unforeseen: boolean
}

/** Places of a request that one answer names. */
const MAX_PLACES = 10

/** What fastify's own errors mean, by their status. */
const CODE_OF_STATUS: Readonly<Record<number, HttpErrorCode>> = {
  400: 'invalid',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not-found',
  405: 'not-allowed',
  408: 'timeout',
  413: 'too-large',
  415: 'media-type',
  429: 'too-many',
  503: 'busy',
}

interface ValidationPlace {
  readonly instancePath: string
  readonly message?: string
  readonly keyword?: string
}

interface FastifyLikeError extends Error {
  readonly statusCode?: number
  readonly validation?: readonly ValidationPlace[]
  readonly validationContext?: string
}

export function errorAnswer(error: unknown): ErrorAnswer {
  if (error instanceof HttpError) {
    const { code, message, details, retryAfterS } = error
    return { status: STATUS[code], body: { code, message, details }, retryAfterS, unforeseen: false }
  }
  if (error instanceof LazyRestoreError) return answer(error.code, error.message)
  if (isDiskFull(error)) return answer('full', 'the data directory has no space left; delete experiments or traces')
  const { statusCode = 500, validation, validationContext, message } = error as FastifyLikeError
  if (validation !== undefined) {
    const places = validation.slice(0, MAX_PLACES).map(placeOf)
    const where = validationContext ?? 'request'
    const first = places[0] ?? { at: '/', message: 'is not valid' }
    return answer('invalid', `${where} ${first.at}: ${first.message}`, { in: where, places })
  }
  const code = CODE_OF_STATUS[statusCode]
  if (code !== undefined) return answer(code, message)
  return { ...answer('internal', 'the server failed; its log says why'), unforeseen: true }
}

/** The schema that no value fits stands for keys that are not known. */
function placeOf({ instancePath, message = '', keyword }: ValidationPlace): { at: string; message: string } {
  return { at: instancePath || '/', message: keyword === 'boolean' ? 'is not known' : message }
}

/** Of the file system, or of the store, which reports the same reason in words. */
export function isDiskFull(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOSPC' || code === 'EDQUOT' || /No space left on device|MDB_MAP_FULL|Disk quota/.test(error.message)
}

function answer(code: HttpErrorCode, message: string, details: unknown = null): ErrorAnswer {
  return { status: STATUS[code], body: { code, message, details }, retryAfterS: null, unforeseen: false }
}
