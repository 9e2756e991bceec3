/** What `npm run bench` prints for each measure. */
import { cpus, loadavg } from 'node:os'

export interface BenchRecord {
  readonly name: string
  /** The median. */
  readonly value: number
  readonly unit: string
  /** Median of the pairwise ratios to the yardstick, measured in turns with it; null without one. */
  readonly ratio: number | null
  /** The yardstick. */
  readonly against: string | null
  readonly rounds: number
  readonly min: number
  readonly median: number
  readonly max: number
  readonly seed: number | null
  readonly node: string
  readonly cpu: string
  /** Load average of the last minute, when the measure ended. */
  readonly load: number
}

export interface Bench {
  readonly name: string
  /** One line for the list of benches. */
  readonly summary: string
  run(): AsyncIterable<BenchRecord>
}

interface Yardstick {
  readonly name: string
  /** `values[i]` was measured beside the i-th value of what it is held against. */
  readonly values: readonly number[]
}

export interface RecordOptions {
  readonly seed?: number
  readonly yardstick?: Yardstick | undefined
}

/** The record of a measure that was taken once a round. */
export function recordOf(
  name: string,
  unit: string,
  values: readonly number[],
  { seed, yardstick }: RecordOptions = {},
): BenchRecord {
  const middle = median(values)
  return {
    name,
    value: middle,
    unit,
    ratio: yardstick === undefined ? null : median(values.map((value, i) => value / yardstick.values[i])),
    against: yardstick?.name ?? null,
    rounds: values.length,
    min: Math.min(...values),
    median: middle,
    max: Math.max(...values),
    seed: seed ?? null,
    node: process.version,
    cpu: `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}`,
    load: loadavg()[0],
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2
}
