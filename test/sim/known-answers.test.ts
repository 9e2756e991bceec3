/** Restores small enough to be worked out by hand from docs/model.md, term by term. */
import { describe, expect, test } from 'vitest'
import { hostPagesOf, type Layout } from '../../src/destination/layout.ts'
import type { HostCosts } from '../../src/sim/host-profile.ts'
import type { DeviceParameters } from '../../src/storage/device.ts'
import { ACCESS_IDLE, ACCESS_WRITE, type Workload } from '../../src/workload/workload.ts'
import { layoutOfBits } from '../destination/layout-of-bits.ts'
import { policyOf } from '../policy/plans.ts'
import { type Outcome, runFast, runNaively } from './outcome.ts'

/** All different, and no sum of a few is another. */
const COSTS: HostCosts = {
  cores: 2,
  faultTrapNs: 1_401,
  handlerWakeLocalNs: 1_903,
  handlerWakeRemoteNs: 25_607,
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
  fillZero4kNs: 47,
  anonWriteFaultNs: 1_789,
  anonReadFaultNs: 787,
  shmemFaultNs: 3_301,
  hugeFault2mNs: 209_021,
  fileMapFaultNs: 3_109,
  cowFaultNs: 2_459,
  readaheadPages: 32,
  faultAroundPages: 4,
}
const c = COSTS

/** 50 µs always; the gate takes 1 µs a read or 1 ns a byte. */
const DEVICE: DeviceParameters = {
  latencyNs: 50_000,
  latencyP99Ns: 50_000,
  bandwidthBytesPerS: 1e9,
  iopsLimit: 1e6,
  queueDepth: 8,
  cpuPerReadNs: 3_001,
}
const deviceNs = (pages: number) => 4096 * pages + 50_000
const FIXED_NS = 1_000_000

interface Access {
  readonly page: number
  readonly think?: number
  readonly write?: boolean
  readonly idle?: boolean
}

function workloadOf(layout: Layout, vcpus: readonly (readonly Access[])[]): Workload {
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
function restore(
  spec: string,
  layout: Layout,
  vcpus: readonly (readonly Access[])[],
  { warm = true, cores = 2, workingSet = [] as readonly number[] } = {},
): Outcome {
  const workload = workloadOf(layout, vcpus)
  const given = {
    layout,
    workload,
    hostPage: hostPagesOf(layout, workload.page),
    storage: { name: 'by hand', device: DEVICE, cacheWarm: warm },
    costs: { ...COSTS, cores },
    fixedNs: FIXED_NS,
    seed: 1,
    newPolicy: () => policyOf(spec, layout, workingSet),
  }
  const { outcome } = runFast(given)
  expect(outcome).toStrictEqual(runNaively(given).outcome)
  return outcome
}

describe('lazy, one vCPU, one fault', () => {
  const layout = layoutOfBits({ bits: '0000 0100' }, { bits: '0' })
  const resumeNs = 2 * c.registerNs + FIXED_NS
  const readWarm = c.readCallNs + c.read4kNs
  const copy = c.copyCallNs + c.copyAnon4kNs

  test('warm: trap, wake the handler, one burst of message, read and copy, wake the vCPU', () => {
    const result = restore('lazy', layout, [[{ page: 5, think: 700 }]])
    const stallNs =
      c.faultTrapNs +
      c.handlerWakeRemoteNs +
      (c.messageReadNs + readWarm + copy + c.wakeCallRemoteNs) +
      c.vcpuWakeRemoteNs
    expect(stallNs).toBe(58_355)
    expect(result).toMatchObject({
      resumeNs,
      firstAccessNs: resumeNs + 700 + stallNs,
      workDoneNs: resumeNs + 700 + stallNs,
      residentNs: -1,
      stallNs: [stallNs],
      faults: 1,
      minorFaults: 0,
      pagesInstalled: [1, 0, 0],
      bytesRead: 4096,
      bytesInstalled: 4096,
      deviceBytes: 0,
      latency: { count: 1, mean: stallNs, max: stallNs },
      installs: [[0, 5, 1]],
      resident: [5],
      writable: [5],
      faulted: [5],
    })
  })

  test('on one core: nobody is woken on another', () => {
    const { stallNs } = restore('lazy', layout, [[{ page: 5, think: 700 }]], { cores: 1 })
    expect(stallNs).toEqual([
      c.faultTrapNs +
        c.handlerWakeLocalNs +
        (c.messageReadNs + readWarm + copy + c.wakeCallLocalNs) +
        c.vcpuWakeLocalNs,
    ])
  })

  test('cold: the read waits for the device, and its CPU work joins the burst', () => {
    const { stallNs, deviceBytes } = restore('lazy', layout, [[{ page: 5 }]], { warm: false })
    expect(stallNs).toEqual([
      c.faultTrapNs +
        c.handlerWakeRemoteNs +
        deviceNs(1) +
        (c.messageReadNs + readWarm + DEVICE.cpuPerReadNs + copy + c.wakeCallRemoteNs) +
        c.vcpuWakeRemoteNs,
    ])
    expect(deviceBytes).toBe(4096)
  })

  test('direct: no copy out of the page cache', () => {
    const { stallNs } = restore('lazy:direct=true', layout, [[{ page: 5 }]])
    expect(stallNs).toEqual([
      c.faultTrapNs +
        c.handlerWakeRemoteNs +
        deviceNs(1) +
        (c.messageReadNs + DEVICE.cpuPerReadNs + copy + c.wakeCallRemoteNs) +
        c.vcpuWakeRemoteNs,
    ])
  })

  test('a write to a zero page faults twice: for the page, then for copy on write of the shared zero page', () => {
    const result = restore('lazy', layout, [[{ page: 2, write: true }]])
    const zeropageNs =
      c.faultTrapNs +
      c.handlerWakeRemoteNs +
      (c.messageReadNs + c.zeroCallNs + c.zeroAnon4kNs + c.wakeCallRemoteNs) +
      c.vcpuWakeRemoteNs
    expect(result).toMatchObject({
      stallNs: [zeropageNs + c.anonWriteFaultNs],
      faults: 1,
      minorFaults: 1,
      pagesInstalled: [0, 1, 0],
      bytesRead: 0,
      latency: { max: zeropageNs },
      writable: [2],
    })
  })

  test('two vCPUs on one page: one message answers both, and both wake together', () => {
    const result = restore('lazy', layout, [[{ page: 5 }], [{ page: 5, think: 100, idle: true }]], { cores: 4 })
    // Both trap side by side; the second one's message comes 100 ns after the first, long before the handler runs.
    const stallNs =
      c.faultTrapNs +
      c.handlerWakeRemoteNs +
      (c.messageReadNs + readWarm + copy + 2 * c.wakeCallRemoteNs) +
      c.vcpuWakeRemoteNs
    expect(result.stallNs).toEqual([stallNs, stallNs - 100])
    expect([result.faults, result.installs]).toEqual([2, [[0, 5, 1]]])
  })

  test('a vCPU runs through accessible pages for its think times alone', () => {
    const accesses = [
      { page: 5 },
      { page: 5, think: 50, write: true },
      { page: 5, think: 70, idle: true },
      { page: 5, think: 9 },
    ]
    const { workDoneNs, stallNs } = restore('lazy', layout, [accesses])
    expect(workDoneNs).toBe(resumeNs + stallNs[0] + 50 + 70 + 9)
  })
})

describe('lazy on 2 MiB pages', () => {
  test('a mixed page is one COPY of all its runs, filled up with zeros', () => {
    const layout = layoutOfBits({ bits: '1101'.padEnd(512, '0'), kind: 'hugetlb', hostPageSize: 2 ** 21 })
    const { stallNs, bytesRead } = restore('lazy', layout, [[{ page: 300, write: true }]])
    const burstNs =
      c.messageReadNs +
      (2 * c.readCallNs + 3 * c.read4kNs) +
      (c.copyCallNs + c.copyHuge2mNs + 509 * c.fillZero4kNs) +
      c.wakeCallRemoteNs
    expect(stallNs).toEqual([c.faultTrapNs + c.handlerWakeRemoteNs + burstNs + c.vcpuWakeRemoteNs])
    expect(bytesRead).toBe(3 * 4096)
  })

  test('a zero page is a COPY of zeros, and writable at once', () => {
    const layout = layoutOfBits({ bits: '0'.repeat(512), kind: 'hugetlb', hostPageSize: 2 ** 21 })
    const result = restore('lazy', layout, [[{ page: 1, write: true }]])
    const burstNs = c.messageReadNs + c.copyCallNs + c.copyHuge2mNs + c.wakeCallRemoteNs
    expect(result.stallNs).toEqual([c.faultTrapNs + c.handlerWakeRemoteNs + burstNs + c.vcpuWakeRemoteNs])
    expect(result).toMatchObject({ minorFaults: 0, pagesInstalled: [0, 0, 1], bytesRead: 0 })
  })
})

describe('eager', () => {
  const layout = layoutOfBits({ bits: '1110 0110' })

  test('cold: the first window brings all; then runs of data are read and installed one by one', () => {
    const result = restore(
      'eager',
      layout,
      [
        [
          { page: 3, think: 100 },
          { page: 0, think: 10, write: true },
        ],
      ],
      { warm: false },
    )
    // A read of 3 pages at the block's start opens a window of 8, of which 5 have data. The second run is there already.
    const firstNs = deviceNs(5) + (c.readCallNs + 3 * c.read4kNs + DEVICE.cpuPerReadNs) + 3 * c.anonWriteFaultNs
    const secondNs = c.readCallNs + 2 * c.read4kNs + 2 * c.anonWriteFaultNs
    const resumeNs = firstNs + secondNs + FIXED_NS
    expect(result).toMatchObject({
      resumeNs,
      residentNs: firstNs + secondNs,
      // Page 3 is zero and left to the kernel; page 0 is there and writable.
      firstAccessNs: resumeNs + 100 + c.anonReadFaultNs,
      workDoneNs: resumeNs + 100 + c.anonReadFaultNs + 10,
      stallNs: [c.anonReadFaultNs],
      faults: 0,
      minorFaults: 1,
      bytesRead: 5 * 4096,
      deviceBytes: 5 * 4096,
      bytesInstalled: 5 * 4096,
      installs: [
        [0, 0, 3],
        [0, 5, 2],
      ],
      resident: [0, 1, 2, 3, 5, 6],
    })
  })

  test('several channels take turns at pieces of memory', () => {
    // Pieces of one page to two channels, both direct: pages 0 and 1, then whoever is done takes page 2.
    const { resumeNs, installs } = restore('eager-multi:channels=2,read=4K', layoutOfBits({ bits: '111' }), [[]])
    const pieceNs = DEVICE.cpuPerReadNs + c.anonWriteFaultNs
    const firstDone = deviceNs(1) + pieceNs
    expect(installs.map(([, first]) => first)).toEqual([0, 1, 2])
    expect(resumeNs).toBe(firstDone + deviceNs(1) + pieceNs + FIXED_NS)
  })
})

describe('lazy-sweep', () => {
  test('fills memory from the resume on, run by run', () => {
    const result = restore('lazy-sweep', layoutOfBits({ bits: '1100 0' }), [[]])
    const resumeNs = c.registerNs + FIXED_NS
    const copyNs = c.readCallNs + 2 * c.read4kNs + c.copyCallNs + 2 * c.copyAnon4kNs
    const zeroNs = c.zeroCallNs + 3 * c.zeroAnon4kNs
    expect(result).toMatchObject({
      resumeNs,
      workDoneNs: resumeNs,
      firstAccessNs: -1,
      residentNs: resumeNs + copyNs + zeroNs,
      writable: [0, 1],
    })
  })

  test('starts a batch no earlier than its rate allows', () => {
    // 4096 bytes at 4,096,000 bytes/s are 1 ms; the last page is started 2 ms after the resume.
    const result = restore('lazy-sweep:chunk=4K,rate=4096000', layoutOfBits({ bits: '111' }), [[]])
    const pageNs = c.readCallNs + c.read4kNs + c.copyCallNs + c.copyAnon4kNs
    expect(result.residentNs).toBe(c.registerNs + FIXED_NS + 2_000_000 + pageNs)
  })
})

describe('working-set', () => {
  test('reads its file once for scattered pages, then sweeps the rest', () => {
    const layout = layoutOfBits({ bits: '1011 0000 01' })
    const result = restore('working-set:wait=true', layout, [[]], { warm: false, workingSet: [9, 0, 1] })
    // Recorded: page 1 is zero and comes first; 9 and 0 lie side by side in the file: one read, two installs.
    const zeroNs = c.zeroCallNs + c.zeroAnon4kNs
    const fileNs =
      deviceNs(2) + c.readCallNs + 2 * c.read4kNs + DEVICE.cpuPerReadNs + 2 * (c.copyCallNs + c.copyAnon4kNs)
    const resumeNs = c.registerNs + zeroNs + fileNs + FIXED_NS
    // The sweep: pages 2 and 3 by a read that is not at the block's start, pages 4..8 by ZEROPAGE.
    const sweepNs =
      deviceNs(2) + (c.readCallNs + 2 * c.read4kNs + DEVICE.cpuPerReadNs + c.copyCallNs + 2 * c.copyAnon4kNs)
    expect(result).toMatchObject({
      resumeNs,
      residentNs: resumeNs + sweepNs + c.zeroCallNs + 5 * c.zeroAnon4kNs,
      bytesRead: 4 * 4096,
      installs: [
        [1, 1, 1],
        [0, 9, 1],
        [0, 0, 1],
        [0, 2, 2],
        [1, 4, 5],
      ],
    })
  })
})

describe('mmap', () => {
  const layout = layoutOfBits({ bits: '1111 0111' })
  const resumeNs = 3 * c.mapRegionNs + FIXED_NS

  test('warm: a read maps the data around it in its window of four; a zero page ends the mapping', () => {
    const accesses = [{ page: 1 }, { page: 3 }, { page: 6 }, { page: 5, write: true }, { page: 4 }]
    const result = restore('mmap', layout, [accesses])
    expect(result).toMatchObject({
      resumeNs,
      stallNs: [c.fileMapFaultNs + c.fileMapFaultNs + c.cowFaultNs + c.anonReadFaultNs],
      faults: 0,
      minorFaults: 4,
      resident: [0, 1, 2, 3, 4, 5, 6, 7],
      writable: [5],
      installs: [],
      bytesRead: 0,
    })
    expect(result.residentNs).toBe(result.workDoneNs)
  })

  test('a write maps its page alone', () => {
    expect(restore('mmap', layout, [[{ page: 2, write: true }]])).toMatchObject({
      stallNs: [c.cowFaultNs],
      resident: [2],
      writable: [2],
    })
  })

  test('cold: one fault waits for the window around it, the next finds it in the cache', () => {
    const result = restore('mmap', layout, [[{ page: 5 }, { page: 0 }]], { warm: false })
    const majorNs = deviceNs(7) + DEVICE.cpuPerReadNs + c.fileMapFaultNs
    expect(result).toMatchObject({
      stallNs: [majorNs + c.fileMapFaultNs],
      faults: 1,
      minorFaults: 1,
      latency: { count: 1, mean: majorNs, max: majorNs },
      deviceBytes: 7 * 4096,
      faulted: [5],
    })
  })
})
