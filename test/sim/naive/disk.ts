/** A device's queue and the page cache, of docs/storage.md and docs/model.md: a set of cached pages and a list of fetches. */
import { createRandom, nextUint32 } from '../../../src/core/random.ts'
import type { DeviceParameters } from '../../../src/storage/device.ts'
import { latencyTable } from '../../../src/storage/device-queue.ts'
import type { NaiveBlock } from './memory.ts'
import type { NaiveStorage } from './storage.ts'

export class NaiveDevice {
  bytesDelivered = 0
  #gateFree = 0
  #pollNs = 0
  /** When each request was done. */
  readonly #done: number[] = []
  /** When each slot of the queue is free. */
  readonly #slots: number[]
  readonly #parameters: DeviceParameters
  readonly #latencies: Float64Array
  readonly #random: Uint32Array

  constructor(parameters: DeviceParameters, seed: number) {
    this.#parameters = parameters
    this.#slots = new Array(parameters.queueDepth).fill(0)
    this.#latencies = latencyTable(parameters)
    this.#random = createRandom(seed)
  }

  /** When another request would not have to wait. */
  get freeNs(): number {
    return Math.max(this.#gateFree, Math.min(...this.#slots))
  }

  submit(now: number, bytes: number): number {
    const { iopsLimit, bandwidthBytesPerS } = this.#parameters
    const earliest = Math.min(...this.#slots)
    const admitted = Math.max(now, earliest, this.#gateFree)
    const nsPerByte = 1e9 / bandwidthBytesPerS
    const nsPerRead = Math.max(0, 1e9 / iopsLimit - 4096 * nsPerByte)
    const gate = admitted + Math.round(nsPerRead + bytes * nsPerByte)
    let done = gate + this.#latencies[nextUint32(this.#random) >>> 20]
    const lastNs = Math.max(...this.#done, Number.NEGATIVE_INFINITY)
    if (lastNs < now) done += this.#wakeNs(done - lastNs)
    this.#gateFree = gate
    this.#done.push(done)
    this.#slots[this.#slots.indexOf(earliest)] = done
    this.bytesDelivered += bytes
    return done
  }

  /** What a CPU that has halted for so long takes more: its hypervisor polls for a time that doubles and halves. */
  #wakeNs(haltNs: number): number {
    const { haltPollNs, idleWakeNs } = this.#parameters
    if (haltPollNs === 0 || idleWakeNs === 0 || haltNs <= this.#pollNs) return 0
    if (haltNs + idleWakeNs <= haltPollNs) this.#pollNs = Math.min(haltPollNs, Math.max(10_000, this.#pollNs * 2))
    else this.#pollNs = this.#pollNs < 20_000 ? 0 : this.#pollNs / 2
    return idleWakeNs
  }
}

/** What the device was asked for: past the page cache, into it, into it in the background. */
export interface Request {
  readonly bytes: number
  readonly way: 'direct' | 'alone' | 'ahead'
  /** CPU that the storage takes for it. */
  readonly extraCpuNs: number
}

/** What the kernel remembers of an open file. Pages are target pages, dense. */
interface OpenFile {
  lastReadEnd: number | null
  /** `marker` need not be in the window: nothing is behind it then. */
  window: { start: number; size: number; marker: number } | null
}

export class NaivePageCache {
  readonly #device: NaiveStorage
  readonly #warm: boolean
  readonly #readaheadBytes: number
  readonly #note: (rule: string) => void
  readonly #cached = new Set<number>()
  readonly #markers = new Set<number>()
  readonly #fetches: { start: number; end: number; done: number }[] = []
  readonly #readers = new Map<number, OpenFile>()
  readonly #mapping: OpenFile = { lastReadEnd: null, window: null }
  #mapMisses = 0
  /** What the latest read or fault had the device bring, and for which of the fills of the profile. */
  requests: Request[] = []

  constructor(device: NaiveStorage, warm: boolean, readaheadPages: number, note: (rule: string) => void) {
    this.#device = device
    this.#warm = warm
    this.#readaheadBytes = readaheadPages * 4096
    this.#note = note
  }

  /** read(2) of the pages [p, p + w), one page after the other as the kernel walks them; returns when they are there. */
  read(actor: number, block: NaiveBlock, p: number, w: number, now: number): number {
    this.requests = []
    if (this.#warm) return now
    const file = this.#readers.get(actor) ?? { lastReadEnd: null, window: null }
    this.#readers.set(actor, file)
    for (const page of range(p, p + w)) {
      if (!this.#cached.has(page)) this.#miss(file, block, page, p + w - page, now)
      if (this.#markers.delete(page)) this.#readAhead(file, block, page, p + w - page, now)
    }
    file.lastReadEnd = p + w
    return this.#arrival(p, p + w, now)
  }

  #miss(file: OpenFile, block: NaiveBlock, p: number, w: number, now: number): void {
    const most = this.#most(block)
    let before = 0
    while (before < most && p - before > block.firstTargetPage && this.#cached.has(p - before - 1)) before++
    const { lastReadEnd } = file
    const continues = lastReadEnd !== null && (p === lastReadEnd || p === lastReadEnd + 1)
    if (p === block.firstTargetPage || w > most || continues) {
      this.#note('read: opens a window')
      const size = Math.max(firstSize(w, most), w)
      file.window = { start: p, size, marker: p + (size > w ? w : size - Math.floor(size / 2)) }
      this.#fetchWindow(file.window, block, 'alone', now)
    } else if (before > w) {
      this.#note('read: goes on where somebody read')
      const size = Math.min(before + w, most)
      file.window = { start: p, size, marker: p + size - 1 }
      this.#fetchWindow(file.window, block, 'alone', now)
    } else {
      this.#note('read: just what was asked for')
      this.#fetch(block, p, p + w, 'alone', now)
    }
  }

  /** The marker of `page` was touched by who wants `w` pages from there on. */
  #readAhead(file: OpenFile, block: NaiveBlock, page: number, w: number, now: number): void {
    const most = this.#most(block)
    const end = blockEnd(block)
    let start: number
    let size: number
    if (page === file.window?.marker) {
      this.#note('read: touches the marker')
      start = file.window.start + file.window.size
      size = Math.max(file.window.size, nextSize(file.window.size, most))
    } else {
      this.#note("read: touches another's marker")
      start = page + 1
      while (start < end && this.#cached.has(start)) start++
      if (start === end || start - page > most) return
      size = nextSize(start - page + w, most)
    }
    file.window = { start, size, marker: start }
    this.#fetchWindow(file.window, block, 'ahead', now)
  }

  /** A fault on a mapping; returns when the page is there. */
  map(block: NaiveBlock, page: number, now: number): number {
    this.requests = []
    if (this.#warm) return now
    const most = this.#most(block)
    if (this.#cached.has(page)) {
      this.#mapMisses = Math.max(0, this.#mapMisses - 1)
      if (this.#markers.delete(page)) {
        this.#note('map: touches a marker')
        this.#readAhead(this.#mapping, block, page, most, now)
      }
    } else {
      this.#mapMisses = Math.min(1000, this.#mapMisses + 1)
      if (this.#mapMisses > 100) {
        this.#note('map: too many misses')
        this.#fetch(block, page, page + 1, 'alone', now)
      } else {
        const start = Math.max(block.firstTargetPage, page - Math.floor(most / 2))
        this.#mapping.window = { start, size: most, marker: start + most - Math.floor(most / 4) }
        this.#fetchWindow(this.#mapping.window, block, 'alone', now)
      }
    }
    return this.#arrival(page, page + 1, now)
  }

  /** Pages that a read fault found in the cache, and mapped. */
  mappedAround(pages: number): void {
    this.#mapMisses = Math.max(0, this.#mapMisses - pages)
  }

  /** A fault on its neighbour maps the page. */
  isMappable(page: number, now: number): boolean {
    if (this.#warm) return true
    return this.#cached.has(page) && !this.#markers.has(page) && this.#arrival(page, page + 1, now) === now
  }

  /** The largest window, in the block's pages. */
  #most(block: NaiveBlock): number {
    return Math.max(1, Math.floor(this.#readaheadBytes / block.pageSize))
  }

  #fetchWindow(
    { start, size, marker }: { start: number; size: number; marker: number },
    block: NaiveBlock,
    way: 'alone' | 'ahead',
    now: number,
  ): void {
    const end = Math.min(start + size, blockEnd(block))
    if (marker < end && !this.#cached.has(marker)) this.#markers.add(marker)
    this.#fetch(block, start, end, way, now)
  }

  #fetch(block: NaiveBlock, start: number, end: number, way: 'alone' | 'ahead', now: number): void {
    const pages = range(start, Math.max(start, end))
    const isWanted = (page: number) => !this.#cached.has(page) && block.hasData[page - block.firstTargetPage]
    const wanted = new Set(pages.filter(isWanted))
    for (const page of pages) this.#cached.add(page)
    const firsts = [...wanted].filter(page => !wanted.has(page - 1))
    if (firsts.length > 1) this.#note('read: a request for each run of pages')
    for (const first of firsts) {
      let past = first + 1
      while (wanted.has(past)) past++
      const place = block.pagesOffset + (first - block.firstTargetPage) * block.pageSize
      const bytes = (past - first) * block.pageSize
      this.#fetches.push({ start: first, end: past, done: this.#device.submit(now, bytes, place) })
      this.requests.push({ bytes, way, extraCpuNs: this.#device.extraCpuNs })
    }
  }

  /** When all fetches are done that overlap [start, end). */
  #arrival(start: number, end: number, now: number): number {
    const overlapping = this.#fetches.filter(fetch => fetch.start < end && start < fetch.end)
    return Math.max(now, ...overlapping.map(({ done }) => done))
  }
}

function blockEnd({ firstTargetPage, hasData }: NaiveBlock): number {
  return firstTargetPage + hasData.length
}

function range(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, i) => start + i)
}

/** first(w) */
function firstSize(w: number, most: number): number {
  let s = 1
  while (s < w) s *= 2
  if (s <= most / 32) return 4 * s
  if (s <= most / 4) return 2 * s
  return most
}

/** next(s) */
function nextSize(s: number, most: number): number {
  if (s < most / 16) return 4 * s
  if (s <= most / 2) return 2 * s
  return most
}
