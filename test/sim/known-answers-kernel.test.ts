/** Restores without userfaultfd worked out by hand from docs/model.md, term by term: loading before the VM runs, and mapping. */
import { describe, expect, test } from 'vitest'
import { layoutOfBits } from '../destination/layout-of-bits.ts'
import { COSTS as c, DEVICE, deviceNs, directNs, FIXED_NS, fetchNs, restore } from './worked-by-hand.ts'

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
    // A read of 3 pages at the block's start opens a window of 8, of which 3 and 2 have data: two requests. It waits for its
    // own; the other is there by the time that it is through with both, and with its pages.
    const firstNs = deviceNs(3) + (c.readCallNs + 3 * c.read4kNs + fetchNs(3) + fetchNs(2)) + 3 * c.anonWriteFaultNs
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
    const pieceNs = directNs(1) + c.anonPinFaultNs
    const firstDone = deviceNs(1) + pieceNs
    expect(installs.map(([, first]) => first)).toEqual([0, 1, 2])
    expect(resumeNs).toBe(firstDone + deviceNs(1) + pieceNs + FIXED_NS)
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

  test('a write to a page that is mapped for reading interrupts the other core, which then takes longer', () => {
    const writer = [{ page: 0 }, { page: 1, write: true }]
    const other = [{ page: 6, think: 100_000 }]
    const beside = restore('mmap', layout, [writer, other])
    expect(beside).toMatchObject({
      stallNs: [c.fileMapFaultNs + c.cowFaultNs + c.tlbShootdownNs, c.fileMapFaultNs],
      workDoneNs: resumeNs + 100_000 + c.tlbInterruptNs + c.fileMapFaultNs,
    })
    // On one core there is none to interrupt; nor while the other thread does nothing.
    const idle = [{ page: 6, think: 100_000, idle: true }]
    const alone = { stallNs: [c.fileMapFaultNs + c.cowFaultNs, c.fileMapFaultNs] }
    expect(restore('mmap', layout, [writer, idle])).toMatchObject(alone)
    expect(restore('mmap', layout, [writer, [{ page: 6, think: 1e6 }]], { cores: 1 }).minorFaults).toBe(3)
  })

  test('cold: one fault waits for the window around it, the next finds it in the cache', () => {
    const result = restore('mmap', layout, [[{ page: 5 }, { page: 0 }]], { warm: false })
    // Two requests, as page 4 has no data: that of page 5 is at the gate behind the other.
    const majorNs = deviceNs(4) + (deviceNs(3) - DEVICE.latencyNs) + fetchNs(4) + fetchNs(3) + c.fileMapFaultNs
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
