/**
 * A snapshot of 1 TiB, 2^28 pages: how long it takes to open, and what memory its lazy restore needs. The restore is the
 * command that a user gives, in a process of its own that tells its peak memory when it ends.
 */
import type { RestoreResult } from '../src/engine/result.ts'
import { openSynthetic } from '../src/snapshot/synthetic.ts'
import { runCommand } from './command-peak.ts'
import { type Bench, recordOf } from './record.ts'

export const OPEN_LIMIT_MS = 300
export const PEAK_LIMIT_MIB = 400

const SEED = 1
const SNAPSHOT = `synthetic:1TiB,zero=60%,seed=${SEED}`
const WORKLOAD = 'working-set:pages=1000000,reuse=9,vcpus=16'
const OPENINGS = 9
const RESTORES = 3
const TIMEOUT_MS = 180_000

export const huge: Bench = {
  name: 'huge',
  summary: 'a snapshot of 1 TiB: opening it, and the memory of its lazy restore',
  run: async function* () {
    const openMs = Array.from({ length: OPENINGS }, () => {
      const start = performance.now()
      openSynthetic(SNAPSHOT)
      return performance.now() - start
    })
    yield recordOf(`open 1 TiB (limit: ${OPEN_LIMIT_MS} ms)`, 'ms', openMs, { seed: SEED })
    const restores: HugeRestore[] = []
    while (restores.length < RESTORES) restores.push(await restoreHuge())
    const peaks = restores.map(({ peakMib }) => peakMib)
    const seconds = restores.map(({ wallS }) => wallS)
    yield recordOf(`peak memory of its lazy restore (limit: ${PEAK_LIMIT_MIB} MiB)`, 'MiB', peaks, { seed: SEED })
    yield recordOf('time of the whole command, 10 million accesses', 's', seconds, { seed: SEED })
  },
}

export interface HugeRestore {
  readonly result: RestoreResult
  readonly peakMib: number
  readonly wallS: number
}

/** Restores the terabyte lazily under 10 million accesses. Needs the build in dist. */
export async function restoreHuge(): Promise<HugeRestore> {
  const compare = ['compare', SNAPSHOT, '--policies', 'lazy', '--workload', WORKLOAD, '--seed', String(SEED), '--json']
  const { output, ...run } = await runCommand<{ results: [RestoreResult] }>(compare, TIMEOUT_MS)
  return { result: output.results[0], ...run }
}
