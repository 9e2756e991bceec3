/**
 * An experiment as it goes on: its record, and a number that grows when cells have ended. A stream of events takes one of
 * the six connections that a browser has for a server, so a page that nobody sees lets it go.
 */
import { type Client, type ExperimentRecord, LazyRestoreHttpError } from 'lazyrestore/client'
import { useEffect, useState } from 'preact/hooks'
import { isLive } from '../ui/progress.tsx'

const RETRY_MS = 2000
/** Cells of a fast experiment end by the hundred; results are asked for again at most so often. */
const BETWEEN_CHANGES_MS = 700

export interface LiveExperiment {
  readonly experiment: ExperimentRecord | null
  /** Another one: results have changed. */
  readonly changes: number
  /** What keeps the page from following it; null: nothing. */
  readonly error: Error | null
}

/** @param attempt another one: follow it anew, since it has been told to go on */
export function useExperiment(client: Client, id: string, attempt: number): LiveExperiment {
  const [live, setLive] = useState<LiveExperiment>({ experiment: null, changes: 0, error: null })
  // Another attempt starts anew.
  useEffect(() => {
    let abort = new AbortController()
    let retry: ReturnType<typeof setTimeout> | undefined
    let changedMs = 0
    let hasEnded = false

    async function follow(): Promise<void> {
      const { signal } = abort
      try {
        for await (const event of client.experiments.events(id, { signal })) {
          if (event.event === 'experiment') {
            hasEnded = !isLive(event.data)
            setLive(before => ({ experiment: event.data, changes: before.changes + (hasEnded ? 1 : 0), error: null }))
          } else if (performance.now() - changedMs > BETWEEN_CHANGES_MS) {
            changedMs = performance.now()
            setLive(before => ({ ...before, changes: before.changes + 1 }))
          }
        }
      } catch (error) {
        if (signal.aborted) return
        setLive(before => ({ ...before, error: error as Error }))
        if (error instanceof LazyRestoreHttpError && error.status < 500) return
      }
      if (!hasEnded && !signal.aborted) retry = setTimeout(follow, RETRY_MS)
    }

    const onVisibility = (): void => {
      if (hasEnded) return
      abort.abort()
      clearTimeout(retry)
      abort = new AbortController()
      if (!document.hidden) void follow()
    }
    document.addEventListener('visibilitychange', onVisibility)
    void follow()
    return () => {
      document.removeEventListener('visibilitychange', onVisibility)
      clearTimeout(retry)
      abort.abort()
    }
  }, [client, id, attempt])
  return live
}
