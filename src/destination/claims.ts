/**
 * The exactly-once claim on each host page. Whoever would install a page claims it first; of any number of handlers and
 * workers exactly one gets it, and a fault on a page that is claimed already joins that install instead of reading twice.
 */
import { type Bitmap, createBitmap, nextClearBit, nextSetBit, setBits } from '../core/bitmap.ts'

export class Claims {
  readonly bitmap: Bitmap
  readonly pageCount: number
  claimedCount = 0

  constructor(pageCount: number, bitmap: Bitmap = createBitmap(pageCount)) {
    this.bitmap = bitmap
    this.pageCount = pageCount
  }

  isClaimed(page: number): boolean {
    return ((this.bitmap[page >>> 5] >>> (page & 31)) & 1) === 1
  }

  /** The first unclaimed page in `[from, end)`, or `end`. */
  nextUnclaimed(from: number, end: number): number {
    return nextClearBit(this.bitmap, from, end)
  }

  /** The first claimed page in `[from, end)`, or `end`. */
  nextClaimed(from: number, end: number): number {
    return nextSetBit(this.bitmap, from, end)
  }

  /**
   * Claims `count` pages from `first` on, all of which were unclaimed a moment ago; returns how many of them, from the first
   * on, were so still. Here that is all; where threads compete, another one may have come first.
   */
  claim(first: number, count: number): number {
    setBits(this.bitmap, first, count)
    this.claimedCount += count
    return count
  }
}
