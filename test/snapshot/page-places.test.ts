import { fc, test as property } from '@fast-check/vitest'
import { describe, expect } from 'vitest'
import { testBit } from '../../src/core/bitmap.ts'
import {
  draftPlaces,
  packPlaces,
  placedPages,
  placedRunLength,
  placeOffset,
  placePages,
  placesOfBlock,
  rankOf,
} from '../../src/snapshot/page-places.ts'

const PAGE = 4096
const MOST_PAGES = 300
const BASE = Float64Array.of(0, 0, 10 * PAGE, 1e6 * PAGE)

const placement = fc.record({
  first: fc.nat(MOST_PAGES - 1),
  count: fc.integer({ min: 1, max: 150 }),
  origin: fc.integer({ min: 1, max: 3 }),
  slot: fc.nat(500),
})

describe('places of pages', () => {
  property.prop([
    fc.integer({ min: 1, max: MOST_PAGES }),
    fc.array(placement, { maxLength: 20 }),
    fc.boolean(),
    fc.nat(MOST_PAGES - 1),
  ])('are those of an array by page', (pageCount, placements, hasSlots, start) => {
    const draft = draftPlaces(PAGE, pageCount, hasSlots)
    const naive = new Array<{ origin: number; slot: number } | null>(pageCount).fill(null)
    for (const { first, count, origin, slot } of placements) {
      if (first >= pageCount) continue
      const pages = Math.min(count, pageCount - first)
      if (hasSlots) placePages(draft, first, pages, origin, slot)
      else placePages(draft, first, pages, origin)
      for (let i = 0; i < pages; i++) naive[first + i] = { origin, slot: hasSlots ? slot + i : first + i }
    }
    const firstPage = Math.min(start, pageCount - 1)
    const count = pageCount - firstPage
    const places = placesOfBlock(packPlaces(draft), BASE, firstPage)
    const bitmap = placedPages(places, firstPage, count)
    expect(places.origin.length).toBe(naive.filter(at => at !== null).length)
    for (let page = 0; page < count; page++) {
      const at = naive[firstPage + page]
      expect(testBit(bitmap, page)).toBe(at !== null)
      if (at === null) continue
      const rank = rankOf(places, firstPage + page)
      expect(places.origin[rank]).toBe(at.origin)
      expect(placeOffset(places, rank, page, PAGE)).toBe(BASE[at.origin] + at.slot * PAGE)
      let stored = 1
      while (naive[firstPage + page + stored]) stored++
      const length = placedRunLength(places, rank, stored)
      const behind = (i: number) => {
        const next = naive[firstPage + page + i]
        return next?.origin === at.origin && next.slot === at.slot + i
      }
      for (let i = 1; i < length; i++) expect(behind(i)).toBe(true)
      expect(length === stored || !behind(length)).toBe(true)
    }
  })
})
