/** All figures of a slice, a row a policy; a click on a column sorts by it. */
import type { RestoreRecord } from 'lazyrestore/client'
import { useState } from 'preact/hooks'
import type { ResultSeries } from '../figures/series.ts'
import { Swatch } from '../figures/swatch.tsx'
import { bytes, count, duration, factor, share } from '../format.ts'
import { Scroll } from '../ui/scroll.tsx'

interface Column {
  readonly title: string
  readonly help: string
  readonly value: (result: RestoreRecord) => number | null
  readonly show: (value: number | null) => string
  /** Whether less is better; null: neither. */
  readonly lessIsBetter: boolean | null
}

const COLUMNS: readonly Column[] = [
  { title: 'resume', help: 'vCPUs may run', value: r => r.resumeNs, show: duration, lessIsBetter: true },
  {
    title: 'first access',
    help: 'The first guest access is done',
    value: r => r.firstAccessNs,
    show: duration,
    lessIsBetter: true,
  },
  {
    title: 'work done',
    help: "The workload's last access is done",
    value: r => r.workDoneNs,
    show: duration,
    lessIsBetter: true,
  },
  {
    title: 'all resident',
    help: 'All memory is there',
    value: r => r.residentNs,
    show: ns => (ns === null ? 'never' : duration(ns)),
    lessIsBetter: true,
  },
  {
    title: 'slowdown',
    help: 'Resume to work done, over the same workload on resident memory',
    value: r => r.slowdown,
    show: factor,
    lessIsBetter: true,
  },
  {
    title: 'stall',
    help: 'Time that vCPUs stood still in faults, all together',
    value: r => r.stallNs.total,
    show: duration,
    lessIsBetter: true,
  },
  { title: 'faults', help: 'Faults that had to be waited for', value: r => r.faults, show: count, lessIsBetter: true },
  {
    title: 'p50',
    help: 'Half of the faults took no longer',
    value: r => r.faultLatencyNs?.p50 ?? null,
    show: duration,
    lessIsBetter: null,
  },
  {
    title: 'p99',
    help: '99 of 100 faults took no longer',
    value: r => r.faultLatencyNs?.p99 ?? null,
    show: duration,
    lessIsBetter: null,
  },
  { title: 'read', help: 'Bytes asked for by reads', value: r => r.bytesRead, show: bytes, lessIsBetter: true },
  {
    title: 'read ×',
    help: 'Bytes read over bytes touched',
    value: r => r.readAmplification,
    show: factor,
    lessIsBetter: true,
  },
  {
    title: 'accuracy',
    help: 'Share of prefetched pages that were wanted',
    value: r => r.prefetchAccuracy,
    show: share,
    lessIsBetter: false,
  },
  {
    title: 'coverage',
    help: 'Share of wanted pages that needed no fault',
    value: r => r.prefetchCoverage,
    show: share,
    lessIsBetter: false,
  },
]

export function ResultTable({ series }: { series: readonly ResultSeries[] }) {
  const [sorted, setSorted] = useState<{ column: number; descending: boolean } | null>(null)
  const rows = sorted === null ? series : sortBy(series, COLUMNS[sorted.column], sorted.descending)
  const click = (column: number): void => {
    if (sorted?.column !== column) setSorted({ column, descending: false })
    else setSorted(sorted.descending ? null : { column, descending: true })
  }
  const order = (column: number) => {
    if (sorted?.column !== column) return undefined
    return sorted.descending ? 'descending' : 'ascending'
  }
  return (
    <section class="panel" aria-labelledby="table-title">
      <header>
        <h2 id="table-title">Figures</h2>
      </header>
      <Scroll labelledBy="table-title">
        <table class="figures">
          <thead>
            <tr>
              <th scope="col">policy</th>
              {COLUMNS.map(({ title, help }, column) => (
                <th key={title} scope="col" aria-sort={order(column)}>
                  <button type="button" class="quiet" title={help} onClick={() => click(column)}>
                    {title}
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(one => (
              <tr key={one.policy}>
                <th scope="row">
                  <Swatch series={one} />
                  {one.label}
                </th>
                {COLUMNS.map(column => (
                  <td key={column.title} class={isBest(column, one.result, series) ? 'best' : ''}>
                    {column.show(column.value(one.result))}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </section>
  )
}

/** What has no value stands last either way. */
function sortBy(series: readonly ResultSeries[], { value }: Column, descending: boolean): ResultSeries[] {
  const sign = descending ? -1 : 1
  return [...series].sort((a, b) => {
    const [left, right] = [value(a.result), value(b.result)]
    if (left === null || right === null) return Number(left === null) - Number(right === null)
    return sign * (left - right)
  })
}

/** Values that read alike are alike; none is best when all do. */
function isBest(
  { value, show, lessIsBetter }: Column,
  result: RestoreRecord,
  series: readonly ResultSeries[],
): boolean {
  const own = value(result)
  if (own === null || lessIsBetter === null) return false
  const values = series.map(one => value(one.result)).filter(other => other !== null)
  const best = values.reduce((a, b) => (lessIsBetter ? Math.min(a, b) : Math.max(a, b)))
  return show(own) === show(best) && values.some(other => show(other) !== show(best))
}
