/**
 * Where each page of a snapshot is whose pages lie in several files, or in no order: a chain of diffs, CRIU's images. One
 * index over all of its memory, built once when the snapshot is opened: at most 6 bytes a page beside the bitmap, and a page
 * is found in O(1) however long the chain is.
 *
 *   page ──▶ origin ──▶ file, and the offset there of slot 0
 *        └─▶ slot   ──▶ the page's place behind it; without slots, the page's own number
 *
 * A diff keeps a page where its base has it, so a chain of them needs no slots: 2 bytes a page. The arrays are shared memory:
 * threads that read get them without a copy.
 */
import { LazyRestoreError } from '../core/error.ts'

/** Origin of pages that no file has; they are zero. */
export const NO_ORIGIN = 0
const MAX_ORIGINS = 0xffff

export interface PagePlaces {
  readonly pageSize: number
  readonly pageCount: number
  /** Of each page, the number of its origin, from 1 on; {@link NO_ORIGIN} for none. */
  readonly origin: Uint16Array
  /** Of each page, its slot in the origin; null: the page's own number. */
  readonly slot: Uint32Array | null
}

/** A file, and what slot 0 means in it. */
export interface Origin<F> {
  readonly file: F
  /** Offset in the file; below 0 where no page uses the first slots. */
  readonly base: number
}

export function createPlaces(pageSize: number, pageCount: number, hasSlots: boolean): PagePlaces {
  return {
    pageSize,
    pageCount,
    origin: new Uint16Array(new SharedArrayBuffer(2 * pageCount)),
    slot: hasSlots ? new Uint32Array(new SharedArrayBuffer(4 * pageCount)) : null,
  }
}

/** Puts pages `[first, first + count)` at slots `slot` and behind of an origin. */
export function placePages(places: PagePlaces, first: number, count: number, origin: number, slot = first): void {
  places.origin.fill(origin, first, first + count)
  if (places.slot !== null) for (let i = 0; i < count; i++) places.slot[first + i] = slot + i
}

/** The part of the index that is a block's, by the block's own page numbers. Page p is at `base[o] + s * pageSize`. */
export interface BlockPlaces {
  /** o: from 1 on for pages with data. */
  readonly origin: Uint16Array
  /** s; null: `p + firstPage`. */
  readonly slot: Uint32Array | null
  readonly firstPage: number
  /** By origin, in bytes; null: all 0. All blocks of a snapshot have the same array. */
  readonly base: Float64Array | null
}

/**
 * Of a block whose page 0 is page `firstPage` of the index.
 * @param base of each origin, by its number; null: all 0
 */
export function placesOfBlock(
  { origin, slot }: PagePlaces,
  base: Float64Array | null,
  firstPage: number,
  pageCount: number,
): BlockPlaces {
  const past = firstPage + pageCount
  return {
    origin: origin.subarray(firstPage, past),
    slot: slot === null ? null : slot.subarray(firstPage, past),
    firstPage,
    base,
  }
}

/** The end of the run of pages from `page` on that lie one behind the other in one file; at most `end`. */
export function placeRunEnd({ origin, slot }: Pick<BlockPlaces, 'origin' | 'slot'>, page: number, end: number): number {
  let past = page + 1
  const first = origin[page]
  if (slot === null || first === NO_ORIGIN) while (past < end && origin[past] === first) past++
  else {
    const ahead = slot[page] - page
    while (past < end && origin[past] === first && slot[past] - past === ahead) past++
  }
  return past
}

/** Offset of the page in the file of `origin`, its own. */
export function placeOffset(
  { slot, firstPage, base }: BlockPlaces,
  origin: number,
  page: number,
  pageSize: number,
): number {
  const offset = (slot === null ? page + firstPage : slot[page]) * pageSize
  return base === null ? offset : base[origin] + offset
}

/** The number of the next origin. @throws LazyRestoreError `limit` */
export function nextOrigin(name: string, origins: readonly unknown[]): number {
  if (origins.length < MAX_ORIGINS) return origins.length + 1
  throw new LazyRestoreError('limit', `${name}: found more than ${MAX_ORIGINS} files, expected at most so many`)
}
