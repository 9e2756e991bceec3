/** Where a plan is cut into install runs. */
import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { Claims } from '../../src/destination/claims.ts'
import { blockOfHostPage, type Layout } from '../../src/destination/layout.ts'
import { createInstallRun, nextInstallRun } from '../../src/resolver/install-run.ts'
import { OP_COPY, OP_ZEROPAGE, operationOf } from '../../src/resolver/resolver.ts'
import { layoutOfBits } from '../destination/layout-of-bits.ts'
import { anyMemory, layoutOf } from '../sim/random-restore.ts'

const ANY_SIZE = { readBytes: Number.POSITIVE_INFINITY, zeroBytes: Number.POSITIVE_INFINITY }

function claimsOf(layout: Layout, isClaimed: (page: number) => boolean): Claims {
  const claims = new Claims(layout.hostPageCount)
  for (let page = 0; page < layout.hostPageCount; page++) if (isClaimed(page)) claims.claim(page, 1)
  return claims
}

describe('the next install run', () => {
  property.prop(
    [
      anyMemory,
      fc.nat(),
      fc.nat(),
      fc.integer({ min: 1, max: 20 }),
      fc.constantFrom(1, 8192, 100_000, 1 << 22),
      fc.constantFrom(1, 8192, 100_000, 1 << 22),
    ],
    { numRuns: 1000 },
  )('is the longest one from the first unclaimed page on', (memory, a, b, every, readBytes, zeroBytes) => {
    const layout = layoutOf(memory)
    const claims = claimsOf(layout, page => (page * 7 + a) % 20 >= every)
    const from = a % layout.hostPageCount
    const end = from + 1 + (b % (layout.hostPageCount - from))
    const run = nextInstallRun(layout, claims, from, end, { readBytes, zeroBytes }, createInstallRun(layout))

    let first = from
    while (first < end && claims.isClaimed(first)) first++
    if (first === end) {
      expect(run.count).toBe(0)
      return
    }
    const block = blockOfHostPage(layout, first)
    const op = operationOf(layout, first, block)
    const most = op === OP_COPY ? readBytes : zeroBytes
    let count = 1
    while (
      first + count < Math.min(end, block.endHostPage) &&
      !claims.isClaimed(first + count) &&
      operationOf(layout, first + count, block) === op &&
      (count + 1) * block.hostPageSize <= most
    ) {
      count++
    }
    expect({ ...run, block: run.block.index }).toEqual({ op, block: block.index, first, count })
  })

  test('by hand', () => {
    const layout = layoutOfBits({ bits: '1110 0111' }, { bits: '11' })
    const claims = claimsOf(layout, page => page === 1)
    const run = createInstallRun(layout)
    const next = (from: number, end: number, limits = ANY_SIZE) => {
      const { op, first, count } = nextInstallRun(layout, claims, from, end, limits, run)
      return count === 0 ? null : [op, first, count]
    }
    expect(next(0, 10)).toEqual([OP_COPY, 0, 1])
    expect(next(1, 10)).toEqual([OP_COPY, 2, 1])
    expect(next(1, 2)).toBeNull()
    expect(next(3, 10)).toEqual([OP_ZEROPAGE, 3, 2])
    expect(next(3, 10, { readBytes: 1, zeroBytes: 1 })).toEqual([OP_ZEROPAGE, 3, 1])
    expect(next(5, 10)).toEqual([OP_COPY, 5, 3])
    expect(next(5, 10, { readBytes: 8192, zeroBytes: 1 })).toEqual([OP_COPY, 5, 2])
    expect(next(8, 10)).toEqual([OP_COPY, 8, 2])
    expect(claims.claimedCount).toBe(1)
  })
})
