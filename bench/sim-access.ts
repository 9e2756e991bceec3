/**
 * What an access costs the simulator, beside the C twin: CPU time of a whole simulation, all threads of the process, over
 * its number of accesses. Blocks of runs in turns, JavaScript, C, JavaScript, C …, after a warm-up; the first run of each block,
 * which finds the caches full of the other's memory, is not counted. Both end on the same nanosecond. CPU time, because other processes on the machine take wall-clock time from the longer run.
 */
import { deepStrictEqual } from 'node:assert'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseSpec } from '../src/core/spec-string.ts'
import { parseHostPages } from '../src/destination/host-pages.ts'
import { createLayout, hostPagesOf } from '../src/destination/layout.ts'
import { createPolicy } from '../src/policy/registry.ts'
import { DEFAULT_HOST_PROFILE, hostCosts } from '../src/sim/host-profile.ts'
import { type SimulationInput, simulate } from '../src/sim/simulate.ts'
import { openSynthetic } from '../src/snapshot/synthetic.ts'
import { parseStorage } from '../src/storage/device.ts'
import { memoryOfSnapshot } from '../src/workload/memory.ts'
import { createWorkload } from '../src/workload/registry.ts'
import { outcomeOf, writeTwinInput } from './c-twin.ts'
import { hasCompiler } from './compile-c.ts'
import { type Bench, type BenchRecord, recordOf } from './record.ts'
import { TwinProcess } from './twin-process.ts'

/** Blocks of each side, and runs in each that are counted. */
const BLOCKS = 5
const RUNS = 3
/** Simulations before the first round: the compiler works beside them, and the short ones are many times over before it. */
const WARM_UPS = 24
const SEED = 1
const POLICIES = ['lazy', 'lazy-sweep']
const VCPUS = [1, 16, 64]
const TRACES = [
  { name: 'every access a new page', workload: 'working-set:pages=300000,reuse=0,run=1' },
  { name: '10 accesses a page', workload: 'working-set:pages=30000,reuse=9,run=1' },
]

export const simAccess: Bench = {
  name: 'sim-access',
  summary: 'the simulator, ns an access, beside its C twin',
  run: async function* () {
    const folder = mkdtempSync(join(tmpdir(), 'lazyrestore-bench-'))
    try {
      for (const policy of POLICIES) {
        for (const { name, workload } of TRACES) {
          for (const vcpus of VCPUS) {
            const makeInput = inputs(policy, `${workload},vcpus=${vcpus}`)
            yield await measure(`${policy}, ${name}, vCPUs: ${vcpus}`, makeInput, join(folder, 'input'))
          }
        }
      }
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
}

/** Makes the same input again and again; a policy has state and serves one restore. */
function inputs(policy: string, workload: string): () => SimulationInput {
  const snapshot = openSynthetic(`synthetic:4GiB,seed=${SEED}`)
  const layout = createLayout(snapshot, parseHostPages('4K'))
  const accesses = createWorkload(workload, memoryOfSnapshot(snapshot), SEED)
  const storage = parseStorage('nvme')
  const costs = hostCosts(DEFAULT_HOST_PROFILE)
  return () => ({
    layout,
    policy: createPolicy(parseSpec(policy), { layout, workingSet: null }),
    workload: accesses,
    hostPage: hostPagesOf(layout, accesses.page),
    storage,
    costs,
    fixedNs: 0,
    seed: SEED,
  })
}

async function measure(name: string, makeInput: () => SimulationInput, file: string): Promise<BenchRecord> {
  const accesses = makeInput().hostPage.length
  writeTwinInput(makeInput(), file)
  const twin = hasCompiler() ? new TwinProcess(file) : null
  try {
    // Held to the end, as whoever compares restores holds one: compiled code dies with the last object that it was made for.
    const first = simulate(makeInput())
    if (twin !== null) deepStrictEqual(outcomeOf(first), (await twin.run(1)).outcome)
    let last = first
    for (let i = 0; i < WARM_UPS; i++) last = simulate(makeInput())
    const ours: number[] = []
    const twins: number[] = []
    for (let block = 0; block < BLOCKS; block++) {
      simulate(makeInput())
      for (let run = 0; run < RUNS; run++) {
        const input = makeInput()
        const start = process.cpuUsage()
        last = simulate(input)
        const { user, system } = process.cpuUsage(start)
        ours.push(((user + system) * 1e3) / accesses)
      }
      for (const ns of (await twin?.run(1 + RUNS))?.roundNs.slice(1) ?? []) twins.push(ns / accesses)
    }
    deepStrictEqual(outcomeOf(last), outcomeOf(first))
    const yardstick = twin === null ? undefined : { name: 'C twin', values: twins }
    return recordOf(name, 'ns', ours, { seed: SEED, yardstick })
  } finally {
    await twin?.close()
  }
}
