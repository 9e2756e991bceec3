/** What reports say about a workload: how much it touches, how scattered, how much it writes and how long it would run. */
import { type Bitmap, createBitmap, popcount32 } from '../core/bitmap.ts'
import { ACCESS_IDLE, ACCESS_WRITE, accessCount, type Workload } from './workload.ts'

export interface DistinctPages {
  readonly count: number
  /** Bit p: page p is accessed. */
  readonly bitmap: Bitmap
}

export interface WorkloadStats {
  readonly accesses: number
  readonly vcpus: number
  readonly distinctPages: number
  /** distinctPages × page size: the least that any policy must make resident. */
  readonly bytesTouched: number
  /** Share of the memory's pages that are accessed. */
  readonly touchedShare: number
  /** Maximal runs of neighbouring pages among the distinct ones, and their mean length; 0 without accesses. */
  readonly runs: number
  readonly meanRunPages: number
  /** Share of the accesses that write; 0 without accesses. */
  readonly writeShare: number
  /** Distinct pages that are written. */
  readonly writtenPages: number
  /** Time before accesses over all vCPUs, computing and idle apart. */
  readonly computeNs: number
  readonly idleNs: number
  /** The longest vCPU's time, computing and idle: how long the workload takes when no access costs anything. */
  readonly longestVcpuNs: number
}

/** The pages that the workload accesses at all. */
export function distinctPages({ page, pageCount }: Workload): DistinctPages {
  const bitmap = createBitmap(pageCount)
  let count = 0
  for (let i = 0; i < page.length; i++) count += addBit(bitmap, page[i])
  return { count, bitmap }
}

/** Their number, which is counted once: every restore of the workload has it in its record. */
export function distinctPageCount(workload: Workload): number {
  let count = distinctCounts.get(workload.page)
  if (count === undefined) {
    count = distinctPages(workload).count
    distinctCounts.set(workload.page, count)
  }
  return count
}

const distinctCounts = new WeakMap<Uint32Array, number>()

export function workloadStats(workload: Workload): WorkloadStats {
  const { starts, page, thinkNs, flags, vcpus, pageCount, pageSize } = workload
  const distinct = distinctPages(workload)
  const written = createBitmap(pageCount)
  const accesses = accessCount(workload)
  let writes = 0
  let writtenPages = 0
  let computeNs = 0
  let idleNs = 0
  let longestVcpuNs = 0
  for (let vcpu = 0; vcpu < vcpus; vcpu++) {
    let vcpuNs = 0
    for (let i = starts[vcpu]; i < starts[vcpu + 1]; i++) {
      vcpuNs += thinkNs[i]
      if ((flags[i] & ACCESS_IDLE) !== 0) idleNs += thinkNs[i]
      else computeNs += thinkNs[i]
      if ((flags[i] & ACCESS_WRITE) === 0) continue
      writes++
      writtenPages += addBit(written, page[i])
    }
    longestVcpuNs = Math.max(longestVcpuNs, vcpuNs)
  }
  const runs = countRuns(distinct.bitmap)
  return {
    accesses,
    vcpus,
    distinctPages: distinct.count,
    bytesTouched: distinct.count * pageSize,
    touchedShare: distinct.count / pageCount,
    runs,
    meanRunPages: runs === 0 ? 0 : distinct.count / runs,
    writeShare: accesses === 0 ? 0 : writes / accesses,
    writtenPages,
    computeNs,
    idleNs,
    longestVcpuNs,
  }
}

/** Sets the bit; 1 when it was clear. */
function addBit(bitmap: Bitmap, index: number): number {
  const word = bitmap[index >>> 5]
  const mask = 1 << (index & 31)
  bitmap[index >>> 5] = word | mask
  return (word & mask) === 0 ? 1 : 0
}

/** Set bits whose neighbour below is clear. */
function countRuns(bitmap: Bitmap): number {
  let runs = 0
  let below = 0
  for (const word of bitmap) {
    runs += popcount32(word & ~((word << 1) | below))
    below = word >>> 31
  }
  return runs
}
