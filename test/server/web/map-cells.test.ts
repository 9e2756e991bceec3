/** The memory map at a moment: every page is somewhere, and at its ends the map says what the server said. */
import { fc, it as property } from '@fast-check/vitest'
import { describe, expect, it } from 'vitest'
import {
  countCells,
  fillCells,
  gridOf,
  type MapColumns,
  PAGE_KINDS,
  paintCells,
  shareAt,
  totalsOf,
} from '../../../server/web/map/map-cells.ts'
import { placeOfCell } from '../../../server/web/map/places.ts'

const KINDS = PAGE_KINDS.length

function cellsAt(map: MapColumns, runsPerCell: number, timeNs: number): Float32Array {
  const cells = new Float32Array(countCells(map, runsPerCell) * KINDS).fill(7)
  fillCells(map, runsPerCell, timeNs, cells)
  return cells
}

/** Runs that could be: no more pages come to one than it has, and times only where one comes. */
const maps: fc.Arbitrary<MapColumns> = fc
  .record({
    pagesPerCell: fc.integer({ min: 1, max: 8 }),
    runs: fc.array(fc.tuple(...Array.from({ length: 6 }, () => fc.double({ min: 0, max: 1, noNaN: true }))), {
      minLength: 1,
      maxLength: 40,
    }),
    missing: fc.integer({ min: 0, max: 7 }),
  })
  .map(({ pagesPerCell, runs, missing }) => {
    const count = runs.length * pagesPerCell - Math.min(missing, pagesPerCell - 1)
    const pages = runs.map((_, run) => Math.min(pagesPerCell, count - run * pagesPerCell))
    const part = (share: number, of: number): number => Math.floor(share * (of + 0.999))
    const byFault = runs.map(([share], run) => part(share, pages[run]))
    const byPrefetch = runs.map(([, share], run) => part(share, pages[run] - byFault[run]))
    const came = runs.map((_, run) => byFault[run] + byPrefetch[run] > 0)
    return {
      count,
      pagesPerCell,
      byFault: Uint32Array.from(byFault),
      byPrefetch: Uint32Array.from(byPrefetch),
      wasted: Uint32Array.from(runs, ([, , share], run) => part(share, byPrefetch[run])),
      zero: Uint32Array.from(runs, ([, , , share], run) => part(share, pages[run])),
      firstNs: Float64Array.from(runs, (run, i) => (came[i] ? run[4] * 1000 : Number.NaN)),
      lastNs: Float64Array.from(runs, (run, i) => (came[i] ? run[4] * 1000 + run[5] * 1000 : Number.NaN)),
    }
  })

const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((total, value) => total + value, 0)

describe('the cells of a memory map', () => {
  property.prop([maps, fc.integer({ min: 1, max: 9 }), fc.double({ min: -1, max: 2500, noNaN: true })])(
    'hold every host page once, at any time and however runs go together',
    (map, runsPerCell, timeNs) => {
      const cells = cellsAt(map, runsPerCell, timeNs)
      expect(cells.every(value => value >= 0)).toBe(true)
      expect(sum(cells)).toBeCloseTo(map.count, 2)
    },
  )

  property.prop([maps, fc.integer({ min: 1, max: 9 })])(
    'have nothing resident before the first, and all that the server counted after the last',
    (map, runsPerCell) => {
      expect(totalsOf(cellsAt(map, runsPerCell, -1))).toEqual({
        zero: sum(map.zero),
        data: map.count - sum(map.zero),
        fault: 0,
        prefetch: 0,
        wasted: 0,
      })
      expect(totalsOf(cellsAt(map, runsPerCell, 1e9))).toMatchObject({
        fault: sum(map.byFault),
        prefetch: sum(map.byPrefetch) - sum(map.wasted),
        wasted: sum(map.wasted),
      })
    },
  )

  property.prop([maps, fc.tuple(fc.nat(2500), fc.nat(2500))])('never lose what is there', (map, times) => {
    const [early, late] = times.sort((a, b) => a - b).map(timeNs => cellsAt(map, 1, timeNs))
    for (let i = 0; i < early.length; i++) if (i % KINDS >= 2) expect(late[i]).toBeGreaterThanOrEqual(early[i] - 1e-4)
  })

  it('are exact where a run is one page', () => {
    const map: MapColumns = {
      count: 4,
      pagesPerCell: 1,
      zero: Uint32Array.of(1, 0, 0, 0),
      byFault: Uint32Array.of(0, 1, 0, 0),
      byPrefetch: Uint32Array.of(1, 0, 1, 0),
      wasted: Uint32Array.of(1, 0, 0, 0),
      firstNs: Float64Array.of(30, 10, 20, Number.NaN),
      lastNs: Float64Array.of(30, 10, 20, Number.NaN),
    }
    const kindsAt = (timeNs: number): string[] => {
      const cells = cellsAt(map, 1, timeNs)
      return [0, 1, 2, 3].map(cell => PAGE_KINDS[cells.subarray(cell * KINDS).indexOf(1)])
    }
    expect(kindsAt(9)).toEqual(['zero', 'data', 'data', 'data'])
    expect(kindsAt(10)).toEqual(['zero', 'fault', 'data', 'data'])
    expect(kindsAt(20)).toEqual(['zero', 'fault', 'prefetch', 'data'])
    expect(kindsAt(30)).toEqual(['wasted', 'fault', 'prefetch', 'data'])
  })

  it('fill evenly between the first and the last page of a run', () => {
    expect([9, 10, 15, 20].map(timeNs => shareAt(10, 20, 2, timeNs))).toEqual([0, 0.5, 0.75, 1])
    expect(shareAt(Number.NaN, Number.NaN, 0, 1e9)).toBe(0)
  })

  it('are painted in the colours of what they hold, and one page of many shows', () => {
    const cells = Float32Array.of(4, 0, 0, 0, 0, 0, 0, 1, 9, 0, 16, 0, 1, 0, 0, 0, 0, 0, 0, 0)
    const pixels = new Uint8ClampedArray(20)
    const grey = [100, 100, 100] as const
    paintCells(cells, [[1, 2, 3], grey, [200, 0, 0], [0, 200, 100], grey], pixels)
    const white = Math.sqrt(1 / 17)
    expect([...pixels.subarray(0, 8)]).toEqual([1, 2, 3, 255, 50, 150, 75, 255])
    expect(pixels[8]).toBe(Math.round(200 * white + 1 * (1 - white)))
    expect([...pixels.subarray(12)]).toEqual(Array(8).fill(0))
  })

  property.prop([
    fc.integer({ min: 1, max: 70_000 }),
    fc.integer({ min: 16, max: 900 }),
    fc.integer({ min: 16, max: 400 }),
  ])('fill the room there is, in runs of their own where they fit', (runs, widthPx, heightPx) => {
    const map = { zero: new Uint32Array(runs) } as MapColumns
    const { columns, rows, runsPerCell, sidePx } = gridOf(map, widthPx, heightPx)
    expect(columns * sidePx).toBeLessThanOrEqual(widthPx)
    expect(rows * sidePx).toBeLessThanOrEqual(heightPx)
    expect(columns * rows).toBeGreaterThanOrEqual(countCells(map, runsPerCell))
    if (runsPerCell > 1) expect(sidePx).toBe(5)
  })

  it('say where in memory they lie', () => {
    const blocks = [
      { name: 'pc.ram', firstHostPage: 0, endHostPage: 100, hostPageSize: 4096 },
      { name: 'pc.bios', firstHostPage: 100, endHostPage: 110, hostPageSize: 4096 },
    ]
    const map = { from: 0, count: 110, pagesPerCell: 2, blocks }
    expect(placeOfCell(map, 3, 4)).toEqual({ firstPage: 24, endPage: 32, address: 'pc.ram + 0x18000' })
    expect(placeOfCell(map, 13, 4)).toEqual({ firstPage: 104, endPage: 110, address: 'pc.bios + 0x4000' })
  })
})
