/**
 * Where each page of a snapshot is whose pages lie in several files, or in no order: a chain of diffs, CRIU's images. One
 * index over all of its memory, built once when the snapshot is opened: at most 6.2 bytes a page, and a page is found in O(1)
 * however long the chain is.
 *
 *   page ──▶ is it in a file? ──▶ its rank among those that are ──▶ origin ──▶ file, and the offset there of slot 0
 *            a bit                a count for each 64, and          └──────▶ slot   ──▶ the page's place behind it; without
 *                                 the bits before it                                    slots, the page's own number
 *
 * Ranks keep the origins of sparse memory together: a lookup at random finds them in the processor's near caches, where an
 * array by page would miss (rank of a bitmap: G. Jacobson, Space-efficient static trees and graphs, FOCS 1989). A diff keeps a
 * page where its base has it, so a chain of them needs no slots. The arrays are shared memory: threads that read get them
 * without a copy.
 */
import { type Bitmap, nextSetBit, popcount64, setBits } from '../core/bitmap.ts'
import { LazyRestoreError } from '../core/error.ts'
import { createSharedBitmap, sharedPart } from '../core/shared-bitmap.ts'

const MAX_ORIGINS = 0xffff
/** Pages of one count: two words of the bitmap. */
const GROUP_SHIFT = 6

/** What a reader fills, page by page, before it is packed. */
export interface PlacesDraft {
  readonly pageSize: number
  readonly pageCount: number
  /** Bit p: a file has page p. */
  readonly inFile: Bitmap
  /** Of each page in a file, the number of its origin, from 1 on. */
  readonly origin: Uint16Array
  /** Of each page in a file, its slot in the origin; null: the page's own number. */
  readonly slot: Uint32Array | null
}

/** The index: of pages in files, in their order. */
export interface PlaceIndex {
  /** Bit p: a file has page p; the others are zero. */
  readonly inFile: Bitmap
  /** Of each 64 pages, how many pages before them are in files. */
  readonly ranks: Uint32Array
  /** By rank: the number of the page's origin, from 1 on. */
  readonly origin: Uint16Array
  /** By rank: the page's slot in the origin; null: the page's own number. */
  readonly slot: Uint32Array | null
}

export interface PagePlaces extends PlaceIndex {
  readonly pageSize: number
  readonly pageCount: number
}

/** A file, and what slot 0 means in it. */
export interface Origin<F> {
  readonly file: F
  /** Offset in the file; below 0 where no page uses the first slots. */
  readonly base: number
}

export function draftPlaces(pageSize: number, pageCount: number, hasSlots: boolean): PlacesDraft {
  return {
    pageSize,
    pageCount,
    // Whole groups.
    inFile: createSharedBitmap(Math.ceil(pageCount / 2 ** GROUP_SHIFT) << GROUP_SHIFT),
    origin: new Uint16Array(new SharedArrayBuffer(2 * pageCount)),
    slot: hasSlots ? new Uint32Array(new SharedArrayBuffer(4 * pageCount)) : null,
  }
}

/** Puts pages `[first, first + count)` at slots `slot` and behind of an origin. */
export function placePages(draft: PlacesDraft, first: number, count: number, origin: number, slot = first): void {
  setBits(draft.inFile, first, count)
  draft.origin.fill(origin, first, first + count)
  if (draft.slot !== null) for (let i = 0; i < count; i++) draft.slot[first + i] = slot + i
}

/** The draft's arrays become the index's: the draft is used up. */
export function packPlaces({ pageSize, pageCount, inFile, origin, slot }: PlacesDraft): PagePlaces {
  const groups = Math.ceil(pageCount / 2 ** GROUP_SHIFT)
  const ranks = new Uint32Array(new SharedArrayBuffer(4 * groups))
  let rank = 0
  for (let group = 0; group < groups; group++) {
    ranks[group] = rank
    const end = Math.min(pageCount, (group + 1) << GROUP_SHIFT)
    for (
      let page = nextSetBit(inFile, group << GROUP_SHIFT, end);
      page < end;
      page = nextSetBit(inFile, page + 1, end)
    ) {
      origin[rank] = origin[page]
      if (slot !== null) slot[rank] = slot[page]
      rank++
    }
  }
  return {
    pageSize,
    pageCount,
    inFile,
    ranks,
    origin: origin.subarray(0, rank),
    slot: slot === null ? null : slot.subarray(0, rank),
  }
}

/** Which pages of `[first, first + count)` are in files, as a bitmap of their own; the index's memory, where words allow it. */
export function placedPages({ inFile }: PlaceIndex, first: number, count: number): Bitmap {
  const isWhole = first % 32 === 0 && count % 32 === 0
  return isWhole ? inFile.subarray(first / 32, (first + count) / 32) : sharedPart(inFile, first, count)
}

/** The rank of a page that is in a file: how many are before it. */
export function rankOf({ inFile, ranks }: PlaceIndex, page: number): number {
  const group = page >>> GROUP_SHIFT
  // No branch: where the page is in its group is nothing that a processor could foresee.
  const below = ~(-1 << page)
  const isHigh = -((page >>> 5) & 1)
  return ranks[group] + popcount64(inFile[2 * group] & (below | isHigh), inFile[2 * group + 1] & below & isHigh)
}

/** How many pages from the one of rank `rank` on, at most `most`, all in files, lie one behind the other in one file. */
export function placedRunLength({ origin, slot }: PlaceIndex, rank: number, most: number): number {
  const first = origin[rank]
  let length = 1
  if (slot === null) while (length < most && origin[rank + length] === first) length++
  else {
    const start = slot[rank]
    while (length < most && origin[rank + length] === first && slot[rank + length] === start + length) length++
  }
  return length
}

/** The index as a block has it, whose page p is the index's `p + firstPage`. Of rank r, it is at `base[origin] + slot * pageSize`. */
export interface BlockPlaces extends PlaceIndex {
  readonly firstPage: number
  /** By origin, in bytes; null: all 0. All blocks of a snapshot have the same array. */
  readonly base: Float64Array | null
}

/** @param base of each origin, by its number; null: all 0 */
export function placesOfBlock(index: PlaceIndex, base: Float64Array | null, firstPage: number): BlockPlaces {
  const { inFile, ranks, origin, slot } = index
  return { inFile, ranks, origin, slot, firstPage, base }
}

/** Offset of the block's page `page`, of rank `rank`, in the file of its origin. */
export function placeOffset(
  { origin, slot, firstPage, base }: BlockPlaces,
  rank: number,
  page: number,
  pageSize: number,
): number {
  const offset = (slot === null ? page + firstPage : slot[rank]) * pageSize
  return base === null ? offset : base[origin[rank]] + offset
}

/** The number of the next origin. @throws LazyRestoreError `limit` */
export function nextOrigin(name: string, origins: readonly unknown[]): number {
  if (origins.length < MAX_ORIGINS) return origins.length + 1
  throw new LazyRestoreError('limit', `${name}: found more than ${MAX_ORIGINS} files, expected at most so many`)
}
