/** Bursts against the simulation of one restore, and against what sharing must do. */
import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { type BurstInput, runBurst } from '../../src/burst/burst.ts'
import { parseSpec } from '../../src/core/spec-string.ts'
import { parseHostPages } from '../../src/destination/host-pages.ts'
import { createLayout } from '../../src/destination/layout.ts'
import { FREE_FAULT_PATH } from '../../src/sim/fault-path.ts'
import { DEFAULT_HOST_PROFILE, hostCosts } from '../../src/sim/host-profile.ts'
import { openSynthetic } from '../../src/snapshot/synthetic.ts'
import { parseStorage } from '../../src/storage/device.ts'
import { workingSetOf } from '../../src/working-set/working-set.ts'
import { memoryOfSnapshot } from '../../src/workload/memory.ts'
import { createWorkload } from '../../src/workload/registry.ts'
import { runFast } from '../sim/outcome.ts'
import { anyRestore, type Restore, restoreOf } from '../sim/random-restore.ts'

const burstOf = (restore: Restore, changes: Partial<BurstInput> = {}): BurstInput => ({
  layout: restore.layout,
  policy: restore.spec,
  workloads: [restore.workload],
  storage: restore.storage,
  costs: restore.costs,
  faultPath: restore.faultPath,
  fixedNs: restore.fixedNs,
  seed: restore.seed,
  workingSet: restore.workingSet,
  arrivalNs: Float64Array.of(0),
  hosts: 1,
  snapshots: 1,
  ...changes,
})

describe('a burst of one restore', () => {
  property.prop([anyRestore, fc.boolean()], { numRuns: 200 })('is that restore, to the nanosecond', (given, shares) => {
    // A burst's hosts have one run queue for all cores.
    const restore = restoreOf({ ...given, guest: false, host: { ...given.host, runQueues: 1 } })
    const { outcome } = runFast(restore)
    // A second restore far behind it changes nothing for the first.
    const arrivalNs = shares ? Float64Array.of(0, 1e15) : Float64Array.of(0)
    const burst = runBurst(burstOf(restore, { arrivalNs, snapshots: arrivalNs.length }))
    expect(burst.resumeNs[0]).toBe(outcome.resumeNs)
    expect(burst.workDoneNs[0]).toBe(outcome.workDoneNs)
    expect(burst.residentNs[0]).toBe(outcome.residentNs < 0 ? Number.NaN : outcome.residentNs)
    expect(burst.stallNs[0]).toBe(outcome.stallNs.reduce((sum, ns) => sum + ns, 0))
    if (shares) return
    expect([burst.faults, burst.minorFaults]).toEqual([outcome.faults, outcome.minorFaults])
    expect(burst.deviceBytesRead).toBe(outcome.deviceBytes)
    expect([burst.latency.count, burst.latency.max]).toEqual([outcome.latency.count, outcome.latency.max])
  })
})

describe('many restores', () => {
  const snapshot = openSynthetic('synthetic:4MiB,zero=0%')
  const layout = createLayout(snapshot, parseHostPages('4K'))
  const workload = createWorkload('working-set:pages=100,vcpus=1,reuse=0', memoryOfSnapshot(snapshot), 1)

  function burst(count: number, policy: string, storage: string, changes: Partial<BurstInput> = {}) {
    return runBurst({
      layout,
      policy: parseSpec(policy),
      workloads: [workload],
      storage: parseStorage(storage),
      costs: { ...hostCosts(DEFAULT_HOST_PROFILE), cores: 256 },
      faultPath: FREE_FAULT_PATH,
      fixedNs: 0,
      seed: 1,
      workingSet: workingSetOf(layout, workload).pages,
      arrivalNs: new Float64Array(count),
      hosts: 1,
      snapshots: 1,
      ...changes,
    })
  }
  const last = (times: Float64Array) => Math.max(...times)

  test('of one snapshot read it once through the page cache, and of several each', () => {
    const once = burst(1, 'lazy', 'nvme').deviceBytesRead
    // Readahead differs: who comes second reads on where another has left off.
    const times = (changes: Partial<BurstInput>) => burst(8, 'lazy', 'nvme', changes).deviceBytesRead / once
    expect(times({})).toBeGreaterThan(0.9)
    expect(times({})).toBeLessThanOrEqual(1)
    expect(times({ snapshots: 4 })).toBeGreaterThan(3.6)
    expect(times({ snapshots: 4 })).toBeLessThanOrEqual(4)
    expect(burst(8, 'lazy', 'nvme', { hosts: 8 }).deviceBytesRead).toBe(8 * once)
  })

  test('read a working-set file once through the page cache, and each for itself past it', () => {
    const once = burst(1, 'reap', 'nvme').deviceBytesRead
    expect(burst(8, 'reap', 'nvme').deviceBytesRead).toBe(8 * once)
    const buffered = burst(1, 'working-set:sweep=false', 'nvme').deviceBytesRead
    expect(burst(8, 'working-set:sweep=false', 'nvme').deviceBytesRead).toBe(buffered)
  })

  test('share the cores', () => {
    const alone = burst(1, 'lazy', 'page-cache')
    const crowded = burst(32, 'lazy', 'page-cache', { costs: { ...hostCosts(DEFAULT_HOST_PROFILE), cores: 2 } })
    expect(last(crowded.workDoneNs)).toBeGreaterThan(2.5 * last(alone.workDoneNs))
    // On hosts of their own they do not meet.
    const spread = burst(32, 'lazy', 'page-cache', { hosts: 32 })
    expect(new Set(spread.workDoneNs)).toEqual(new Set(alone.workDoneNs))
  })

  test('never get more out of the medium than it has, and leave none of it unused', () => {
    // 4 MiB each, past the page cache, at 3.5 GB/s.
    const { workDoneNs, deviceBytesRead } = burst(64, 'eager-multi', 'nvme', { hosts: 64 })
    expect(deviceBytesRead).toBe(64 * 4 * 2 ** 20)
    const leastNs = (deviceBytesRead * 1e9) / 3.5e9
    expect(last(workDoneNs)).toBeGreaterThan(leastNs)
    expect(last(workDoneNs)).toBeLessThan(1.1 * leastNs + last(burst(1, 'eager-multi', 'nvme').workDoneNs))
  })

  test('are served in turn: those that ask for little do not wait for those that ask for much', () => {
    const arrivalNs = new Float64Array(9)
    const crowd = burst(9, 'lazy:direct=true', 'sata-ssd', { hosts: 9, arrivalNs })
    const alone = burst(1, 'lazy:direct=true', 'sata-ssd')
    const spread = last(crowd.workDoneNs) / Math.min(...crowd.workDoneNs)
    expect(spread).toBeLessThan(1.15)
    expect(last(crowd.workDoneNs)).toBeGreaterThan(last(alone.workDoneNs))
  })

  test('come one after the other when they are asked for so', () => {
    const alone = burst(1, 'lazy', 'page-cache').workDoneNs[0]
    const arrivalNs = Float64Array.from({ length: 20 }, (_, i) => i * 1e9)
    expect([...burst(20, 'lazy', 'page-cache', { arrivalNs }).workDoneNs]).toEqual(new Array(20).fill(alone))
  })
})
