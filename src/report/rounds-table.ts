/** A comparison in rounds as text: of each policy the median and the spread of its times, and what was predicted. */
import { formatDurationNs } from '../core/units.ts'
import { ROUND_FIGURES, type RoundFigure, type RoundsResult, type RoundsRow } from '../experiment/rounds.ts'
import { alignColumns } from './text-columns.ts'

const TITLES: { readonly [F in RoundFigure]: string } = {
  resumeNs: 'resume',
  workDoneNs: 'work done',
  residentNs: 'fully resident',
}
const NOTHING = '–'

/** One table for each storage. */
export function renderRounds({ rounds, rows }: RoundsResult): string {
  const storages = [...new Set(rows.map(({ result }) => result.storage))]
  const tables = storages.map(storage => {
    const header = ['policy', ...ROUND_FIGURES.flatMap(name => [TITLES[name], 'min to max', 'predicted'])]
    const cells = rows.filter(({ result }) => result.storage === storage).map(cellsOf)
    const count = rounds === 1 ? 'one round' : `median of ${rounds} rounds`
    return [`${storage}, ${count}:`, ...alignColumns([[...header, 'stall', 'p99'], ...cells], 1)].join('\n')
  })
  return `${tables.join('\n\n')}\n`
}

function cellsOf({ result, measured, predicted, stallNs, worstP99LatencyNs }: RoundsRow): string[] {
  const times = ROUND_FIGURES.flatMap(name => {
    const figure = measured[name]
    const spread = figure === null ? NOTHING : `${formatDurationNs(figure.min)} to ${formatDurationNs(figure.max)}`
    return [show(figure?.median ?? null), spread, show(predicted[name])]
  })
  return [result.policy, ...times, show(stallNs.median), show(worstP99LatencyNs)]
}

function show(ns: number | null): string {
  return ns === null ? NOTHING : formatDurationNs(ns)
}
