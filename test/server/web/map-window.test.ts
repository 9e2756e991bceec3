/** Zooming and moving in memory: the window never leaves it, and what is in the middle stays there where it can. */
import { fc, it as property } from '@fast-check/vitest'
import { describe, expect, it } from 'vitest'
import { LEAST_PAGES, middleOf, moved, windowQuery, zoomed } from '../../../server/web/map/window.ts'

const HOST_PAGES = 262_144
const ALL = { from: 0, count: HOST_PAGES }

describe('the window of a memory map', () => {
  property.prop([
    fc.integer({ min: 1, max: 1e6 }),
    fc.array(fc.tuple(fc.double({ min: 0.1, max: 10, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true })), {
      maxLength: 20,
    }),
  ])('stays inside, whatever is done', (hostPages, steps) => {
    let window = { from: 0, count: hostPages }
    for (const [factor, place] of steps) {
      window = zoomed(window, hostPages, factor, window.from + place * window.count)
      window = moved(window, hostPages, factor - 5)
      expect(Number.isInteger(window.from) && Number.isInteger(window.count)).toBe(true)
      expect(window.from).toBeGreaterThanOrEqual(0)
      expect(window.count).toBeGreaterThanOrEqual(Math.min(LEAST_PAGES, hostPages))
      expect(window.from + window.count).toBeLessThanOrEqual(hostPages)
    }
  })

  it('keeps its middle, and goes back to where it was', () => {
    const closer = zoomed(ALL, HOST_PAGES, 8, 100_000)
    expect(closer).toEqual({ from: 100_000 - 16_384, count: 32_768 })
    expect(middleOf(zoomed(closer, HOST_PAGES, 4, middleOf(closer)))).toBe(100_000)
    expect(zoomed(closer, HOST_PAGES, 1 / 8, middleOf(closer))).toEqual(ALL)
    expect(moved(moved(closer, HOST_PAGES, 0.5), HOST_PAGES, -0.5)).toEqual(closer)
  })

  it('is in the address unless it is all', () => {
    expect(windowQuery(ALL, HOST_PAGES)).toEqual({ from: undefined, count: undefined })
    expect(windowQuery({ from: 5, count: 512 }, HOST_PAGES)).toEqual({ from: '5', count: '512' })
  })
})
