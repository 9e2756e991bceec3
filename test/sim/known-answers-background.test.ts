/** Background work worked out by hand from docs/model.md, term by term: sweep and working set. */
import { describe, expect, test } from 'vitest'
import { layoutOfBits } from '../destination/layout-of-bits.ts'
import { aheadNs, COSTS as c, deviceNs, FIXED_NS, fetchNs, restore } from './worked-by-hand.ts'

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
    const fileNs = deviceNs(2) + c.readCallNs + 2 * c.read4kNs + aheadNs(2) + 2 * (c.copyCallNs + c.copyAnon4kNs)
    const resumeNs = c.registerNs + zeroNs + fileNs + FIXED_NS
    // The sweep: pages 2 and 3 by a read that is not at the block's start, pages 4..8 by ZEROPAGE.
    const sweepNs = deviceNs(2) + (c.readCallNs + 2 * c.read4kNs + fetchNs(2) + c.copyCallNs + 2 * c.copyAnon4kNs)
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
