/** What a component waits for: nothing yet, a value, or an error. The request ends with the component, or when what it depends on changes. */
import { useEffect, useState } from 'preact/hooks'

export type Async<T> =
  | { readonly state: 'loading'; readonly value: T | null }
  | { readonly state: 'ready'; readonly value: T }
  | { readonly state: 'failed'; readonly value: T | null; readonly error: Error }

/** While it loads again, the value before stays. Pass a new `inputs` to ask anew. */
export function useAsync<T>(work: (signal: AbortSignal) => Promise<T>, inputs: readonly unknown[]): Async<T> {
  const [result, setResult] = useState<Async<T>>({ state: 'loading', value: null })
  // The caller says what the work depends on.
  useEffect(() => {
    const abort = new AbortController()
    setResult(before => ({ state: 'loading', value: before.value }))
    work(abort.signal).then(
      value => {
        if (!abort.signal.aborted) setResult({ state: 'ready', value })
      },
      error => {
        if (!abort.signal.aborted) setResult(before => ({ state: 'failed', value: before.value, error }))
      },
    )
    return () => abort.abort()
  }, inputs)
  return result
}
