/** Cuts a workload at random into what a replay is told: batches, in which vCPUs mix as they come, and ends. */
import { fc } from '@fast-check/vitest'
import { createRandom, nextUint32 } from '../../src/core/random.ts'
import type { AccessBatch } from '../../src/replay/access-batch.ts'
import type { ReplayAnswers } from '../../src/replay/answers.ts'
import type { FaultReplay, ReplayOptions } from '../../src/replay/fault-replay.ts'
import { DEFAULT_HOST_PROFILE, type HostCosts, type HostProfile } from '../../src/sim/host-profile.ts'
import type { Workload } from '../../src/workload/workload.ts'
import type { Restore, RestoreCase } from '../sim/random-restore.ts'

export interface Cut {
  readonly seed: number
  /** Most accesses of a vCPU in a row, and most such rows in a batch. */
  readonly row: number
  readonly rows: number
  /** vCPUs are said to end at once, as soon as they have; or all at the very end. */
  readonly endsAtOnce: boolean
}

export const anyCut: fc.Arbitrary<Cut> = fc.record<Cut>({
  seed: fc.nat(),
  row: fc.constantFrom(1, 3, 20, 1000),
  rows: fc.constantFrom(1, 2, 10),
  endsAtOnce: fc.boolean(),
})

/** All that a replay is told, in order: a batch, or which vCPU ends. */
export type Call = AccessBatch | { readonly ends: number }

export interface Schedule {
  readonly calls: readonly Call[]
  /** Which access of the workload is the replay's n-th. */
  readonly accesses: readonly number[]
}

export function scheduleOf(workload: Workload, { seed, row, rows, endsAtOnce }: Cut): Schedule {
  const { vcpus, starts } = workload
  const random = createRandom(seed)
  const below = (limit: number) => nextUint32(random) % limit
  const places = Array.from(starts.subarray(0, vcpus))
  const unfinished = (vcpu: number) => places[vcpu] < starts[vcpu + 1]
  const calls: Call[] = []
  const accesses: number[] = []
  const open = new Set(places.keys())
  while (open.size > 0) {
    const batch: (readonly [vcpu: number, access: number])[] = []
    for (let rest = 1 + below(rows); rest > 0; rest--) {
      const vcpu = [...open][below(open.size)]
      for (let more = below(row + 1); more > 0 && unfinished(vcpu); more--) batch.push([vcpu, places[vcpu]++])
    }
    accesses.push(...batch.map(([, access]) => access))
    calls.push(batchOf(workload, batch))
    const done = [...open].filter(vcpu => !unfinished(vcpu))
    if (endsAtOnce || done.length === open.size) {
      for (const vcpu of done) {
        open.delete(vcpu)
        calls.push({ ends: vcpu })
      }
    }
  }
  return { calls, accesses }
}

export function batchOf(
  workload: Workload,
  accesses: readonly (readonly [vcpu: number, access: number])[],
): AccessBatch {
  return {
    length: accesses.length,
    page: Uint32Array.from(accesses, ([, access]) => workload.page[access]),
    vcpu: Uint16Array.from(accesses, ([vcpu]) => vcpu),
    thinkNs: Uint32Array.from(accesses, ([, access]) => workload.thinkNs[access]),
    flags: Uint8Array.from(accesses, ([, access]) => workload.flags[access]),
  }
}

/** A host with these costs. */
export function profileOf(costs: HostCosts): HostProfile {
  const parameters = Object.entries(DEFAULT_HOST_PROFILE.parameters).map(([key, parameter]) => [
    key,
    { ...parameter, value: costs[key as keyof HostCosts] },
  ])
  return { ...DEFAULT_HOST_PROFILE, parameters: Object.fromEntries(parameters) }
}

/** The replay of a random restore. */
export function optionsOf(restore: Restore, given: RestoreCase): ReplayOptions {
  const { layout, workload, workingSet, storage, costs, guest, fixedNs, seed } = restore
  const common = { layout, workingSet, storage, guest, fixedNs, seed, vcpus: workload.vcpus, name: workload.name }
  return { ...common, policy: given.policy, profile: profileOf(costs) }
}

export const tell = (replay: FaultReplay, call: Call): ReplayAnswers =>
  'ends' in call ? replay.end(call.ends) : replay.access(call)
