/**
 * The kernel's page cache over the snapshot file, with its two ways of reading ahead.
 *
 * read(2), per reader (Linux mm/readahead.c): a random miss reads what was asked for; a miss that continues where the reader
 * stopped opens a window that grows with each step up to the readahead limit, and touching the window's marker starts the
 * next one in the background. A reader that comes before a window has arrived waits for it.
 *
 * Mapped access (Linux mm/filemap.c, do_sync_mmap_readahead): a miss reads the window around it, until misses outnumber hits
 * by MMAP_LOTSAMISS; from then on single pages.
 *
 * Pages here are target pages by their dense index. Reads never leave a block. Holes and slots of clear bits cost the
 * device nothing.
 */
import { type Bitmap, countBits, createBitmap, nextClearBit, nextSetBit, setBits, testBit } from '../core/bitmap.ts'
import type { LayoutBlock } from '../destination/layout.ts'
import { Pending } from '../storage/pending.ts'
import type { StorageModel } from '../storage/storage-model.ts'

/** Linux: MMAP_LOTSAMISS, and the ten times that the counter saturates at. */
const LOTS_OF_MISSES = 100
const MOST_MISSES = 1000

/** What the kernel remembers of one open file, in target pages. */
class Reader {
  /** Where the last read ended. */
  previousEnd = -1
  /** The last window and its marker. */
  windowStart = 0
  windowEnd = -1
  marker = -1
  /** Two windows in flight, by turns. */
  readonly inFlight: readonly Fetch[] = [new Fetch(), new Fetch()]
  turn = 0
}

/** Target pages [start, end) that are there at `readyNs`. */
class Fetch {
  start = 0
  end = 0
  /** Infinity: not known yet. */
  readyNs = 0
  pending: Pending | null = null
  /** It is among the fetches in flight. */
  listed = false
}

/** What the page cache holds of a file, and what is under way into it: of one restore, or of all on a host. */
export class CachedFile {
  /** Null: all of it. */
  readonly cached: Bitmap | null
  /** Fetches in flight, and some that have arrived: the first `flying` entries. The list never shrinks: that would cost more. */
  readonly inFlight: Fetch[] = []
  flying = 0
  /** Reads of the working-set file by their first byte; who reads it again does so in the same pieces. */
  readonly workingSet = new Map<number, Fetch>()

  constructor(pageCount: number, warm: boolean) {
    this.cached = warm ? null : createBitmap(pageCount)
  }
}

export class PageCache {
  readonly #device: StorageModel
  /** Null: the whole file is cached. */
  readonly #cached: Bitmap | null
  readonly #windowBytes: number
  readonly #readers: Reader[] = []
  readonly #file: CachedFile
  readonly #inFlight: Fetch[]
  #mapMisses = 0
  /** What the latest read or fault had the device bring; 0: nothing. */
  fetchedBytes = 0
  /** It came in a readahead window, which the kernel allocates in large pieces. */
  fetchedAhead = false
  /** What the latest read or fault waits for, where its end is not known yet, and the storage does not say. */
  awaited: Pending | null = null
  /** CPU that the storage adds to it. */
  fetchedExtraNs = 0
  /** The first page that the latest fetch is for. */
  #firstWanted = 0

  /** @param windowBytes largest readahead window; @param readers actors that may read, before others are added */
  constructor(device: StorageModel, file: CachedFile, windowBytes: number, readers: number) {
    this.#device = device
    this.#cached = file.cached
    this.#file = file
    this.#inFlight = file.inFlight
    this.#windowBytes = windowBytes
    this.addReaders(readers)
  }

  /** So many more that may read, each with the file open for itself; returns the first of them. */
  addReaders(count: number): number {
    const first = this.#readers.length
    for (let index = 0; index < count; index++) this.#readers.push(new Reader())
    return first
  }

  /**
   * read(2) of pages `[first, end)` of `block`, all of which have data.
   * @returns when the bytes can be copied out: `now` for a hit, later when a device read must end first
   */
  read(index: number, block: LayoutBlock, first: number, end: number, now: number): number {
    const cached = this.#cached
    if (cached === null) return now
    this.fetchedBytes = 0
    this.fetchedAhead = false
    const wanted = end - first
    const missing = wanted === 1 ? !testBit(cached, first) : nextClearBit(cached, first, end) < end
    const reader = this.#readers[index]
    if (missing) {
      let arrivalNs: number
      if (first === reader.windowEnd) {
        const size = nextWindow(reader.windowEnd - reader.windowStart, this.#windowPages(block))
        arrivalNs = this.#open(reader, block, first, Math.max(size, wanted), end, now)
      } else if (first === reader.previousEnd || first === block.firstTargetPage || this.#fillsWindow(block, wanted)) {
        const size = firstWindow(wanted, this.#windowPages(block))
        arrivalNs = this.#open(reader, block, first, Math.max(size, wanted), end, now)
      } else arrivalNs = this.#fetch(reader, block, first, end, now)
      if (wanted === 1) {
        reader.previousEnd = end
        return arrivalNs
      }
    } else if (first <= reader.marker && reader.marker < end && reader.windowEnd < blockEnd(block)) {
      const start = reader.windowEnd
      const size = nextWindow(start - reader.windowStart, this.#windowPages(block))
      this.#open(reader, block, start, size, start, now)
    }
    reader.previousEnd = end
    return this.#arrival(first, end, now)
  }

  /**
   * A fault on a file mapping at `page`.
   * @returns when the page is there: `now` when it is cached, later when it had to be read
   */
  map(index: number, block: LayoutBlock, page: number, now: number): number {
    const cached = this.#cached
    if (cached === null) return now
    this.fetchedBytes = 0
    this.fetchedAhead = false
    if (nextClearBit(cached, page, page + 1) > page) {
      if (this.#mapMisses > 0) this.#mapMisses--
      return this.#arrival(page, page + 1, now)
    }
    const reader = this.#readers[index]
    if (this.#mapMisses < MOST_MISSES) this.#mapMisses++
    if (this.#mapMisses > LOTS_OF_MISSES) this.#fetch(reader, block, page, page + 1, now)
    else {
      const window = this.#windowPages(block)
      const start = Math.max(block.firstTargetPage, page - Math.floor(window / 2))
      this.#fetch(reader, block, start, Math.min(start + window, blockEnd(block)), now)
    }
    return this.#arrival(page, page + 1, now)
  }

  /**
   * read(2) of the working-set file, from `offset` on, at `place` on the storage.
   * @returns as `read`
   */
  readWorkingSet(offset: number, bytes: number, place: number, now: number): number {
    this.fetchedBytes = 0
    if (this.#cached === null) return now
    const known = this.#file.workingSet.get(offset)
    if (known !== undefined && known.end >= offset + bytes) {
      this.awaited = known.pending
      return Math.max(now, known.readyNs)
    }
    const fetch = new Fetch()
    fetch.start = offset
    fetch.end = offset + bytes
    this.#file.workingSet.set(offset, fetch)
    this.fetchedBytes = bytes
    this.fetchedAhead = true
    return this.#submit(fetch, now, place)
  }

  /** So many pages of the mapping were found in the cache and mapped. */
  countHits(pages: number): void {
    this.#mapMisses = Math.max(0, this.#mapMisses - pages)
  }

  /** Whether `page` is cached and has arrived. */
  isReady(page: number, now: number): boolean {
    const cached = this.#cached
    if (cached === null) return true
    if (nextSetBit(cached, page, page + 1) !== page) return false
    for (let i = 0; i < this.#file.flying; i++) {
      const { readyNs, start, end } = this.#inFlight[i]
      if (readyNs > now && start <= page && page < end) return false
    }
    return true
  }

  /** Most pages in a window. */
  #windowPages({ block }: LayoutBlock): number {
    return Math.max(1, Math.floor(this.#windowBytes / block.pageSize))
  }

  #fillsWindow(block: LayoutBlock, wanted: number): boolean {
    return wanted > 1 && wanted > this.#windowPages(block)
  }

  /**
   * Opens the readahead window of `size` pages, less what is beyond the block, with its marker, and fetches it; returns as
   * #fetch.
   */
  #open(reader: Reader, block: LayoutBlock, start: number, size: number, marker: number, now: number): number {
    const end = Math.min(blockEnd(block), start + size)
    reader.windowStart = start
    reader.windowEnd = end
    reader.marker = marker < end ? marker : -1
    this.fetchedAhead = true
    return this.#fetch(reader, block, start, end, now)
  }

  /** Reads what of [start, end) is not cached and has data, with one request; returns when that arrives. */
  #fetch(reader: Reader, block: LayoutBlock, start: number, end: number, now: number): number {
    const cached = this.#cached!
    const pages = this.#countWanted(block, start, end)
    setBits(cached, start, end - start)
    if (pages === 0) return now
    const fetch = reader.inFlight[reader.turn]
    reader.turn ^= 1
    fetch.start = start
    fetch.end = end
    this.fetchedBytes = pages * block.block.pageSize
    fetch.pending = null
    if (!fetch.listed) {
      this.#inFlight[this.#file.flying++] = fetch
      fetch.listed = true
    }
    const { pagesOffset, pageSize } = block.block
    return this.#submit(fetch, now, pagesOffset + (this.#firstWanted - block.firstTargetPage) * pageSize)
  }

  /** Sends the request for `fetchedBytes`; returns when it is done. */
  #submit(fetch: Fetch, now: number, place: number): number {
    const device = this.#device
    const readyNs = device.submit(now, this.fetchedBytes, place)
    fetch.readyNs = readyNs
    this.fetchedExtraNs = device.extraCpuNs
    if (readyNs === Number.POSITIVE_INFINITY) awaitEnd(fetch, device.pending!)
    return readyNs
  }

  /** Pages of [start, end) that are not cached and have data; the first of them is noted. */
  #countWanted({ block, firstTargetPage }: LayoutBlock, start: number, end: number): number {
    const cached = this.#cached!
    const { bitmap } = block
    this.#firstWanted = start
    if (end - start === 1) return testBit(bitmap, start - firstTargetPage) && !testBit(cached, start) ? 1 : 0
    let pages = 0
    for (let page = nextClearBit(cached, start, end); page < end; ) {
      const past = nextSetBit(cached, page, end)
      if (pages === 0) {
        this.#firstWanted = firstTargetPage + nextSetBit(bitmap, page - firstTargetPage, past - firstTargetPage)
      }
      pages += countBits(bitmap, page - firstTargetPage, past - page)
      page = nextClearBit(cached, past, end)
    }
    return pages
  }

  /** When the last window in flight that overlaps [first, end) arrives; `now` when none is. Infinity: see `awaited`. */
  #arrival(first: number, end: number, now: number): number {
    let arrival = now
    const file = this.#file
    const inFlight = this.#inFlight
    for (let i = file.flying - 1; i >= 0; i--) {
      const fetch = inFlight[i]
      if (fetch.readyNs <= now) {
        fetch.listed = false
        inFlight[i] = inFlight[--file.flying]
      } else if (fetch.readyNs > arrival && fetch.start < end && first < fetch.end) arrival = fetch.readyNs
    }
    return arrival === Number.POSITIVE_INFINITY ? this.#await(first, end, now) : arrival
  }

  /** Some windows that overlap [first, end) are not known to arrive. */
  #await(first: number, end: number, now: number): number {
    const { flying } = this.#file
    if (flying === 1) {
      this.awaited = this.#inFlight[0].pending
      return Number.POSITIVE_INFINITY
    }
    const overlapping = this.#inFlight.slice(0, flying).filter(fetch => fetch.start < end && first < fetch.end)
    const unknown = overlapping.flatMap(({ pending }) => (pending === null ? [] : [pending]))
    const known = Math.max(now, ...overlapping.filter(({ pending }) => pending === null).map(({ readyNs }) => readyNs))
    this.awaited = unknown.length === 1 && known === now ? unknown[0] : Pending.ofAll(unknown, known)
    return Number.POSITIVE_INFINITY
  }
}

/** The fetch's arrival becomes known, unless its reader has begun another in its place. */
function awaitEnd(fetch: Fetch, pending: Pending): void {
  fetch.pending = pending
  pending.whenKnown(readyNs => {
    if (fetch.pending !== pending) return
    fetch.pending = null
    fetch.readyNs = readyNs
  })
}

function blockEnd({ firstTargetPage, block }: LayoutBlock): number {
  return firstTargetPage + block.pageCount
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
