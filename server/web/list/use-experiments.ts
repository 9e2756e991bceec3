/** The list as it grows by pages; while something runs and the page is seen, it is asked for again now and then. */
import type { Client, ExperimentRecord } from 'lazyrestore/client'
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { isLive } from '../ui/progress.tsx'
import { append, type List, refresh } from './merge.ts'

const PAGE = 50
const POLL_MS = 1500

export interface ExperimentList {
  /** Null: none has come yet. */
  readonly items: readonly ExperimentRecord[] | null
  readonly hasMore: boolean
  readonly isLoading: boolean
  readonly error: Error | null
  readonly loadMore: () => void
  readonly reload: () => void
}

export function useExperiments(client: Client): ExperimentList {
  const [list, setList] = useState<List | null>(null)
  const [isLoading, setLoading] = useState(false)
  const [error, setError] = useState<Error | null>(null)
  const abort = useRef(new AbortController())

  const load = useCallback(
    async (after: string | undefined, merge: (before: List | null, page: List) => List): Promise<void> => {
      const { signal } = abort.current
      setLoading(true)
      try {
        const page = await client.experiments.list(
          { limit: PAGE, ...(after === undefined ? {} : { after }) },
          { signal },
        )
        setList(before => merge(before, page))
        setError(null)
      } catch (caught) {
        if (!signal.aborted) setError(caught as Error)
      }
      setLoading(false)
    },
    [client],
  )
  const reload = useCallback(() => void load(undefined, refresh), [load])

  useEffect(() => {
    abort.current = new AbortController()
    reload()
    return () => abort.current.abort()
  }, [reload])

  const runs = list?.items.some(isLive) ?? false
  useEffect(() => {
    if (!runs) return
    const timer = setInterval(() => {
      if (!document.hidden) reload()
    }, POLL_MS)
    return () => clearInterval(timer)
  }, [runs, reload])

  const next = list?.next ?? null
  const loadMore = (): void => {
    if (next !== null) void load(next, append)
  }
  return { items: list?.items ?? null, hasMore: next !== null, isLoading, error, loadMore, reload }
}
