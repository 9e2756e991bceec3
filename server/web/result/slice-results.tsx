/** What each policy of a slice was worth: the figures, one below the other. */
import type { CellRecord, ExperimentRecord } from 'lazyrestore/client'
import { useMemo } from 'preact/hooks'
import { parseHidden, type Series, seriesOf, withResults } from '../figures/series.ts'
import { MapSection } from '../map/map-section.tsx'
import type { Place } from '../router.ts'
import { isLive } from '../ui/progress.tsx'
import { Empty } from '../ui/states.tsx'
import { Charts } from './charts.tsx'
import { ResultTable } from './result-table.tsx'
import { SeriesPicker } from './series-picker.tsx'
import { StallBars } from './stall-bars.tsx'
import { TimeBars } from './time-bars.tsx'

interface SliceResultsProps {
  readonly experiment: ExperimentRecord
  /** Index of the slice's first cell. */
  readonly firstCell: number
  /** One a policy. */
  readonly cells: readonly CellRecord[]
  readonly query: Place['query']
}

export function SliceResults({ experiment, firstCell, cells, query }: SliceResultsProps) {
  const hidden = useMemo(() => parseHidden(query.hidden), [query.hidden])
  const series = useMemo(() => seriesOf(cells), [cells])
  const results = useMemo(() => withResults(series), [series])
  const shown = useMemo(() => results.filter(({ policy }) => !hidden.has(policy)), [results, hidden])
  const scale = query.scale === 'log' ? 'log' : 'linear'
  const figures = (
    <>
      <TimeBars series={shown} scale={scale} />
      <Charts series={shown} scale={scale} />
      <StallBars series={shown} />
    </>
  )
  return (
    <>
      <Notes series={series} />
      {results.length === 0 ? (
        <Empty title={isLive(experiment) ? 'No result of this slice yet.' : 'This slice has no results.'} />
      ) : (
        <>
          <SeriesPicker series={results} hidden={hidden} scale={scale} />
          {shown.length === 0 ? <Empty title="Every policy is hidden." /> : figures}
          <MapSection
            key={firstCell}
            experiment={experiment}
            firstCell={firstCell}
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
