/** All experiments, the newest first: what runs is followed, two can be compared, a long list comes page by page. */
import type { ExperimentRecord } from 'lazyrestore/client'
import { useEffect, useState } from 'preact/hooks'
import { count, plural } from '../format.ts'
import { addressOf } from '../router.ts'
import { useApi } from '../ui/api.ts'
import { Empty, Failure, Loading } from '../ui/states.tsx'
import { goTo } from '../ui/use-place.ts'
import { ExperimentRow } from './experiment-row.tsx'
import { useExperiments } from './use-experiments.ts'

const TICK_MS = 30_000

export function ListPage() {
  const { client } = useApi()
  const { items, hasMore, isLoading, error, loadMore, reload } = useExperiments(client)
  const [chosen, setChosen] = useState<readonly string[]>([])
  const [filter, setFilter] = useState('')
  const nowMs = useNow()
  useEffect(() => {
    document.title = 'Experiments · lazyrestore'
  }, [])
  const shown = (items ?? []).filter(experiment => matches(experiment, filter))
  // The third choice takes the place of the older of two.
  const choose = (id: string): void =>
    setChosen(before => (before.includes(id) ? before.filter(other => other !== id) : [...before, id].slice(-2)))
  return (
    <>
      <div class="page-head">
        <h1>Experiments</h1>
        {items !== null && items.length > 0 && (
          <input
            class="filter"
            type="search"
            aria-label="Filter the experiments that are loaded"
            placeholder="Filter"
            value={filter}
            onInput={event => setFilter(event.currentTarget.value)}
          />
        )}
        <span class="spring" />
        <button
          type="button"
          disabled={chosen.length !== 2}
          title="Choose two experiments below"
          onClick={() => goTo(addressOf(['compare'], { a: chosen[0], b: chosen[1] }))}
        >
          Compare{chosen.length > 0 ? ` (${chosen.length} of 2)` : ''}
        </button>
        <a class="button primary" href="#/new">
          New experiment
        </a>
      </div>
      {error !== null && <Failure error={error} retry={reload} />}
      {items === null && error === null && <Loading what="experiments" />}
      {items?.length === 0 && (
        <Empty title="No experiments yet.">
          <p class="dim">An experiment restores one snapshot under several policies, and shows what each is worth.</p>
          <a class="button primary" href="#/new">
            Start the first one
          </a>
        </Empty>
      )}
      {items !== null && items.length > 0 && (
        <>
          <ul class="experiments">
            {shown.map(experiment => (
              <ExperimentRow
                key={experiment.id}
                experiment={experiment}
                nowMs={nowMs}
                isChosen={chosen.includes(experiment.id)}
                onChoose={() => choose(experiment.id)}
              />
            ))}
          </ul>
          {shown.length === 0 && <Empty title={`None of the ${count(items.length)} loaded matches “${filter}”.`} />}
          <div class="list-foot">
            <span class="dim" role="status">
              {filter === '' ? plural(items.length, 'experiment') : `${count(shown.length)} of ${count(items.length)}`}
              {hasMore ? ' loaded' : ''}
            </span>
            {hasMore && (
              <button type="button" disabled={isLoading} onClick={loadMore}>
                {isLoading ? 'Loading…' : 'Load more'}
              </button>
            )}
          </div>
        </>
      )}
    </>
  )
}

function matches({ id, name, spec }: ExperimentRecord, filter: string): boolean {
  const words = filter.toLowerCase().split(/\s+/)
  const text = [id, name, spec.snapshot, spec.engine, ...spec.workloads, ...spec.policies, ...spec.storages]
    .join(' ')
    .toLowerCase()
  return words.every(word => text.includes(word))
}

function useNow(): number {
  const [nowMs, setNowMs] = useState(Date.now)
  useEffect(() => {
    const timer = setInterval(() => setNowMs(Date.now()), TICK_MS)
    return () => clearInterval(timer)
  }, [])
  return nowMs
}
