/**
 * The kernel's readahead: what one open file remembers, and how that decides how much a read brings (Linux 6.18
 * mm/readahead.c, struct file_ra_state). Pages are target pages by their dense index; windows begin in their block, and may
 * end behind it, where nothing is read.
 *
 * Not in it: large folios, which make windows end at round numbers and carry one marker for several pages. Over 3,000
 * random reads that moved the number of pages read by up to a fifth either way (test/uffd/readahead.test.ts holds it against the kernel).
 */
import { type Bitmap, nextClearBit, previousClearBit } from '../core/bitmap.ts'

/** No page comes after it. */
const NOWHERE = -2

export class Readahead {
  /** Where the last read ended. */
  previousEnd = NOWHERE
  /** The window: its first page, its pages, and of these the ones behind its marker and with it. */
  start = 0
  size = 0
  #behindMarker = 0

  /** Whoever touches this page has the next window fetched. */
  get marker(): number {
    return this.start + this.size - this.#behindMarker
  }

  /**
   * A read wants `[page, end)`, and `page` is not cached (page_cache_sync_ra).
   * @param blockStart the first page that can be cached before it; @param most pages of the largest window
   * @returns whether a window was opened, which holds what is wanted; if not, just that is to be read
   */
  miss(cached: Bitmap, page: number, end: number, blockStart: number, most: number): boolean {
    const wanted = end - page
    const goesOn = page === this.previousEnd || page === this.previousEnd + 1
    if (page === blockStart || wanted > most || goesOn) {
      // Devices take more at once than a window, so that a larger read is not cut (ractl_max_pages).
      const size = Math.max(firstWindow(wanted, most), wanted)
      this.#open(page, size, size > wanted ? size - wanted : size >> 1)
      return true
    }
    // Cached pages right before it are what a sequential reader would have left behind.
    const before = page - 1 - previousClearBit(cached, page, Math.max(blockStart, page - most))
    if (before <= wanted) return false
    this.#open(page, Math.min(before + wanted, most), 1)
    return true
  }

  /** A fault on a mapping misses `page`: the window around it (mm/filemap.c, do_sync_mmap_readahead). */
  around(page: number, blockStart: number, most: number): void {
    this.#open(Math.max(blockStart, page - (most >> 1)), most, most >> 2)
  }

  /**
   * A read up to `end` touches the marked page `page` (page_cache_async_ra).
   * @returns whether there is a next window, behind this one or, if the page is of another, behind what is cached there
   */
  touch(cached: Bitmap, page: number, end: number, blockEnd: number, most: number): boolean {
    if (page === this.marker) {
      const size = Math.max(this.size, nextWindow(this.size, most))
      this.#open(this.start + this.size, size, size)
      return this.start < blockEnd
    }
    const start = nextClearBit(cached, page + 1, Math.min(blockEnd, page + 1 + most))
    if (start === blockEnd || start - page > most) return false
    const size = nextWindow(start - page + end - page, most)
    this.#open(start, size, size)
    return true
  }

  #open(start: number, size: number, behindMarker: number): void {
    this.start = start
    this.size = size
    this.#behindMarker = behindMarker
  }
}

/** Linux get_init_ra_size: the first window for a read of `wanted` pages. */
function firstWindow(wanted: number, most: number): number {
  const size = 2 ** Math.ceil(Math.log2(wanted))
  if (size <= most / 32) return size * 4
  return size <= most / 4 ? size * 2 : most
}

/** Linux get_next_ra_size: the window after one of `size` pages. */
function nextWindow(size: number, most: number): number {
  if (size < most / 16) return size * 4
  return size <= most / 2 ? size * 2 : most
}
