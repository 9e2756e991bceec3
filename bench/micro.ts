/** The two structures of our own that everything stands on: the bitmap's scan and the latency histogram. */
import { build } from 'hdr-histogram-js'
import { nextClearBit, nextSetBit, testBit } from '../src/core/bitmap.ts'
import { LatencyHistogram } from '../src/core/latency-histogram.ts'
import { createRandom, nextFloat } from '../src/core/random.ts'
import { openSynthetic } from '../src/snapshot/synthetic.ts'
import type { Bench, BenchRecord } from './record.ts'
import { measureSideBySide } from './side-by-side.ts'

const SEED = 1
const RUN_LENGTHS = [2, 64]
const LATENCIES = 4096

export const micro: Bench = {
  name: 'micro',
  summary: 'scan of a bitmap, beside bit by bit; record of a latency, beside hdr-histogram-js',
  run: async function* () {
    for (const runs of RUN_LENGTHS) yield await scan(runs)
    yield await record()
  },
}

/** Walks all runs of set bits, as a sweep does. */
async function scan(meanRun: number): Promise<BenchRecord> {
  const [{ bitmap, pageCount }] = openSynthetic(`synthetic:256MiB,zero=50%,runs=${meanRun},seed=${SEED}`).blocks
  let words = 0
  let bits = 0
  const run = () => {
    for (let first = nextSetBit(bitmap, 0, pageCount); first < pageCount; ) {
      const end = nextClearBit(bitmap, first, pageCount)
      words += end - first
      first = nextSetBit(bitmap, end, pageCount)
    }
  }
  const bitByBit = () => {
    for (let page = 0; page < pageCount; page++) if (testBit(bitmap, page)) bits++
  }
  run()
  bitByBit()
  if (words !== bits) throw new Error(`scan: found ${words} set bits, expected ${bits}`)
  return measureSideBySide({
    name: `scan a bitmap, runs of ${meanRun} bits, per bit`,
    operations: pageCount,
    run,
    yardstick: { name: 'bit by bit', run: bitByBit },
    seed: SEED,
  })
}

/** Both within 1 % of the true quantile over the same range, without a resize. */
async function record(): Promise<BenchRecord> {
  const random = createRandom(SEED)
  // From 1 µs to 100 ms, as many in each decade.
  const latencies = Float64Array.from({ length: LATENCIES }, () => Math.round(1000 * 10 ** (5 * nextFloat(random))))
  const ours = new LatencyHistogram()
  const hdr = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 2 ** 40,
    numberOfSignificantValueDigits: 2,
    autoResize: false,
  })
  return measureSideBySide({
    name: 'record a latency',
    operations: LATENCIES,
    run: () => {
      for (const ns of latencies) ours.record(ns)
    },
    yardstick: {
      name: 'hdr-histogram-js 3.0.1',
      run: () => {
        for (const ns of latencies) hdr.recordValue(ns)
      },
    },
    seed: SEED,
  })
}
