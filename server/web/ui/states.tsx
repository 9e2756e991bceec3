/** What stands in the place of content: nothing yet, nothing there, something wrong. */
import { LazyRestoreHttpError } from 'lazyrestore/client'
import type { ComponentChildren } from 'preact'

export function Loading({ what }: { what: string }) {
  return (
    <p class="state" role="status">
      <span class="spinner" aria-hidden="true" /> Loading {what}…
    </p>
  )
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="state empty">
      <p class="state-title">{title}</p>
      {children}
    </div>
  )
}

export function Failure({ error, retry }: { error: Error; retry?: () => void }) {
  return (
    <div class="state failure" role="alert">
      <p>{explain(error)}</p>
      {retry !== undefined && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  )
}

export function explain(error: Error): string {
  if (error instanceof LazyRestoreHttpError) {
    const wait = error.retryAfterS === null ? '' : ` Try again in ${error.retryAfterS} s.`
    return `${error.message} (${error.code}).${wait}`
  }
  if (error instanceof TypeError) return 'The server cannot be reached.'
  return error.message
}
