/** What SIGTERM and SIGINT abort: the first is a request to stop, a second one ends the process as ever. */
import { LazyRestoreError } from '../core/error.ts'

/** Its reason is the error that work which is not gone on with ends with. */
export function stopSignal(): AbortSignal {
  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => stop.abort(new LazyRestoreError('interrupted', `stopped by ${signal}`)))
  }
  return stop.signal
}
