/**
 * How alike several runs are: page by page (`comparePages`), in the order of first use, and what all or any of them have. What a
 * recording would be worth that is cut after so many of its pages is a curve.
 */
import { type Bitmap, createBitmap, popcount32, setBit, testBit } from '../core/bitmap.ts'
import { firstUseOrder } from '../workload/first-use.ts'
import type { Workload } from '../workload/workload.ts'
import { comparePages, type PageSetDifference, pagesOfRecording } from './diff.ts'

const CURVE_POINTS = 200

export interface NamedTrace {
  readonly name: string
  readonly trace: Workload
}

/** The first `listed` pages of A: the share of B's pages that they are, and of themselves that B uses. */
export interface PrefixPoint {
  readonly listed: number
  readonly recall: number
  readonly precision: number
}

export interface RunDifference extends PageSetDifference {
  readonly a: string
  readonly b: string
  /** Rank correlation (Spearman) of the order of first use over pages of both; null for fewer than two. */
  readonly orderCorrelation: number | null
  readonly prefixes: readonly PrefixPoint[]
}

export interface TraceDiff {
  /** A, the first trace, against each other one. */
  readonly runs: readonly RunDifference[]
  /** Pages that all of the traces have, and that any has. */
  readonly inAll: number
  readonly inAny: number
}

/** @throws LazyRestoreError `mismatch` when traces are not of one memory */
export function diffTraces([first, ...others]: readonly NamedTrace[]): TraceDiff {
  const list = pagesOfRecording(first.trace, first.name)
  const order = orderOf(first.trace)
  const all = list.bitmap.slice()
  const any = list.bitmap.slice()
  const runs = others.map(({ name, trace }): RunDifference => {
    const run = pagesOfRecording(trace, name)
    const difference = comparePages(list, run)
    for (let word = 0; word < all.length; word++) {
      all[word] &= run.bitmap[word]
      any[word] |= run.bitmap[word]
    }
    return {
      a: first.name,
      b: name,
      ...difference,
      orderCorrelation: orderCorrelation(order, orderOf(trace), list.pageCount),
      prefixes: prefixes(order, run.bitmap, difference.used),
    }
  })
  return { runs, inAll: countAll(all), inAny: countAll(any) }
}

function orderOf(trace: Workload): Uint32Array {
  return firstUseOrder(trace, trace.page, trace.pageCount)
}

function countAll(bitmap: Bitmap): number {
  let sum = 0
  for (const word of bitmap) sum += popcount32(word)
  return sum
}

/** Over pages of both, by their places in the two orders. */
function orderCorrelation(a: Uint32Array, b: Uint32Array, pageCount: number): number | null {
  const inB = createBitmap(pageCount)
  for (const page of b) setBit(inB, page)
  const common = a.filter(page => testBit(inB, page))
  if (common.length < 2) return null
  const rankInA = new Map<number, number>()
  for (const [rank, page] of common.entries()) rankInA.set(page, rank)
  let squares = 0
  let rankInB = 0
  for (const page of b) {
    const rank = rankInA.get(page)
    if (rank !== undefined) squares += (rank - rankInB++) ** 2
  }
  return 1 - (6 * squares) / (common.length * (common.length ** 2 - 1))
}

function prefixes(order: Uint32Array, used: Bitmap, usedPages: number): PrefixPoint[] {
  const points: PrefixPoint[] = []
  const step = Math.max(1, Math.ceil(order.length / CURVE_POINTS))
  let both = 0
  for (const [i, page] of order.entries()) {
    if (testBit(used, page)) both++
    const listed = i + 1
    if (listed % step !== 0 && listed !== order.length) continue
    points.push({ listed, recall: usedPages === 0 ? 0 : both / usedPages, precision: both / listed })
  }
  return points
}
