/**
 * The kernel's page cache over the snapshot file. A read(2) that misses brings what was asked for, or a readahead window; to
 * touch a window's marker has the next one fetched in the background (readahead.ts). A reader that comes before a window has
 * arrived waits for it.
 *
 * Mapped access (Linux mm/filemap.c, do_sync_mmap_readahead): a miss reads the window around it, until misses outnumber hits
 * by MMAP_LOTSAMISS; from then on single pages.
 *
 * Pages here are target pages by their dense index. Reads never leave a block. Holes and slots of clear bits cost the
 * device nothing.
 */
import { type Bitmap, createBitmap, nextClearBit, nextSetBit, setBits, testBit } from '../core/bitmap.ts'
import type { LayoutBlock } from '../destination/layout.ts'
import { Pending } from '../storage/pending.ts'
import type { StorageModel } from '../storage/storage-model.ts'
import { Readahead } from './readahead.ts'

/** Linux: MMAP_LOTSAMISS, and the ten times that the counter saturates at. */
const LOTS_OF_MISSES = 100
const MOST_MISSES = 1000

/** Target pages [start, end) that are there at `readyNs`. */
class Fetch {
  start = 0
  end = 0
  /** Infinity: not known yet. */
  readyNs = 0
  pending: Pending | null = null
}

/** What the page cache holds of a file, and what is under way into it: of one restore, or of all on a host. */
export class CachedFile {
  /** Null: all of it. */
  readonly cached: Bitmap | null
  /** Pages whose first reader has more fetched (Linux PG_readahead): too few, and too far apart, for a bitmap. */
  readonly markers = new Set<number>()
  /** Fetches in flight, and some that have arrived: the first `flying` entries. The others are taken again. */
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
  readonly #readers: Readahead[] = []
  readonly #file: CachedFile
  readonly #inFlight: Fetch[]
  /** The file as it is mapped, which all threads share. */
  readonly #mapping = new Readahead()
  #mapMisses = 0
  /** What the latest read or fault had the device bring: requests, and their bytes. */
  fetches = 0
  fetchedBytes = 0
  /** Of them in the background, which the kernel allocates in large pieces. */
  aheadBytes = 0
  /** What the latest read or fault waits for, where its end is not known yet, and the storage does not say. */
  awaited: Pending | null = null
  /** CPU that the storage adds to it. */
  fetchedExtraNs = 0

  /** @param windowBytes largest readahead window */
  constructor(device: StorageModel, file: CachedFile, windowBytes: number) {
    this.#device = device
    this.#cached = file.cached
    this.#file = file
    this.#inFlight = file.inFlight
    this.#windowBytes = windowBytes
  }

  /** So many more that may read, each of which has opened the file; returns the first of them. */
  addReaders(count: number): number {
    const first = this.#readers.length
    for (let index = 0; index < count; index++) this.#readers.push(new Readahead())
    return first
  }

  /**
   * read(2) of pages `[first, end)` of `block`, all of which have data.
   * @returns when the bytes can be copied out: `now` for a hit, later when a device read must end first
   */
  read(index: number, block: LayoutBlock, first: number, end: number, now: number): number {
    const cached = this.#cached
    if (cached === null) return now
    this.#reset()
    const reader = this.#readers[index]
    const { markers } = this.#file
    const most = this.#windowPages(block)
    for (let at = first; at < end; ) {
      const miss = nextClearBit(cached, at, end)
      let marked = at
      while (marked < miss && !markers.has(marked)) marked++
      if (marked < miss) {
        markers.delete(marked)
        if (reader.touch(cached, marked, end, blockEnd(block), most)) this.#open(reader, block, now, true)
        at = marked + 1
      } else if (miss < end) {
        if (reader.miss(cached, miss, end, block.firstTargetPage, most)) this.#open(reader, block, now, false)
        else this.#fetch(block, miss, end, now)
        at = miss
      } else at = end
    }
    reader.previousEnd = end
    return this.#arrival(first, end, now)
  }

  /**
   * A fault on a file mapping at `page`.
   * @returns when the page is there: `now` when it is cached, later when it had to be read
   */
  map(block: LayoutBlock, page: number, now: number): number {
    const cached = this.#cached
    if (cached === null) return now
    this.#reset()
    const most = this.#windowPages(block)
    if (testBit(cached, page)) {
      if (this.#mapMisses > 0) this.#mapMisses--
      if (this.#file.markers.delete(page)) {
        if (this.#mapping.touch(cached, page, page + most, blockEnd(block), most))
          this.#open(this.#mapping, block, now, true)
      }
    } else {
      if (this.#mapMisses < MOST_MISSES) this.#mapMisses++
      if (this.#mapMisses > LOTS_OF_MISSES) this.#fetch(block, page, page + 1, now)
      else {
        this.#mapping.around(page, block.firstTargetPage, most)
        this.#open(this.#mapping, block, now, false)
      }
    }
    return this.#arrival(page, page + 1, now)
  }

  /**
   * read(2) of the working-set file, from `offset` on, at `place` on the storage.
   * @returns as `read`
   */
  readWorkingSet(offset: number, bytes: number, place: number, now: number): number {
    if (this.#cached === null) return now
    this.#reset()
    const known = this.#file.workingSet.get(offset)
    if (known !== undefined && known.end >= offset + bytes) {
      this.awaited = known.pending
      return Math.max(now, known.readyNs)
    }
    const fetch = new Fetch()
    fetch.start = offset
    fetch.end = offset + bytes
    this.#file.workingSet.set(offset, fetch)
    this.aheadBytes = bytes
    return this.#submit(fetch, bytes, now, place)
  }

  /** So many pages of the mapping were found in the cache and mapped. */
  countHits(pages: number): void {
    this.#mapMisses = Math.max(0, this.#mapMisses - pages)
  }

  /** Whether a fault on its neighbour maps `page` too: it is cached and has arrived, and no marker (next_uptodate_folio). */
  isMappable(page: number, now: number): boolean {
    const cached = this.#cached
    if (cached === null) return true
    if (!testBit(cached, page) || this.#file.markers.has(page)) return false
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

  #reset(): void {
    this.fetches = 0
    this.fetchedBytes = 0
    this.aheadBytes = 0
    this.fetchedExtraNs = 0
  }

  /** Fetches the reader's new window. */
  #open({ start, size, marker }: Readahead, block: LayoutBlock, now: number, ahead: boolean): void {
    const end = Math.min(blockEnd(block), start + size)
    const isMarked = marker < end && !testBit(this.#cached!, marker)
    const before = this.fetchedBytes
    this.#fetch(block, start, end, now)
    if (isMarked) this.#file.markers.add(marker)
    if (ahead) this.aheadBytes += this.fetchedBytes - before
  }

  /** Reads what of [start, end) is not cached and has data: a request for each run of such pages (mm/readahead.c, read_pages). */
  #fetch(block: LayoutBlock, start: number, end: number, now: number): void {
    const cached = this.#cached!
    const { firstTargetPage } = block
    const { bitmap } = block.block
    for (let page = nextClearBit(cached, start, end); page < end; ) {
      const past = nextSetBit(cached, page, end) - firstTargetPage
      for (let first = nextSetBit(bitmap, page - firstTargetPage, past); first < past; ) {
        const behind = nextClearBit(bitmap, first, past)
        this.#fetchRun(block, first, behind, now)
        first = nextSetBit(bitmap, behind, past)
      }
      page = nextClearBit(cached, firstTargetPage + past, end)
    }
    setBits(cached, start, end - start)
  }

  /** One request for pages [first, end) of the block. */
  #fetchRun({ firstTargetPage, block }: LayoutBlock, first: number, end: number, now: number): void {
    const file = this.#file
    if (file.flying === this.#inFlight.length) this.#inFlight.push(new Fetch())
    const fetch = this.#inFlight[file.flying++]
    fetch.start = firstTargetPage + first
    fetch.end = firstTargetPage + end
    fetch.pending = null
    this.#submit(fetch, (end - first) * block.pageSize, now, block.pagesOffset + first * block.pageSize)
  }

  /** Sends the request; returns when it is done. */
  #submit(fetch: Fetch, bytes: number, now: number, place: number): number {
    const device = this.#device
    const readyNs = device.submit(now, bytes, place)
    fetch.readyNs = readyNs
    this.fetches++
    this.fetchedBytes += bytes
    this.fetchedExtraNs += device.extraCpuNs
    if (readyNs === Number.POSITIVE_INFINITY) awaitEnd(fetch, device.pending!)
    return readyNs
  }

  /** When the last fetch in flight that overlaps [first, end) arrives; `now` when none is. Infinity: see `awaited`. */
  #arrival(first: number, end: number, now: number): number {
    let arrival = now
    const file = this.#file
    const inFlight = this.#inFlight
    for (let i = file.flying - 1; i >= 0; i--) {
      const fetch = inFlight[i]
      if (fetch.readyNs <= now) {
        inFlight[i] = inFlight[--file.flying]
        inFlight[file.flying] = fetch
      } else if (fetch.readyNs > arrival && fetch.start < end && first < fetch.end) arrival = fetch.readyNs
    }
    return arrival === Number.POSITIVE_INFINITY ? this.#await(first, end, now) : arrival
  }

  /** Some fetches that overlap [first, end) are not known to arrive. */
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
