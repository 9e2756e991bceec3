/**
 * From samples to a figure and how well it is known. Every parameter is computed from averages: a restore is a sum of many
 * calls and waits, and what a skewed cost adds to a sum is its mean, not its median. It is computed once from all samples and
 * once from each of ten consecutive parts of the run. As all measures take turns through the whole run, the spread of the parts
 * shows noise and drift alike.
 */
import { mean, quantile } from 'simple-statistics'
import { LazyRestoreError } from '../core/error.ts'

/** ns of each measure, in the order that they were taken. */
export type Samples = ReadonlyMap<string, readonly number[]>

/** The average of a measure, over all of its samples or a part of them. */
export type Average = (measure: string) => number

export interface Estimate {
  readonly value: number
  /** Of the parts' values. */
  readonly p10: number
  readonly p90: number
}

const PARTS = 10
/** Of the samples the slowest, which are left out: something else ran there, for which a thread's share of its core stands. */
const SLOWEST_SHARE = 0.02
/**
 * A wait for another CPU has slow ones of its own: a core that slept deeply, a thread that had to finish its slice. Of these
 * measures fewer are left out. On one CPU a round trip is work, call after call.
 */
const WAIT = /^(guest )?remote (message|install|run|latency)$/
const SLOWEST_WAITS_SHARE = 0.002
/** Of a core: the highest is the best, and nothing is left out. */
const SHARE = /^share /

/** @throws LazyRestoreError `mismatch` when a measure has no samples */
export function estimate(samples: Samples, compute: (average: Average) => number): Estimate {
  const value = compute(measure => averageOf(samplesOf(samples, measure), slowestShare(measure)))
  const parts = Array.from({ length: PARTS }, (_, part) =>
    compute(measure => averageOf(partOf(samplesOf(samples, measure), part), slowestShare(measure))),
  )
  return { value, ...spreadOf(parts) }
}

function slowestShare(measure: string): number {
  if (SHARE.test(measure)) return 0
  return WAIT.test(measure) ? SLOWEST_WAITS_SHARE : SLOWEST_SHARE
}

/** The mean of all but the slowest, by default a fiftieth, which is one at least where there are several. */
export function averageOf(values: readonly number[], slowest = SLOWEST_SHARE): number {
  const kept = Math.max(1, Math.floor(values.length * (1 - slowest)))
  return mean([...values].sort((a, b) => a - b).slice(0, kept))
}

/** p10 and p90 of repeated values of one figure. */
export function spreadOf(values: readonly number[]): { p10: number; p90: number } {
  const [p10, p90] = quantile([...values], [0.1, 0.9])
  return { p10, p90 }
}

function samplesOf(samples: Samples, measure: string): readonly number[] {
  const found = samples.get(measure)
  if (found === undefined || found.length === 0) {
    throw new LazyRestoreError('mismatch', `calibrate: found no samples of "${measure}", expected some`)
  }
  return found
}

/** One of ten consecutive parts; with fewer samples than parts, a part is one of them. */
function partOf(values: readonly number[], part: number): number[] {
  const start = Math.floor((part * values.length) / PARTS)
  const end = Math.floor(((part + 1) * values.length) / PARTS)
  return values.slice(start, Math.max(end, start + 1))
}
