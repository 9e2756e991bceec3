/**
 * What the restores that are worked out by hand (known-answers-*.test.ts) share: costs whose sums give away their terms, a
 * device without chance, and a restore in both simulators.
 */
import { expect } from 'vitest'
import { hostPagesOf, type Layout } from '../../src/destination/layout.ts'
import { FREE_FAULT_PATH } from '../../src/sim/fault-path.ts'
import type { HostCosts } from '../../src/sim/host-profile.ts'
import type { DeviceParameters } from '../../src/storage/device.ts'
import { ACCESS_IDLE, ACCESS_WRITE, type Workload } from '../../src/workload/workload.ts'
import { policyOf } from '../policy/plans.ts'
import { type Outcome, runFast, runNaively } from './outcome.ts'

/** All different, and no sum of a few is another. */
export const COSTS: HostCosts = {
  cores: 2,
  runQueues: 1,
  idleSearch: 1,
  migrationCostNs: 500_000,
  threadAlonePerMille: 1000,
  threadAllPerMille: 1000,
  kernelBesidePerMille: 1000,
  coldFaultNs: 0,
  coolingNs: 20_000,
  faultTrapNs: 1_401,
  handlerWakeLocalNs: 1_903,
  handlerWakeRemoteNs: 25_607,
  busyWakeNs: 31_601,
  standBackNs: 41_017,
  messageReadNs: 1_511,
  wakeCallLocalNs: 1_103,
  wakeCallRemoteNs: 8_009,
  vcpuWakeLocalNs: 2_917,
  vcpuWakeRemoteNs: 18_013,
  copyCallNs: 1_109,
  copyAnon4kNs: 1_301,
  copyShmem4kNs: 1_637,
  copyHuge2mNs: 200_003,
  zeroCallNs: 607,
  zeroAnon4kNs: 107,
  zeroShmem4kNs: 2_609,
  registerNs: 1_523,
  mapRegionNs: 4_111,
  readCallNs: 751,
  read4kNs: 653,
  cacheFill4kNs: 2_011,
  readaheadFill4kNs: 307,
  fillZero4kNs: 47,
  anonWriteFaultNs: 1_789,
  anonReadFaultNs: 787,
  runNs: 0,
  anonPinFaultNs: 211,
  shmemFaultNs: 3_301,
  hugeFault2mNs: 209_021,
  fileMapFaultNs: 3_109,
  cowFaultNs: 2_459,
  tlbShootdownNs: 14_303,
  tlbInterruptNs: 7_001,
  shadowFaultNs: 0,
  guestFaultNs: 11_003,
  guestFaultPages: 4,
  guestSleepNs: 9_007,
  guestWakeNs: 17_011,
  readaheadPages: 32,
  faultAroundPages: 4,
}

/** 50 µs always; the gate takes 5 µs for 4 KiB: 904 ns a read and 1 ns a byte. */
export const DEVICE: DeviceParameters = {
  latencyNs: 50_000,
  latencyP99Ns: 50_000,
  bandwidthBytesPerS: 1e9,
  iopsLimit: 200_000,
  queueDepth: 8,
  haltPollNs: 0,
  idleWakeNs: 0,
  cpuPerReadNs: 3_001,
  cpuPerRead4kNs: 257,
}
/** One request of so many pages to an idle device. */
export const deviceNs = (pages: number) => 904 + 4096 * pages + 50_000
/** CPU of one request for so many pages: past the page cache; into it; into it by readahead. */
export const directNs = (pages: number) => DEVICE.cpuPerReadNs + pages * DEVICE.cpuPerRead4kNs
export const fetchNs = (pages: number) => DEVICE.cpuPerReadNs + pages * COSTS.cacheFill4kNs
export const aheadNs = (pages: number) => DEVICE.cpuPerReadNs + pages * COSTS.readaheadFill4kNs
export const FIXED_NS = 1_000_000

export interface Access {
  readonly page: number
  readonly think?: number
  readonly write?: boolean
  readonly idle?: boolean
}

export function workloadOf(layout: Layout, vcpus: readonly (readonly Access[])[]): Workload {
  const accesses = vcpus.flat()
  return {
    name: 'by hand',
    seed: null,
    snapshotIdentity: null,
    pageCount: layout.targetPageCount,
    pageSize: 4096,
    vcpus: vcpus.length,
    starts: Uint32Array.from([0, ...vcpus.map((_, i) => vcpus.slice(0, i + 1).flat().length)]),
    page: Uint32Array.from(accesses, ({ page }) => page),
    thinkNs: Uint32Array.from(accesses, ({ think = 0 }) => think),
    flags: Uint8Array.from(accesses, ({ write, idle }) => (write ? ACCESS_WRITE : 0) | (idle ? ACCESS_IDLE : 0)),
  }
}

/** Both simulators must come to the answer. */
export function restore(
  spec: string,
  layout: Layout,
  vcpus: readonly (readonly Access[])[],
  { warm = true, cores = 2, guest = false, workingSet = [] as readonly number[], faultPath = FREE_FAULT_PATH } = {},
): Outcome {
  const workload = workloadOf(layout, vcpus)
  const given = {
    layout,
    workload,
    hostPage: hostPagesOf(layout, workload.page),
    storage: { name: 'by hand', device: DEVICE, cacheWarm: warm },
    costs: { ...COSTS, cores },
    guest,
    faultPath,
    fixedNs: FIXED_NS,
    seed: 1,
    newPolicy: () => policyOf(spec, layout, workingSet),
  }
  const { outcome } = runFast(given)
  expect(outcome).toStrictEqual(runNaively(given).outcome)
  return outcome
}
