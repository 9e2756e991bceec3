/**
 * When faults come, for what says only in which order they came: models of the time between them. A trace made with one
 * carries the model's name, since its times are no measurement.
 *
 *   none          0 between all of them: the order alone, as fast as it can be replayed
 *   every:20us    so long before each
 *   chromium      as fcvm saw a Chromium clone start (#742): half of the faults by 300 ms, 98 % by 750 ms
 */
import { LazyRestoreError } from '../core/error.ts'
import { option, parseSpec, resolveOptions } from '../core/spec-string.ts'
import { MAX_THINK_NS } from './workload.ts'

/** Points of the distribution of fault times, straight lines between them; the end is an assumption. */
const CHROMIUM: readonly (readonly [timeNs: number, share: number])[] = [
  [0, 0],
  [300e6, 0.5],
  [750e6, 0.98],
  [1500e6, 1],
]

export interface FaultTimes {
  /** As written, for the trace's name. */
  readonly name: string
  /** Time of fault `index` of `count`, in ns from the resume; never less than that of the one before. */
  timeNs(index: number, count: number): number
}

export const FAULT_TIMES_HELP = 'none, every:20us, chromium (half by 300 ms, 98 % by 750 ms)'

/** @throws LazyRestoreError `usage` */
export function parseFaultTimes(text: string): FaultTimes {
  const spec = parseSpec(text)
  const name = text.trim()
  if (spec.name === 'every' && spec.positional !== null) {
    const rules = { every: option('durationNs', 0, 'time before each fault', 0, MAX_THINK_NS) }
    const { every } = resolveOptions({ ...spec, options: { ...spec.options, every: spec.positional } }, rules)
    return { name, timeNs: index => (index + 1) * every }
  }
  if (spec.positional === null && spec.name === 'none') {
    resolveOptions(spec, {})
    return { name, timeNs: () => 0 }
  }
  if (spec.positional === null && spec.name === 'chromium') {
    resolveOptions(spec, {})
    return { name, timeNs: (index, count) => Math.round(quantile(CHROMIUM, (index + 1) / count)) }
  }
  throw new LazyRestoreError('usage', `fault times: found "${text}", expected ${FAULT_TIMES_HELP}`)
}

/** The time by which the share has come. */
function quantile(points: readonly (readonly [number, number])[], share: number): number {
  const above = Math.max(
    1,
    points.findIndex(([, reached]) => reached >= share),
  )
  const [fromNs, from] = points[above - 1]
  const [toNs, to] = points[above]
  return fromNs + ((share - from) / (to - from)) * (toNs - fromNs)
}
