/** One experiment: how far it is, and what each policy was worth, a slice at a time. */
import type { ExperimentRecord } from 'lazyrestore/client'
import { useEffect, useState } from 'preact/hooks'
import { numberIn, type Place } from '../router.ts'
import { countSlices, sliceAt } from '../slices.ts'
import { useApi } from '../ui/api.ts'
import { isLive } from '../ui/progress.tsx'
import { Failure, Loading } from '../ui/states.tsx'
import { useAsync } from '../ui/use-async.ts'
import { goTo } from '../ui/use-place.ts'
import { Exports } from './exports.tsx'
import { ResultHead } from './result-head.tsx'
import { SlicePicker } from './slice-picker.tsx'
import { SliceResults } from './slice-results.tsx'
import { useExperiment } from './use-experiment.ts'

interface ResultPageProps {
  readonly id: string
  readonly query: Place['query']
}

export function ResultPage(props: ResultPageProps) {
  const { client } = useApi()
  const [deletion, setDeletion] = useState<'none' | 'running' | Error>('none')
  const remove = (): void => {
    setDeletion('running')
    client.experiments.delete(props.id).then(() => goTo('#/'), setDeletion)
  }
  // Nothing asks any more for what is about to go.
  if (deletion === 'running') {
    return (
      <p class="state" role="status">
        Deleting…
      </p>
    )
  }
  if (deletion !== 'none') return <Failure error={deletion} retry={() => setDeletion('none')} />
  return <Experiment {...props} onDelete={remove} />
}

function Experiment({ id, query, onDelete }: ResultPageProps & { readonly onDelete: () => void }) {
  const { client } = useApi()
  const [attempt, setAttempt] = useState(0)
  const { experiment, changes, error } = useExperiment(client, id, attempt)
  const follow = (): void => setAttempt(before => before + 1)
  useEffect(() => {
    document.title = `${experiment?.name ?? 'Experiment'} · lazyrestore`
  }, [experiment?.name])
  if (experiment === null) {
    return error === null ? <Loading what="the experiment" /> : <Failure error={error} retry={follow} />
  }
  return (
    <>
      <ResultHead experiment={experiment} onChange={follow} onDelete={onDelete} />
      {error !== null && isLive(experiment) && <Failure error={error} />}
      <Results experiment={experiment} changes={changes} query={query} />
    </>
  )
}

interface ResultsProps {
  readonly experiment: ExperimentRecord
  readonly changes: number
  readonly query: Place['query']
}

function Results({ experiment, changes, query }: ResultsProps) {
  const { client } = useApi()
  const { id, spec } = experiment
  const index = Math.min(numberIn(query, 'slice') ?? 0, countSlices(spec) - 1)
  const first = index * spec.policies.length
  const cells = useAsync(
    async signal => {
      const { items } = await client.experiments.cells(id, { from: first, limit: spec.policies.length }, { signal })
      return { first, items }
    },
    [client, id, first, changes],
  )
  const loaded = cells.value
  return (
    <>
      <SlicePicker spec={spec} index={index} />
      {cells.state === 'failed' && <Failure error={cells.error} />}
      {loaded === null && cells.state === 'loading' && <Loading what="results" />}
      {loaded !== null && (
        <div class="slice" aria-busy={loaded.first !== first}>
          <SliceResults experiment={experiment} firstCell={loaded.first} cells={loaded.items} query={query} />
        </div>
      )}
      <Exports experiment={experiment} slice={sliceAt(spec, index)} />
    </>
  )
}
