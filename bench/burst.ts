/**
 * Ten thousand restores at a time: on one host, where they share cores, page cache and device, and of as many hosts on one
 * store. Each is of a guest of 256 MiB with the working set of REAP's helloworld, 2,000 pages; the commands are those of docs/burst.md.
 */
import type { BurstResult } from '../src/burst/result.ts'
import { runCommand } from './command-peak.ts'
import { type Bench, recordOf } from './record.ts'

export const WALL_LIMIT_S = 60
export const PEAK_LIMIT_MIB = 2048

const RESTORES = 10_000
const SEED = 1
const TIMEOUT_MS = 400_000
const WORKLOAD = 'working-set:pages=2000,vcpus=1'
const BURSTS = [
  { name: 'lazily, one host', options: ['--policies', 'lazy', '--cores', '48', '--arrivals', 'poisson:rate=400'] },
  { name: 'by REAP, one host', options: ['--policies', 'reap', '--cores', '48', '--arrivals', 'poisson:rate=400'] },
  {
    name: 'by REAP, a host each, one object store',
    options: [
      '--policies',
      'reap',
      '--hosts',
      String(RESTORES),
      '--storage',
      'object-store:streams=4096,bandwidth=40G',
      '--arrivals',
      'poisson:rate=1000',
    ],
  },
]

export const burst: Bench = {
  name: 'burst',
  summary: `${RESTORES} restores at a time: wall time and peak memory of the command`,
  run: async function* () {
    for (const { name, options } of BURSTS) {
      const { output, wallS, peakMib } = await runBurstCommand(RESTORES, options)
      if (output.results[0].restores !== RESTORES)
        throw new Error(`burst: found ${output.results[0].restores} restores`)
      yield recordOf(`${name} (limit: ${WALL_LIMIT_S} s)`, 's', [wallS], { seed: SEED })
      yield recordOf(`${name}, peak memory (limit: ${PEAK_LIMIT_MIB} MiB)`, 'MiB', [peakMib], { seed: SEED })
    }
  },
}

export function runBurstCommand(restores: number, options: readonly string[]) {
  const burst = ['burst', '--restores', String(restores), '--workload', WORKLOAD, '--seed', String(SEED), '--json']
  return runCommand<{ results: BurstResult[] }>([...burst, ...options], TIMEOUT_MS)
}
