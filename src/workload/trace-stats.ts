/**
 * What a trace is like, beyond the sums of `stats.ts`: how it comes to its pages, how sequential it is, how soon it comes back
 * to a page, and how uneven its accesses are. Everything is by the time order of `time-order.ts`.
 */
import { createBitmap, nextClearBit, nextSetBit, setBit, testBit } from '../core/bitmap.ts'
import { LazyRestoreError } from '../core/error.ts'
import { distinctPages, type WorkloadStats, workloadStats } from './stats.ts'
import { visitInTime } from './time-order.ts'
import type { Workload } from './workload.ts'
import { fitZipf, type ZipfFit } from './zipf-fit.ts'

/** Points of each curve. */
const CURVE_POINTS = 400
/** Stack distances take 8 bytes an access, and a logarithm of them in time. */
const MAX_REUSE_ACCESSES = 2 ** 27

export interface CurvePoint {
  readonly timeNs: number
  /** Distinct pages touched by then. */
  readonly pages: number
}

export interface TraceStats extends WorkloadStats {
  /** Share of the accesses that go to the page after that of the vCPU's access before. */
  readonly sequentialShare: number
  /** The same of first touches, in the order of all vCPUs: what a handler sees as next-page faults. */
  readonly sequentialFirstTouchShare: number
  /** Pages touched first by a time: when half, 90 % and 98 % of them had been. */
  readonly firstTouchNs: { readonly p50: number; readonly p90: number; readonly p98: number } | null
  readonly workingSetCurve: readonly CurvePoint[]
  /** Runs of neighbours among the distinct pages: `runLengths[k]` are those of [2^k, 2^(k+1)) pages. */
  readonly runLengths: readonly number[]
  /** Share of the accesses that come back to a page. */
  readonly reuseShare: number
  /**
   * Distinct pages touched since the page's last access (LRU stack distance), of accesses that come back:
   * `reuseDistances[k]` are those of [2^k, 2^(k+1)), 0 counting as 1.
   */
  readonly reuseDistances: readonly number[]
  /** Accesses of a page against its rank; null for fewer than three pages or accesses all alike. */
  readonly zipf: ZipfFit | null
  /** Accesses of pages by rank, the most accessed first, at ranks that are even on a logarithmic axis. */
  readonly rankCounts: readonly (readonly [rank: number, accesses: number])[]
}

/** @throws LazyRestoreError `limit` for more than 2^27 accesses */
export function traceStats(workload: Workload): TraceStats {
  const accesses = workload.page.length
  if (accesses > MAX_REUSE_ACCESSES) {
    throw new LazyRestoreError(
      'limit',
      `${workload.name}: found ${accesses} accesses, expected at most ${MAX_REUSE_ACCESSES}; transform --slice cuts`,
    )
  }
  const stats = workloadStats(workload)
  const counts = sortedCounts(workload)
  const order = new TimeOrder(workload, stats.distinctPages)
  return {
    ...stats,
    sequentialShare: sequentialShare(workload),
    sequentialFirstTouchShare: order.sequentialFirstTouchShare,
    firstTouchNs: stats.distinctPages === 0 ? null : order.firstTouchNs(),
    workingSetCurve: order.curve,
    runLengths: runLengths(workload),
    reuseShare: accesses === 0 ? 0 : (accesses - stats.distinctPages) / accesses,
    reuseDistances: order.reuseDistances,
    zipf: fitZipf(counts),
    rankCounts: ranksOf(counts),
  }
}

function sequentialShare({ starts, page, vcpus }: Workload): number {
  if (page.length === 0) return 0
  let next = 0
  for (let vcpu = 0; vcpu < vcpus; vcpu++) {
    for (let i = starts[vcpu] + 1; i < starts[vcpu + 1]; i++) if (page[i] === page[i - 1] + 1) next++
  }
  return next / page.length
}

/** Accesses of each distinct page, the most first. */
function sortedCounts({ page }: Workload): Uint32Array {
  const pages = page.slice().sort()
  const counts = new Uint32Array(pages.length)
  let length = 0
  for (let i = 0; i < pages.length; i++) {
    if (i > 0 && pages[i] === pages[i - 1]) counts[length - 1]++
    else counts[length++] = 1
  }
  return counts.subarray(0, length).sort().reverse()
}

function ranksOf(counts: Uint32Array): (readonly [number, number])[] {
  const ranks: (readonly [number, number])[] = []
  for (let rank = 1; rank <= counts.length; rank = Math.max(rank + 1, Math.ceil(rank * 1.1))) {
    ranks.push([rank, counts[rank - 1]])
  }
  return ranks
}

function runLengths(workload: Workload): number[] {
  const { bitmap } = distinctPages(workload)
  const { pageCount } = workload
  const lengths: number[] = []
  for (let first = nextSetBit(bitmap, 0, pageCount); first < pageCount; ) {
    const end = nextClearBit(bitmap, first, pageCount)
    count(lengths, end - first)
    first = nextSetBit(bitmap, end, pageCount)
  }
  return lengths
}

function count(buckets: number[], value: number): void {
  const bucket = 31 - Math.clz32(Math.max(1, value))
  while (buckets.length <= bucket) buckets.push(0)
  buckets[bucket]++
}

/** One pass in time: first touches, the curve, and stack distances by a tree of the latest access of each page. */
class TimeOrder {
  readonly reuseDistances: number[] = []
  readonly curve: CurvePoint[] = []
  readonly sequentialFirstTouchShare: number
  readonly #firstNs: Float64Array

  constructor(workload: Workload, pages: number) {
    const { page, pageCount } = workload
    const seen = createBitmap(pageCount)
    const latest = new Map<number, number>()
    const tree = new LatestTree(page.length)
    this.#firstNs = new Float64Array(pages)
    let touched = 0
    let next = 0
    let before = -2
    let at = 0
    visitInTime(workload, (access, timeNs) => {
      const one = page[access]
      const known = testBit(seen, one)
      if (known) {
        const last = latest.get(one)!
        count(this.reuseDistances, touched - tree.countUpTo(last))
        tree.add(last, -1)
      } else {
        setBit(seen, one)
        this.#firstNs[touched++] = timeNs
        if (one === before + 1) next++
        before = one
      }
      tree.add(at, 1)
      latest.set(one, at++)
    })
    this.sequentialFirstTouchShare = pages === 0 ? 0 : next / pages
    const step = Math.max(1, Math.ceil(pages / CURVE_POINTS))
    for (let i = 0; i < pages; i += step) this.curve.push({ timeNs: this.#firstNs[i], pages: i + 1 })
    if (pages > 0) this.curve.push({ timeNs: this.#firstNs[pages - 1], pages })
  }

  firstTouchNs() {
    const by = (share: number) => this.#firstNs[Math.ceil(share * this.#firstNs.length) - 1]
    return { p50: by(0.5), p90: by(0.9), p98: by(0.98) }
  }
}

/** Which accesses are the latest ones of their pages, and how many up to one (Fenwick 1994). */
class LatestTree {
  readonly #sums: Int32Array

  constructor(length: number) {
    this.#sums = new Int32Array(length + 1)
  }

  add(at: number, value: number): void {
    for (let i = at + 1; i < this.#sums.length; i += i & -i) this.#sums[i] += value
  }

  countUpTo(at: number): number {
    let sum = 0
    for (let i = at + 1; i > 0; i -= i & -i) sum += this.#sums[i]
    return sum
  }
}
