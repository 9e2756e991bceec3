/** The record that the engine makes of a simulation, against the naive simulator and the definitions in docs/model.md. */
import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import type { RestoreRequest } from '../../src/engine/engine.ts'
import { loadMechanism } from '../../src/policy/mechanisms.ts'
import type { Policy } from '../../src/policy/policy.ts'
import { createSimEngine, restoreInVirtualTime } from '../../src/sim/sim-engine.ts'
import { simulate } from '../../src/sim/simulate.ts'
import { runNaively } from './outcome.ts'
import { anyRestore, type Restore, type RestoreCase, restoreOf } from './random-restore.ts'

/** What a policy that has nothing to restore does. */
const RESIDENT: Policy = {
  name: 'resident',
  mechanism: loadMechanism({ workers: 0, direct: false, readBytes: 4096 }),
  onFault: () => {},
}

function requestOf({ layout, workload, storage, workingSet, seed, fixedNs, spec }: Restore): RestoreRequest {
  return { layout, workload, storage, workingSet: { pages: workingSet, contents: null }, seed, fixedNs, policy: spec }
}

/** The least value that at least `share` of the sorted values do not exceed. */
function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]
}

/** A timer and the ends of bursts at the same time, but for rounding: time must not go back. */
const AT_ONCE: RestoreCase = {
  policy: 'adaptive',
  memory: {
    pageSize: 4096,
    blocks: [{ memory: ['shmem', 65536], hostPages: 3, missing: 0, dataShare: 0.5, meanRun: 200, seed: 0 }],
  },
  vcpus: [[{ page: 0, count: 1, step: 0, thinkNs: 0, write: false, idle: false }]],
  recording: { sort: 'first-use', seed: 0 },
  host: {
    sort: 'random',
    seed: 191665143,
    cores: 3,
    runQueues: 1,
    idleSearch: 0,
    migrationCostNs: 0,
    threadAlonePerMille: 930,
    threadAllPerMille: 700,
    kernelBesidePerMille: 1000,
    standBackNs: 1000,
    readaheadPages: 0,
    faultAroundPages: 1,
  },
  device: {
    latencyNs: 1000,
    bandwidthBytesPerS: 50000000,
    iopsLimit: 900,
    queueDepth: 1,
    haltPollNs: 0,
    idleWakeNs: 0,
    cpuPerReadNs: 0,
    cpuPerRead4kNs: 0,
    latencyP99Ns: 1000,
  },
  beyond: {},
  cacheWarm: true,
  guest: false,
  faultPath: { name: 'free', uffds: 1, lockNs: 0, handoverNs: 0, scanNs: 0 },
  fixedNs: 0,
  seed: 0,
}

describe('the record of a restore', () => {
  property.prop([anyRestore], { numRuns: 400, examples: [[AT_ONCE]] })(
    'says what happened, as docs/model.md defines it',
    given => {
      const restore = restoreOf(given)
      const result = restoreInVirtualTime(requestOf(restore), restore.costs, restore)
      const { machine, outcome } = runNaively(restore)
      const { workload, layout, hostPage } = restore
      const maps = restore.newPolicy().mechanism.install === 'map'

      expect(result.stallNs).toEqual({
        total: outcome.stallNs.reduce((sum, ns) => sum + ns, 0),
        perVcpu: outcome.stallNs,
      })
      expect([result.copies, result.zeropages, result.zeroCopies]).toEqual(outcome.pagesInstalled)
      expect([result.resumeNs, result.workDoneNs]).toEqual([outcome.resumeNs, outcome.workDoneNs])
      expect(result.firstAccessNs).toBe(outcome.firstAccessNs < 0 ? null : outcome.firstAccessNs)
      expect(result.firstAccessNs === null).toBe(workload.page.length === 0)
      expect(result.residentNs).toBe(outcome.residentNs < 0 ? null : outcome.residentNs)
      expect([result.faults, result.minorFaults]).toEqual([outcome.faults, outcome.minorFaults])
      expect(result.bytesRead).toBe(maps ? outcome.deviceBytes : outcome.bytesRead)
      expect(result.deviceBytesRead).toBe(outcome.deviceBytes)

      const bytesTouched = new Set(workload.page).size * workload.pageSize
      expect(result.bytesTouched).toBe(bytesTouched)
      expect(result.readAmplification).toBe(bytesTouched === 0 ? null : result.bytesRead / bytesTouched)

      const touched = [...new Set(hostPage)]
      const prefetched = outcome.resident.filter(page => !machine.faulted.has(page))
      const wanted = prefetched.filter(page => touched.includes(page))
      const spared = touched.filter(page => !machine.faulted.has(page))
      expect(result.prefetchAccuracy).toBe(prefetched.length === 0 ? null : wanted.length / prefetched.length)
      expect(result.prefetchCoverage).toBe(touched.length === 0 ? null : spared.length / touched.length)

      const resident = runNaively(restore, { policy: RESIDENT, allResident: true, fixedNs: 0 }).outcome
      expect(resident.faults + resident.minorFaults).toBe(0)
      const { workDoneNs } = resident
      expect(result.slowdown).toBe(workDoneNs === 0 ? null : (result.workDoneNs - result.resumeNs) / workDoneNs)

      const sorted = machine.latencies.toSorted((a, b) => a - b)
      if (sorted.length === 0) expect(result.faultLatencyNs).toBeNull()
      else {
        const latency = result.faultLatencyNs!
        expect(latency.mean).toBe(outcome.latency.mean)
        expect(latency.max).toBe(sorted.at(-1))
        for (const [share, found] of [
          [0.5, latency.p50],
          [0.9, latency.p90],
          [0.99, latency.p99],
          [0.999, latency.p999],
        ]) {
          // Fractions of a ns, which bursts have when they share cores, are dropped.
          expect(found).toBeGreaterThan(quantile(sorted, share) - 1)
          expect(found).toBeLessThanOrEqual(quantile(sorted, share) * 1.008)
        }
      }
      expect(result.blocktimeDist.reduce((sum, faults) => sum + faults, 0)).toBe(sorted.length)
      expect(result.latencyCdf.at(-1)?.[1] ?? 1).toBe(1)

      const { residency } = result
      expect(residency[0].timeNs).toBe(0)
      expect(residency).toEqual(residency.toSorted((a, b) => a.timeNs - b.timeNs || a.bytes - b.bytes))
      if (result.residentNs !== null) expect(residency.at(-1)!.bytes).toBe(layout.byteLength)
      if (maps) expect(result.bytesInstalled).toBe(residency.at(-1)!.bytes)
      else expect(result.bytesInstalled).toBe(outcome.bytesInstalled)
      expect([result.eexist, result.eagain, result.errors]).toEqual([0, 0, 0])
    },
  )

  property.prop([anyRestore], { numRuns: 50 })('is the same when the restore is simulated again', async given => {
    const restore = restoreOf(given)
    expect(restoreInVirtualTime(requestOf(restore), restore.costs, restore)).toEqual(
      restoreInVirtualTime(requestOf(restore), restore.costs, restore),
    )
    const engine = createSimEngine()
    expect(engine.name).toBe('sim')
    expect(await engine.restore(requestOf(restore))).toMatchObject({ engine: 'sim', policy: given.policy })
  })
})

describe('a policy that does not plan the page it was asked for', () => {
  test('is found out when a vCPU is left waiting', () => {
    const restore = restoreOf({
      ...fc.sample(anyRestore, { seed: 1, numRuns: 1 })[0],
      policy: 'lazy',
      vcpus: [[{ page: 0, count: 1, step: 0, thinkNs: 0, write: false, idle: false }]],
    })
    const policy: Policy = { ...restore.newPolicy(), name: 'forgetful', onFault: () => {} }
    expect(() => simulate({ ...restore, policy })).toThrow('forgetful: 1 vCPUs wait for a page that nobody installs')
  })
})
