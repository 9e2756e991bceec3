/** The columns of the comparison table, for the terminal and for HTML: what they show, what it means, which value is best. */
import { formatBytes, formatCount, formatDurationNs } from '../core/units.ts'
import type { RestoreResult } from '../engine/result.ts'

export interface Column {
  readonly title: string
  /** What the column says, for a reader who sees it for the first time. */
  readonly help: string
  readonly show: (result: RestoreResult) => string
  /** Lower is better; null takes no part. Absent: no best in this column. */
  readonly rank?: (result: RestoreResult) => number | null
  /** Columns with a lower number go first when there is no room. 'always' never goes. */
  readonly keep: number | 'always'
}

const NOTHING = '–'

/** The rows' names stand before these; work done always stands, so that resume never does without it. */
export const COLUMNS: readonly Column[] = [
  {
    title: 'resume',
    help: 'vCPUs may run.',
    show: ({ resumeNs }) => formatDurationNs(resumeNs),
    rank: ({ resumeNs }) => resumeNs,
    keep: 9,
  },
  {
    title: 'first access',
    help: 'The first guest access is done.',
    show: ({ firstAccessNs }) => formatNullable(firstAccessNs, formatDurationNs),
    rank: ({ firstAccessNs }) => firstAccessNs,
    keep: 2,
  },
  {
    title: 'work done',
    help: "The workload's last access is done.",
    show: ({ workDoneNs }) => formatDurationNs(workDoneNs),
    rank: ({ workDoneNs }) => workDoneNs,
    keep: 'always',
  },
  {
    title: 'fully resident',
    help: 'All memory is installed. Never: the policy fetches only what is touched, or what is near it.',
    show: ({ residentNs }) => (residentNs === null ? 'never' : formatDurationNs(residentNs)),
    rank: ({ residentNs }) => residentNs,
    keep: 8,
  },
  {
    title: 'slowdown',
    help: 'Time from resume to work done, over the time that the same workload takes on resident memory.',
    show: ({ slowdown }) => formatNullable(slowdown, formatFactor),
    rank: ({ slowdown }) => slowdown,
    keep: 5,
  },
  {
    title: 'stall',
    help: 'Time that vCPUs stood still in faults, all vCPUs together.',
    show: ({ stallNs }) => formatDurationNs(stallNs.total),
    rank: ({ stallNs }) => stallNs.total,
    keep: 3,
  },
  {
    title: 'faults',
    help: 'Faults that a handler was told of, or that had to wait for the disk.',
    show: ({ faults }) => formatCount(faults),
    rank: ({ faults }) => faults,
    keep: 7,
  },
  {
    title: 'fault p50',
    help: 'From the access to the vCPU running again: half of the faults took no longer.',
    show: ({ faultLatencyNs }) => formatNullable(faultLatencyNs?.p50 ?? null, formatDurationNs),
    keep: 4,
  },
  {
    title: 'fault p99',
    help: 'The same for 99 of 100 faults.',
    show: ({ faultLatencyNs }) => formatNullable(faultLatencyNs?.p99 ?? null, formatDurationNs),
    keep: 6,
  },
  {
    title: 'read',
    help: 'Bytes that came from the snapshot and from working-set files, from the disk and the page cache alike.',
    show: ({ bytesRead }) => formatBytes(bytesRead),
    rank: ({ bytesRead }) => bytesRead,
    keep: 6,
  },
  {
    title: 'read ×',
    help: 'Bytes read over bytes touched. Below 1 when touched pages are zero, which need no read.',
    show: ({ readAmplification }) => formatNullable(readAmplification, formatFactor),
    keep: 1,
  },
]

/** Three significant digits: `1.02×`, `18.1×`, `240×`. */
export function formatFactor(factor: number): string {
  return `${factor.toFixed(factor >= 99.95 ? 0 : factor >= 9.995 ? 1 : 2)}×`
}

function formatNullable(value: number | null, format: (value: number) => string): string {
  return value === null ? NOTHING : format(value)
}

/**
 * For each row, whether its value is the best of the column. Values that read alike are alike: what three digits do not
 * tell apart is not a difference. None is best when all read alike, since there is nothing to choose.
 */
export function bestRows({ rank, show }: Column, results: readonly RestoreResult[]): boolean[] {
  const texts = results.map(show)
  const ranked = results.filter(result => (rank?.(result) ?? null) !== null)
  if (rank === undefined || ranked.length === 0 || new Set(texts).size < 2) return results.map(() => false)
  const best = show(ranked.reduce((a, b) => (rank(b)! < rank(a)! ? b : a)))
  return texts.map(text => text === best)
}
