/**
 * The memory map at a moment: how much of each cell is what. The server says for each run of host pages how many came by
 * fault and by prefetch in the end, and when the first and the last of them came; between the two they are taken to come
 * evenly. Runs of one page, which is what memory of up to 256 MiB in 4 KiB pages has, are exact.
 */
import type { MemoryMap } from 'lazyrestore/client'

/** What a host page can be, in the order in which cells hold it. The first two are not resident. */
export const PAGE_KINDS = ['zero', 'data', 'fault', 'prefetch', 'wasted'] as const
export type PageKind = (typeof PAGE_KINDS)[number]

const KINDS = PAGE_KINDS.length

export type MapColumns = Pick<
  MemoryMap,
  'count' | 'pagesPerCell' | 'zero' | 'byFault' | 'byPrefetch' | 'wasted' | 'firstNs' | 'lastNs'
>

/** Host pages of run `run`; the last one may have fewer. */
function pagesOf({ count, pagesPerCell }: MapColumns, run: number): number {
  return Math.min(pagesPerCell, count - run * pagesPerCell)
}

/** What part of the pages that come to a run is there. */
export function shareAt(firstNs: number, lastNs: number, pages: number, timeNs: number): number {
  // None ever comes: not a number is at no time.
  if (!(timeNs >= firstNs)) return 0
  if (timeNs >= lastNs) return 1
  const least = 1 / Math.max(1, pages)
  return least + (1 - least) * ((timeNs - firstNs) / (lastNs - firstNs))
}

/**
 * Host pages of each kind in each cell, `KINDS` numbers a cell.
 * @param runsPerCell a cell shows so many runs of the map
 * @param into as long as `countCells(map, runsPerCell) * PAGE_KINDS.length`; all of it is written
 */
export function fillCells(map: MapColumns, runsPerCell: number, timeNs: number, into: Float32Array): void {
  const { zero, byFault, byPrefetch, wasted, firstNs, lastNs } = map
  into.fill(0)
  for (let run = 0; run < zero.length; run++) {
    const at = Math.floor(run / runsPerCell) * KINDS
    const pages = pagesOf(map, run)
    const came = byFault[run] + byPrefetch[run]
    const share = came === 0 ? 0 : shareAt(firstNs[run], lastNs[run], came, timeNs)
    const absent = pages - share * came
    // Which pages of a run have come is not known: zero ones and ones with data alike.
    const absentZero = absent * (zero[run] / pages)
    into[at] += absentZero
    into[at + 1] += absent - absentZero
    into[at + 2] += share * byFault[run]
    into[at + 3] += share * (byPrefetch[run] - wasted[run])
    into[at + 4] += share * wasted[run]
  }
}

export function countCells(map: MapColumns, runsPerCell: number): number {
  return Math.ceil(map.zero.length / runsPerCell)
}

/** Host pages of each kind over all cells, rounded. */
export function totalsOf(cells: Float32Array): Record<PageKind, number> {
  const sums = new Float64Array(KINDS)
  for (let i = 0; i < cells.length; i++) sums[i % KINDS] += cells[i]
  return Object.fromEntries(PAGE_KINDS.map((kind, i) => [kind, Math.round(sums[i])])) as Record<PageKind, number>
}

/** Red, green and blue, 0 to 255. */
export type Color = readonly [number, number, number]

/**
 * A pixel a cell, mixed of the colours of what it holds. What is there counts by the square root of its share, so that one
 * page of many shows. Behind the last cell pixels stay clear.
 * @param colors of each kind
 * @param pixels RGBA
 */
export function paintCells(cells: Float32Array, colors: readonly Color[], pixels: Uint8ClampedArray): void {
  pixels.fill(0)
  for (let cell = 0; cell * KINDS < cells.length; cell++) {
    const at = cell * KINDS
    const absent = cells[at] + cells[at + 1]
    const resident = cells[at + 2] + cells[at + 3] + cells[at + 4]
    if (absent + resident === 0) continue
    const residentWeight = Math.sqrt(resident / (absent + resident))
    const roots = Math.sqrt(cells[at + 2]) + Math.sqrt(cells[at + 3]) + Math.sqrt(cells[at + 4])
    for (let kind = 0; kind < KINDS; kind++) {
      const isAbsent = kind < 2
      const part = isAbsent ? cells[at + kind] / absent : Math.sqrt(cells[at + kind]) / roots
      const weight = (isAbsent ? 1 - residentWeight : residentWeight) * part
      // Of nothing there is no part.
      if (weight > 0) for (let channel = 0; channel < 3; channel++) mixed[channel] += weight * colors[kind][channel]
    }
    pixels.set(mixed, 4 * cell)
    pixels[4 * cell + 3] = 255
    mixed.fill(0)
  }
}

const mixed = new Float64Array(3)

/** How the cells lie: rows from the left, addresses upwards. */
export interface Grid {
  readonly columns: number
  readonly rows: number
  readonly runsPerCell: number
  /** Of a cell, with the gap to the next one, px. */
  readonly sidePx: number
}

const LEAST_SIDE_PX = 5
const MOST_SIDE_PX = 16

/** The largest cells of one run each that fit; of several runs each where not even the smallest do. */
export function gridOf(map: MapColumns, widthPx: number, heightPx: number): Grid {
  const runs = map.zero.length
  let sidePx = MOST_SIDE_PX
  while (sidePx > LEAST_SIDE_PX && fitting(widthPx, sidePx) * fitting(heightPx, sidePx) < runs) sidePx--
  const columns = fitting(widthPx, sidePx)
  const runsPerCell = Math.ceil(runs / (columns * fitting(heightPx, sidePx)))
  const cells = countCells(map, runsPerCell)
  return { columns: Math.min(columns, cells), rows: Math.ceil(cells / columns), runsPerCell, sidePx }
}

function fitting(lengthPx: number, sidePx: number): number {
  return Math.max(1, Math.floor(lengthPx / sidePx))
}
