/**
 * What an operation costs, beside another way to do it: both under tinybench, in rounds that take turns, so that a machine
 * whose speed changes changes both.
 */
import { Bench as Tinybench } from 'tinybench'
import { type BenchRecord, recordOf } from './record.ts'

const ROUNDS = 11
const TIME_MS = 40
const WARMUP_MS = 20

export interface SideBySide {
  readonly name: string
  /** Operations in one call of `run` or `yardstick.run`; enough that the clock can tell two calls apart. */
  readonly operations: number
  readonly run: () => void
  readonly yardstick: { readonly name: string; readonly run: () => void }
  readonly seed: number
}

/** ns per operation; a round's value is the median of its calls. */
export async function measureSideBySide({ name, operations, run, yardstick, seed }: SideBySide): Promise<BenchRecord> {
  const ours: number[] = []
  const theirs: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const bench = new Tinybench({ time: TIME_MS, warmupTime: WARMUP_MS, throws: true })
    bench.add('ours', run).add('theirs', yardstick.run)
    const [ourNs, theirNs] = (await bench.run()).map(({ name: task, result }) => {
      if (result.state !== 'completed') throw new Error(`${name}: ${task}: found ${result.state}, expected completed`)
      return (result.latency.p50 * 1e6) / operations
    })
    ours.push(ourNs)
    theirs.push(theirNs)
  }
  return recordOf(name, 'ns', ours, { seed, yardstick: { name: yardstick.name, values: theirs } })
}
