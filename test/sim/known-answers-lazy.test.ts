/** Faults worked out by hand from docs/model.md, term by term: userfaultfd and nothing else. */
import { describe, expect, test } from 'vitest'
import { layoutOfBits } from '../destination/layout-of-bits.ts'
import { aheadNs, COSTS as c, deviceNs, directNs, FIXED_NS, fetchNs, restore } from './worked-by-hand.ts'

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
        (c.messageReadNs + readWarm + fetchNs(1) + copy + c.wakeCallRemoteNs) +
        c.vcpuWakeRemoteNs,
    ])
    expect(deviceBytes).toBe(4096)
  })

  test('cold: who touches a window pays for the next one, and does not wait for it', () => {
    const { stallNs, deviceBytes } = restore('lazy', layoutOfBits({ bits: '111111' }), [[{ page: 0 }, { page: 1 }]], {
      warm: false,
    })
    const faultNs = (waitNs: number, requestNs: number) =>
      c.faultTrapNs +
      c.handlerWakeRemoteNs +
      waitNs +
      (c.messageReadNs + readWarm + requestNs + copy + c.wakeCallRemoteNs) +
      c.vcpuWakeRemoteNs
    // Page 0 opens a window of four, single pages of cache; page 1 is its marker, and the block has two more pages.
    expect(stallNs).toEqual([faultNs(deviceNs(4), fetchNs(4)) + faultNs(0, aheadNs(2))])
    expect(deviceBytes).toBe(6 * 4096)
  })

  test('direct: no copy out of the page cache', () => {
    const { stallNs } = restore('lazy:direct=true', layout, [[{ page: 5 }]])
    expect(stallNs).toEqual([
      c.faultTrapNs +
        c.handlerWakeRemoteNs +
        deviceNs(1) +
        (c.messageReadNs + directNs(1) + copy + c.wakeCallRemoteNs) +
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
