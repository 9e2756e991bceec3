/**
 * The simulated destination memory: which host pages are resident and writable, and the counts that go into the result. Residency only grows, which is what lets a vCPU run through resident pages in one burst.
 */
import { type Bitmap, createBitmap, setBit, setBits, testBit } from '../core/bitmap.ts'
import { BoundedSeries } from '../core/bounded-series.ts'
import { type Layout, type LayoutBlock, runBytes } from '../destination/layout.ts'

export const RESIDENCY_POINTS = 512

export class MemoryState {
  readonly layout: Layout
  /** The page can be read without a fault. */
  readonly resident: Bitmap
  /** The page is resident, and can be written without a fault. */
  readonly writable: Bitmap
  readonly residency: BoundedSeries
  residentBytes: number
  /** When nothing was left to restore; -1 while something is. */
  residentNs = -1
  #bytesLeft: number

  /**
   * @param bytesToInstall bytes that must be installed before all memory counts as resident; what is not among them
   * needs no restore (zero pages that the kernel fills)
   * @param points most points of the residency curve
   */
  constructor(layout: Layout, bytesToInstall: number, points = RESIDENCY_POINTS) {
    this.residency = new BoundedSeries(points)
    this.layout = layout
    this.resident = createBitmap(layout.hostPageCount)
    this.writable = createBitmap(layout.hostPageCount)
    this.residentBytes = layout.byteLength - bytesToInstall
    this.#bytesLeft = bytesToInstall
    this.residency.add(0, this.residentBytes)
  }

  isResident(page: number): boolean {
    return testBit(this.resident, page)
  }

  isWritable(page: number): boolean {
    return testBit(this.writable, page)
  }

  /** Host pages `[first, first + count)` of `block` become resident, none of which was; returns their bytes. */
  install(block: LayoutBlock, first: number, count: number, writable: boolean, now: number): number {
    setBits(this.resident, first, count)
    if (writable) setBits(this.writable, first, count)
    const bytes = runBytes(block, first, count)
    this.residentBytes += bytes
    this.#bytesLeft -= bytes
    this.residency.add(now, this.residentBytes)
    if (this.#bytesLeft === 0) this.residentNs = now
    return bytes
  }

  /** One page is accessible that needed no restore: the kernel made it so, or it was there from the start. */
  touch(page: number, writable: boolean): void {
    setBit(this.resident, page)
    if (writable) setBit(this.writable, page)
  }
}
