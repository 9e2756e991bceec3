/** The part of memory that the maps show: zooming and moving, always inside. */

export interface MapWindow {
  /** First host page, and how many. */
  readonly from: number
  readonly count: number
}

/** Below so many host pages there is nothing more to see: a cell is a page by then. */
export const LEAST_PAGES = 512

/** @param factor above 1: closer; below 1: farther @param centre the host page that stays in the middle */
export function zoomed({ count }: MapWindow, hostPages: number, factor: number, centre: number): MapWindow {
  const wanted = Math.min(hostPages, Math.max(Math.min(LEAST_PAGES, hostPages), Math.round(count / factor)))
  return inside(Math.round(centre - wanted / 2), wanted, hostPages)
}

/** @param part of the window's length, to higher pages; negative: to lower ones */
export function moved({ from, count }: MapWindow, hostPages: number, part: number): MapWindow {
  return inside(from + Math.round(count * part), count, hostPages)
}

function inside(from: number, count: number, hostPages: number): MapWindow {
  return { from: Math.min(Math.max(0, from), hostPages - count), count }
}

export function middleOf({ from, count }: MapWindow): number {
  return from + count / 2
}

/** As it stands in an address; all of memory is not mentioned. */
export function windowQuery(window: MapWindow, hostPages: number): Record<'from' | 'count', string | undefined> {
  const isAll = window.count === hostPages
  return isAll ? { from: undefined, count: undefined } : { from: String(window.from), count: String(window.count) }
}
