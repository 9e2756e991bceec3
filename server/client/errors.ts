/** The one error that the client throws for an answer of 4xx or 5xx. Network failures stay what fetch makes of them. */
import type { ErrorBody } from '../schemas/common.ts'

export class LazyRestoreHttpError extends Error {
  readonly status: number
  /** What a caller may branch on; docs/http-api.md has the list. */
  readonly code: string
  readonly details: unknown
  /** After how many seconds the server wants to be asked again; null: it did not say. */
  readonly retryAfterS: number | null

  constructor(status: number, { code, message, details }: ErrorBody, retryAfterS: number | null) {
    super(message)
    this.name = 'LazyRestoreHttpError'
    this.status = status
    this.code = code
    this.details = details
    this.retryAfterS = retryAfterS
  }
}
