/** A device's queue and the page cache, of docs/storage.md and docs/model.md: a set of cached pages and a list of fetches. */
import { createRandom, nextUint32 } from '../../../src/core/random.ts'
import type { DeviceParameters } from '../../../src/storage/device.ts'
import { latencyTable } from '../../../src/storage/device-queue.ts'
import type { NaiveBlock } from './memory.ts'
import type { NaiveStorage } from './storage.ts'

export class NaiveDevice {
  bytesDelivered = 0
  #gateFree = 0
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
    const done = gate + this.#latencies[nextUint32(this.#random) >>> 20]
    this.#gateFree = gate
    this.#slots[this.#slots.indexOf(earliest)] = done
    this.bytesDelivered += bytes
    return done
  }
}

/** What a reader of the file is remembered for. Pages are target pages, dense. */
interface Reader {
  lastReadEnd: number | null
  window: { start: number; end: number } | null
  marker: number | null
  /** The latest two. */
  fetches: { start: number; end: number; done: number }[]
}

export class NaivePageCache {
  readonly #device: NaiveStorage
  readonly #warm: boolean
  readonly #readaheadBytes: number
  readonly #note: (rule: string) => void
  readonly #cached = new Set<number>()
  readonly #readers = new Map<number, Reader>()
  #mapMisses = 0
  /** How the latest fetch of a read came about. */
  latestFetch: 'alone' | 'ahead' = 'alone'

  constructor(device: NaiveStorage, warm: boolean, readaheadPages: number, note: (rule: string) => void) {
    this.#device = device
    this.#warm = warm
    this.#readaheadBytes = readaheadPages * 4096
    this.#note = note
  }

  /** read(2) of the pages [p, p + w); returns when they are there. */
  read(actor: number, block: NaiveBlock, p: number, w: number, now: number): number {
    if (this.#warm) return now
    const reader = this.#reader(actor)
    const most = this.#most(block)
    const blockEnd = block.firstTargetPage + block.hasData.length
    const { window, marker } = reader
    if (!range(p, p + w).every(page => this.#cached.has(page))) {
      if (p === window?.end) {
        this.#note('read: continues the window')
        this.#open(reader, block, p, Math.max(nextSize(window.end - window.start, most), w), p + w, now)
      } else if (p === reader.lastReadEnd || p === block.firstTargetPage || w > most) {
        this.#note('read: opens a window')
        this.#open(reader, block, p, Math.max(firstSize(w, most), w), p + w, now)
      } else {
        this.#note('read: just what was asked for')
        this.latestFetch = 'alone'
        this.#fetch(reader, block, p, p + w, now)
      }
    } else if (window !== null && marker !== null && p <= marker && marker < p + w && window.end < blockEnd) {
      this.#note('read: touches the marker')
      this.#open(reader, block, window.end, nextSize(window.end - window.start, most), window.end, now)
    }
    reader.lastReadEnd = p + w
    return this.#arrival(p, p + w, now)
  }

  /** A fault on a mapping; returns when the page is there. */
  map(actor: number, block: NaiveBlock, page: number, now: number): number {
    if (this.#warm) return now
    if (this.#cached.has(page)) this.#mapMisses = Math.max(0, this.#mapMisses - 1)
    else {
      this.#mapMisses = Math.min(1000, this.#mapMisses + 1)
      const reader = this.#reader(actor)
      if (this.#mapMisses > 100) {
        this.#note('map: too many misses')
        this.#fetch(reader, block, page, page + 1, now)
      } else {
        const most = this.#most(block)
        const start = Math.max(block.firstTargetPage, page - Math.floor(most / 2))
        this.#fetch(reader, block, start, Math.min(start + most, block.firstTargetPage + block.hasData.length), now)
      }
    }
    return this.#arrival(page, page + 1, now)
  }

  /** Pages that a read fault found in the cache, and mapped. */
  mappedAround(pages: number): void {
    this.#mapMisses = Math.max(0, this.#mapMisses - pages)
  }

  /** The page is cached and there. */
  has(page: number, now: number): boolean {
    return this.#warm || (this.#cached.has(page) && this.#arrival(page, page + 1, now) === now)
  }

  #reader(actor: number): Reader {
    let reader = this.#readers.get(actor)
    if (reader === undefined) {
      reader = { lastReadEnd: null, window: null, marker: null, fetches: [] }
      this.#readers.set(actor, reader)
    }
    return reader
  }

  /** The largest window, in the block's pages. */
  #most(block: NaiveBlock): number {
    return Math.max(1, Math.floor(this.#readaheadBytes / block.pageSize))
  }

  #open(reader: Reader, block: NaiveBlock, start: number, size: number, marker: number, now: number): void {
    const end = Math.min(start + size, block.firstTargetPage + block.hasData.length)
    reader.window = { start, end }
    reader.marker = marker < end ? marker : null
    this.latestFetch = 'ahead'
    this.#fetch(reader, block, start, end, now)
  }

  #fetch(reader: Reader, block: NaiveBlock, start: number, end: number, now: number): void {
    const pages = range(start, end)
    const wanted = pages.filter(page => !this.#cached.has(page) && block.hasData[page - block.firstTargetPage])
    for (const page of pages) this.#cached.add(page)
    if (wanted.length === 0) return
    const place = block.pagesOffset + (wanted[0] - block.firstTargetPage) * block.pageSize
    const fetch = { start, end, done: this.#device.submit(now, wanted.length * block.pageSize, place) }
    const [oldest] = reader.fetches
    if (reader.fetches.length === 2 && oldest.done > now) this.#note('read: a fetch is forgotten before it is done')
    reader.fetches = [...reader.fetches, fetch].slice(-2)
  }

  /** When all fetches are done whose windows overlap [start, end). */
  #arrival(start: number, end: number, now: number): number {
    let arrival = now
    for (const { fetches } of this.#readers.values()) {
      for (const fetch of fetches) {
        if (fetch.start < end && start < fetch.end) arrival = Math.max(arrival, fetch.done)
      }
    }
    return arrival
  }
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
