/**
 * Chooses the pages of a working set: runs of neighbouring pages at random places, so many on pages that have data and so
 * many on zero pages.
 *
 * The choice is made in *rank space*, where the pages of one sort are numbered 0, 1, 2 … in address order. There, run
 * lengths are geometric, each run lands at a uniform place in the free pages, and one free page at least keeps two runs
 * apart while there are enough. Ranks are turned into pages in one pass over the bitmap; a run that passes the edge of an
 * extent of its sort is cut there. So the number of pages and the data share are exact for every size up to all memory,
 * without rejection, and run lengths are as asked wherever the memory's own extents are long enough.
 */
import { countBits, nextClearBit, nextSetBit } from '../core/bitmap.ts'
import type { WorkloadMemory } from './memory.ts'
import { below, type RandomStream, unit } from './random-stream.ts'

/** Runs of pages: `[first[i], first[i] + count[i])`, none overlapping another. */
export interface PageRuns {
  readonly first: Uint32Array
  readonly count: Uint32Array
}

export interface PageRunsRequest {
  /** Number of pages to choose, at most the memory's. */
  readonly pages: number
  /** Mean pages in a run, at least 1. */
  readonly meanRunPages: number
  /** Share of the pages that have data; the other sort fills in where one has too few. */
  readonly dataShare: number
  /** As many runs as make the mean exact, instead of lengths that have it on average. */
  readonly exactMean?: boolean
}

/** Runs in address order, over as many pages as requested. */
export function choosePageRuns(memory: WorkloadMemory, request: PageRunsRequest, stream: RandomStream): PageRuns {
  const { pages, meanRunPages, dataShare, exactMean = false } = request
  const { pageCount, present } = memory
  const draw = exactMean ? drawExactLengths : drawLengths
  const runs = new RunList(pages)
  if (present === null) {
    const placed = placeRuns(pageCount, draw(pages, meanRunPages, stream), stream)
    for (let i = 0; i < placed.first.length; i++) runs.add(placed.first[i], placed.count[i])
    return runs.done()
  }
  const dataPages = countBits(present, 0, pageCount)
  const zeroPages = pageCount - dataPages
  const fromData = Math.min(Math.max(Math.round(pages * dataShare), pages - zeroPages), dataPages)
  const data = placeRuns(dataPages, draw(fromData, meanRunPages, stream), stream)
  const zero = placeRuns(zeroPages, draw(pages - fromData, meanRunPages, stream), stream)
  const dataCursor = { run: 0, done: 0, rank: 0 }
  const zeroCursor = { run: 0, done: 0, rank: 0 }
  for (let page = 0; page < pageCount; ) {
    const dataStart = nextSetBit(present, page, pageCount)
    addRunsInExtent(runs, zero, zeroCursor, page, dataStart - page)
    page = nextClearBit(present, dataStart, pageCount)
    addRunsInExtent(runs, data, dataCursor, dataStart, page - dataStart)
  }
  return runs.done()
}

/** Runs of these lengths at random places of `available` ranks, in order. */
function placeRuns(available: number, lengths: Uint32Array, stream: RandomStream): PageRuns {
  const runs = lengths.length
  const free = available - lengths.reduce((sum, length) => sum + length, 0)
  const apart = free >= runs - 1 ? 1 : 0
  const slack = free - apart * Math.max(0, runs - 1)
  const first = new Uint32Array(runs)
  for (let i = 0; i < runs; i++) first[i] = below(stream, slack + 1)
  first.sort()
  let before = 0
  for (let i = 0; i < runs; i++) {
    first[i] += before
    before += lengths[i] + apart
  }
  return { first, count: lengths }
}

/** Geometric lengths, at least 1, that add up to `total`; the last is cut to fit. */
function drawLengths(total: number, mean: number, stream: RandomStream): Uint32Array {
  const lengths = new Uint32Array(total)
  const logStay = Math.log(1 - 1 / mean)
  let runs = 0
  for (let sum = 0; sum < total; runs++) {
    const length = 1 + Math.floor(Math.log(1 - unit(stream)) / logStay)
    lengths[runs] = Math.min(length, total - sum)
    sum += lengths[runs]
  }
  return lengths.subarray(0, runs)
}

/**
 * The same distribution, given that there are `total / mean` runs: the total is cut at so many of its places less one, all
 * choices alike. A place is drawn by selection sampling (Knuth, TAOCP vol. 2, algorithm S).
 */
function drawExactLengths(total: number, mean: number, stream: RandomStream): Uint32Array {
  if (total === 0) return new Uint32Array(0)
  const lengths = new Uint32Array(Math.max(1, Math.round(total / mean)))
  let cuts = lengths.length - 1
  let run = 0
  for (let place = 1; place < total; place++) {
    lengths[run]++
    if (below(stream, total - place) >= cuts) continue
    cuts--
    run++
  }
  lengths[run]++
  return lengths
}

/** How far a pass over the bitmap has come: run `run` of which `done` ranks are placed, and `rank` ranks passed over. */
interface Cursor {
  run: number
  done: number
  rank: number
}

/** Adds what lies in the extent of `count` pages at `first`, whose ranks go on where the cursor stands. */
function addRunsInExtent(runs: RunList, placed: PageRuns, cursor: Cursor, first: number, count: number): void {
  const endRank = cursor.rank + count
  while (cursor.run < placed.first.length) {
    const startRank = placed.first[cursor.run] + cursor.done
    if (startRank >= endRank) break
    const left = placed.count[cursor.run] - cursor.done
    const here = Math.min(left, endRank - startRank)
    runs.add(first + startRank - cursor.rank, here)
    cursor.done = here === left ? 0 : cursor.done + here
    if (here < left) break
    cursor.run++
  }
  cursor.rank = endRank
}

/** Collects runs: at most one a page. */
class RunList {
  readonly #first: Uint32Array
  readonly #count: Uint32Array
  #length = 0

  constructor(capacity: number) {
    this.#first = new Uint32Array(capacity)
    this.#count = new Uint32Array(capacity)
  }

  add(first: number, count: number): void {
    this.#first[this.#length] = first
    this.#count[this.#length] = count
    this.#length++
  }

  done(): PageRuns {
    return { first: this.#first.subarray(0, this.#length), count: this.#count.subarray(0, this.#length) }
  }
}
