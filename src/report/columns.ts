/** The columns of the comparison table, for the terminal and for HTML: what they show and which value in them is best. */
import { formatBytes, formatCount, formatDurationNs } from '../core/units.ts'
import type { RestoreResult } from '../engine/result.ts'

export interface Column {
  readonly title: string
  readonly show: (result: RestoreResult) => string
  /** Lower is better; null takes no part. Absent: no best in this column. */
  readonly rank?: (result: RestoreResult) => number | null
  /** Columns with a lower number go first when there is no room. 'always' never goes. */
  readonly keep: number | 'always'
}

const NOTHING = '–'

export const COLUMNS: readonly Column[] = [
  { title: 'policy', show: ({ policy }) => policy, keep: 'always' },
  { title: 'resume', show: ({ resumeNs }) => formatDurationNs(resumeNs), rank: ({ resumeNs }) => resumeNs, keep: 8 },
  {
    title: 'first access',
    show: ({ firstAccessNs }) => (firstAccessNs === null ? NOTHING : formatDurationNs(firstAccessNs)),
    rank: ({ firstAccessNs }) => firstAccessNs,
    keep: 1,
  },
  {
    title: 'work done',
    show: ({ workDoneNs }) => formatDurationNs(workDoneNs),
    rank: ({ workDoneNs }) => workDoneNs,
    keep: 'always',
  },
  {
    title: 'all resident',
    show: ({ residentNs }) => (residentNs === null ? 'never' : formatDurationNs(residentNs)),
    rank: ({ residentNs }) => residentNs,
    keep: 7,
  },
  {
    title: 'slowdown',
    show: ({ slowdown }) => (slowdown === null ? NOTHING : `${slowdown.toFixed(2)} ×`),
    rank: ({ slowdown }) => slowdown,
    keep: 4,
  },
  {
    title: 'stall',
    show: ({ stallNs }) => formatDurationNs(stallNs.total),
    rank: ({ stallNs }) => stallNs.total,
    keep: 2,
  },
  { title: 'faults', show: ({ faults }) => formatCount(faults), rank: ({ faults }) => faults, keep: 6 },
  {
    title: 'fault p50',
    show: ({ faultLatencyNs }) => (faultLatencyNs === null ? NOTHING : formatDurationNs(faultLatencyNs.p50)),
    keep: 3,
  },
  {
    title: 'fault p99',
    show: ({ faultLatencyNs }) => (faultLatencyNs === null ? NOTHING : formatDurationNs(faultLatencyNs.p99)),
    keep: 5,
  },
  { title: 'read', show: ({ bytesRead }) => formatBytes(bytesRead), rank: ({ bytesRead }) => bytesRead, keep: 5 },
]

/** The best value of the column; null when it has none, or when all rows are alike and none stands out. */
export function bestValue({ rank }: Column, results: readonly RestoreResult[]): number | null {
  if (rank === undefined) return null
  const ranks = results.map(rank)
  if (new Set(ranks).size < 2) return null
  return Math.min(...ranks.filter(value => value !== null))
}
