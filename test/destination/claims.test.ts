/** Claims against a set. */
import { fc, test as property } from '@fast-check/vitest'
import { describe, expect } from 'vitest'
import { Claims } from '../../src/destination/claims.ts'

describe('claims', () => {
  property.prop([fc.integer({ min: 1, max: 150 }), fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 40 })))], {
    numRuns: 200,
  })('are held once each, and found by a search from any page', (pageCount, wishes) => {
    const claims = new Claims(pageCount)
    const claimed = new Set<number>()
    for (const [wish, length] of wishes) {
      const first = claims.nextUnclaimed(wish % pageCount, pageCount)
      const end = claims.nextClaimed(first, Math.min(first + length, pageCount))
      for (let page = wish % pageCount; page < first; page++) expect(claimed.has(page)).toBe(true)
      for (let page = first; page < end; page++) {
        expect(claimed.has(page)).toBe(false)
        claimed.add(page)
      }
      if (end > first) claims.claim(first, end - first)
    }
    expect(claims.claimedCount).toBe(claimed.size)
    const pages = Array.from({ length: pageCount }, (_, page) => page)
    expect(pages.filter(page => claims.isClaimed(page))).toEqual([...claimed].sort((a, b) => a - b))
  })
})
