/** A sweep whose cursor can be set anywhere: it still walks every host page once, and comes round to what it jumped over. */
import { type Bitmap, createBitmap, nextClearBit, nextSetBit, setBits } from '../core/bitmap.ts'
import { blockOfHostPage, type Layout } from '../destination/layout.ts'
import { FILL, type Plan } from './plan.ts'

export class JumpingSweep {
  readonly #layout: Layout
  /** Bit h: host page h has been walked. */
  readonly #walked: Bitmap
  #cursor = 0

  constructor(layout: Layout) {
    this.#layout = layout
    this.#walked = createBitmap(layout.hostPageCount)
  }

  /** Goes on at this page, or at the first one behind it that has not been walked. */
  jumpTo(page: number): void {
    this.#cursor = page
  }

  /** Adds about `bytes`, at least a page, up to what has been walked; nothing when all of memory has. Returns the bytes. */
  next(plan: Plan, bytes: number): number {
    const { hostPageCount } = this.#layout
    let first = nextClearBit(this.#walked, this.#cursor, hostPageCount)
    if (first >= hostPageCount) first = nextClearBit(this.#walked, 0, hostPageCount)
    if (first === hostPageCount) return 0
    const { endHostPage, hostPageSize } = blockOfHostPage(this.#layout, first)
    const step = Math.max(1, Math.floor(bytes / hostPageSize))
    const end = nextSetBit(this.#walked, first, Math.min(first + step, endHostPage))
    setBits(this.#walked, first, end - first)
    plan.add(first, end - first, FILL)
    this.#cursor = end
    return (end - first) * hostPageSize
  }
}
