/**
 * A replay, fed batch by batch: faults a second of CPU time beside a simulation that knows the whole trace, in turns, and
 * memory of a replay that has run.
 */
import { deepStrictEqual } from 'node:assert'
import { parseSpec } from '../src/core/spec-string.ts'
import { parseHostPages } from '../src/destination/host-pages.ts'
import { createLayout, hostPagesOf } from '../src/destination/layout.ts'
import { createPolicy } from '../src/policy/registry.ts'
import type { AccessBatch } from '../src/replay/access-batch.ts'
import { FaultReplay } from '../src/replay/fault-replay.ts'
import { DEFAULT_HOST_PROFILE, hostCosts } from '../src/sim/host-profile.ts'
import { simulate } from '../src/sim/simulate.ts'
import { openSynthetic } from '../src/snapshot/synthetic.ts'
import { parseStorage } from '../src/storage/device.ts'
import { memoryOfSnapshot } from '../src/workload/memory.ts'
import { createWorkload } from '../src/workload/registry.ts'
import { collectGarbage } from '../test/support/collect-garbage.ts'
import { type Bench, type BenchRecord, recordOf } from './record.ts'

const ROUNDS = 9
const SEED = 1
const BATCHES = [256, 4096]
const REPLAYS = 1000
/** Faults of each replay whose memory is measured. */
const FAULTS = 1000

export const replay: Bench = {
  name: 'replay',
  summary: 'a fault replay by batches, faults a second, beside a simulation of the whole; bytes a replay',
  run: async function* () {
    for (const length of BATCHES) yield faultsPerSecond(length)
    yield bytesOfReplay()
  },
}

const snapshot = openSynthetic(`synthetic:4GiB,seed=${SEED}`)
const layout = createLayout(snapshot, parseHostPages('4K'))
const storage = parseStorage('nvme')

function newReplay(): FaultReplay {
  return new FaultReplay({ layout, policy: 'lazy', storage, profile: DEFAULT_HOST_PROFILE, vcpus: 1, seed: SEED })
}

function faultsPerSecond(length: number): BenchRecord {
  const workload = createWorkload('working-set:pages=300000,reuse=0,run=1', memoryOfSnapshot(snapshot), SEED)
  const { page, thinkNs, flags } = workload
  const batches: AccessBatch[] = []
  for (let start = 0; start < page.length; start += length) {
    const end = Math.min(page.length, start + length)
    const columns = { page: page.slice(start, end), thinkNs: thinkNs.slice(start, end), flags: flags.slice(start, end) }
    batches.push({ length: end - start, vcpu: new Uint16Array(end - start), ...columns })
  }
  const ours: number[] = []
  const wholes: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const replay = newReplay()
    ours.push(page.length / cpuSeconds(() => batches.forEach(batch => void replay.access(batch))))
    const input = {
      layout,
      policy: createPolicy(parseSpec('lazy'), { layout, workingSet: null }),
      workload,
      hostPage: hostPagesOf(layout, page),
      storage,
      costs: hostCosts(DEFAULT_HOST_PROFILE),
      fixedNs: 0,
      seed: SEED,
    }
    let faults = 0
    wholes.push(page.length / cpuSeconds(() => (faults = simulate(input).vcpus.faults)))
    deepStrictEqual([replay.state().answered, replay.state().faults], [page.length, faults])
  }
  const yardstick = { name: 'simulation of the whole', values: wholes }
  return recordOf(`lazy, batches of ${length}`, 'faults/s', ours, { seed: SEED, yardstick })
}

function cpuSeconds(run: () => void): number {
  const start = process.cpuUsage()
  run()
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1e6
}

/** Resident memory of the process, not just what arrays count: what a server with so many sessions needs. */
function bytesOfReplay(): BenchRecord {
  const batch = {
    length: FAULTS,
    page: Uint32Array.from({ length: FAULTS }, (_, i) => (i * 7919) % layout.targetPageCount),
    vcpu: new Uint16Array(FAULTS),
    thinkNs: new Uint32Array(FAULTS),
    flags: new Uint8Array(FAULTS),
  }
  newReplay().access(batch)
  collectGarbage()
  const before = process.memoryUsage.rss()
  const replays = Array.from({ length: REPLAYS }, () => {
    const replay = newReplay()
    replay.access(batch)
    return replay
  })
  collectGarbage()
  const bytes = (process.memoryUsage.rss() - before) / replays.length
  const yardstick = { name: 'its byteLength', values: [replays[0].byteLength] }
  return recordOf(`resident memory a replay, ${REPLAYS} of 4 GiB`, 'bytes', [bytes], { seed: SEED, yardstick })
}
