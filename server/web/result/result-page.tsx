/** One experiment: how far it is, and what each policy was worth, a slice at a time. */
import type { ExperimentRecord } from 'lazyrestore/client'
import { useEffect, useState } from 'preact/hooks'
import { parseHidden, type Series, seriesOf, withResults } from '../figures/series.ts'
import { MapSection } from '../map/map-section.tsx'
import { numberIn, type Place } from '../router.ts'
import { countSlices, sliceAt } from '../slices.ts'
import { useApi } from '../ui/api.ts'
import { isLive } from '../ui/progress.tsx'
import { Empty, Failure, Loading } from '../ui/states.tsx'
import { useAsync } from '../ui/use-async.ts'
import { goTo } from '../ui/use-place.ts'
import { Charts } from './charts.tsx'
import { Exports } from './exports.tsx'
import { ResultHead } from './result-head.tsx'
import { ResultTable } from './result-table.tsx'
import { SeriesPicker } from './series-picker.tsx'
import { SlicePicker } from './slice-picker.tsx'
import { StallBars } from './stall-bars.tsx'
import { TimeBars } from './time-bars.tsx'
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
  if (deletion === 'running') return <Loading what="the list without it" />
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
  const hidden = parseHidden(query.hidden)
  const scale = query.scale === 'log' ? 'log' : 'linear'
  const slice = sliceAt(spec, index)
  return (
    <>
      <SlicePicker spec={spec} index={index} />
      {cells.state === 'failed' && <Failure error={cells.error} />}
      {cells.value === null ? cells.state === 'loading' && <Loading what="results" /> : renderCells(cells.value)}
      <Exports experiment={experiment} slice={slice} />
    </>
  )

  function renderCells({ first: loadedFirst, items }: { first: number; items: Parameters<typeof seriesOf>[0] }) {
    const series = seriesOf(items)
    const results = withResults(series)
    const shown = results.filter(({ policy }) => !hidden.has(policy))
    return (
      <>
        <Notes series={series} />
        {results.length === 0 ? (
          <Empty title={isLive(experiment) ? 'No result of this slice yet.' : 'This slice has no results.'} />
        ) : (
          <>
            <SeriesPicker series={results} hidden={hidden} scale={scale} />
            {shown.length === 0 ? (
              <Empty title="Every policy is hidden." />
            ) : (
              <>
                <TimeBars series={shown} scale={scale} />
                <Charts series={shown} scale={scale} />
                <StallBars series={shown} />
              </>
            )}
            <MapSection
              key={loadedFirst}
              experiment={experiment}
              firstCell={loadedFirst}
              series={results}
              scale={scale}
              query={query}
            />
            {shown.length > 0 && <ResultTable series={shown} />}
          </>
        )}
      </>
    )
  }
}

/** What went wrong with cells of the slice, and what engines noted. */
function Notes({ series }: { series: readonly Series[] }) {
  const failed = series.filter(({ cell }) => cell.error !== null)
  const notes = [...new Set(series.flatMap(({ cell }) => cell.notes))]
  if (failed.length + notes.length === 0) return null
  return (
    <ul class="notes">
      {failed.map(({ policy, label, cell }) => (
        <li key={policy} class="bad">
          <strong>{label}</strong>: {cell.error!.message} ({cell.error!.code})
        </li>
      ))}
      {notes.map(note => (
        <li key={note}>{note}</li>
      ))}
    </ul>
  )
}
