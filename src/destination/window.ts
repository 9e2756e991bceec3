/** A window over a layout's host pages, cut into cells of equal size: how maps of memory are asked for and drawn. */
import { countBits } from '../core/bitmap.ts'
import { LazyRestoreError } from '../core/error.ts'
import type { Layout } from './layout.ts'

export interface PageWindow {
  /** First host page, and how many. */
  readonly from: number
  readonly count: number
  /** The last cell may have fewer. */
  readonly pagesPerCell: number
  readonly cells: number
}

/**
 * @param count null: all from `from` on
 * @param maxCells pages go together so that there are no more cells than this
 * @throws LazyRestoreError `usage` when the window does not lie in the layout
 */
export function pageWindow(
  { hostPageCount }: Layout,
  from: number,
  count: number | null,
  maxCells: number,
): PageWindow {
  const pages = count ?? hostPageCount - from
  if (!(from >= 0 && pages >= 1 && from + pages <= hostPageCount)) {
    throw new LazyRestoreError(
      'usage',
      `window: found host pages [${from}, ${from + pages}), expected a part of [0, ${hostPageCount})`,
    )
  }
  const pagesPerCell = Math.ceil(pages / maxCells)
  return { from, count: pages, pagesPerCell, cells: Math.ceil(pages / pagesPerCell) }
}

/** Number of set bits of a bitmap over host pages, for each cell. */
export function countPerCell(bitmap: Uint32Array, { from, count, pagesPerCell, cells }: PageWindow): Uint32Array {
  const counts = new Uint32Array(cells)
  for (let cell = 0; cell < cells; cell++) {
    const first = cell * pagesPerCell
    counts[cell] = countBits(bitmap, from + first, Math.min(pagesPerCell, count - first))
  }
  return counts
}

/** Host pages of each cell that have no data in the snapshot, and those that have both data and zeros. */
export function densityOf(layout: Layout, window: PageWindow): { zero: Uint32Array; mixed: Uint32Array } {
  const zero = countPerCell(layout.hasData, window)
  for (let cell = 0; cell < window.cells; cell++) {
    zero[cell] = Math.min(window.pagesPerCell, window.count - cell * window.pagesPerCell) - zero[cell]
  }
  const mixed = layout.mixed === null ? new Uint32Array(window.cells) : countPerCell(layout.mixed, window)
  return { zero, mixed }
}
