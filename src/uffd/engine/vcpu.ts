/**
 * A thread that stands for a vCPU: executes the workload's accesses on the destination's memory, with its think times, and
 * takes the time of each access that has to wait. A read is a load. A write is an atomic exchange of 0 for 0, which writes
 * whatever it finds and leaves it as it is; an atomic addition would be compiled to a load first, and fault twice.
 */
import { createBitmap, setBit, testBit } from '../../core/bitmap.ts'
import { LatencyHistogram, type LatencyRecords } from '../../core/latency-histogram.ts'
import { GIB } from '../../core/units.ts'
import { ACCESS_IDLE, ACCESS_WRITE } from '../../workload/workload.ts'
import { libc } from '../native.ts'
import { monotonicNs } from './clock.ts'
import type { VcpuJob } from './job.ts'
import { keepViews, type MemoryRange } from './kept-views.ts'
import { PHASE_RUN, RestoreState, sleepNs } from './restore-state.ts'

/** No userfault is answered in less: the page came while the access was on its way. One that took longer may still have been there, and have kept the hypervisor busy. */
const LEAST_FAULT_NS = 1_500
/** A mapped page that took longer may have been read from the device; then the kernel's count of major faults tells. */
const LEAST_MAJOR_NS = 10_000
/** A gap between two looks at the clock in which the thread did not run, so that it did not think either. */
export const PREEMPTED_NS = 5_000
const RUSAGE_THREAD = 1
const MINOR_FAULTS = 8
const MAJOR_FAULTS = 9

export interface VcpuOutcome {
  /** CLOCK_MONOTONIC; null without accesses. */
  readonly firstAccessNs: number | null
  readonly endNs: number
  /** Accesses that had to wait, how long in all, and each. */
  readonly faults: number
  readonly stallNs: number
  readonly latency: LatencyRecords
  /** Faults that the kernel resolved alone, as it counts them for the thread: the language's own are among them. */
  readonly minorFaults: number
  /** Every access was done. */
  readonly finished: boolean
  /** Sum of the bytes that were read and written: reads whose value nobody wants might not happen. */
  readonly checksum: number
}

/** Prepares, says that it is ready, runs when vCPUs may, and returns when the last access is done or the restore has failed. */
export function runVcpu(job: VcpuJob, onReady: () => void): VcpuOutcome {
  const { install, hostPage, thinkNs, flags } = job
  const state = new RestoreState(job.shared)
  const { installed, faulted } = job.shared
  const { views, viewOf, byteOf } = viewsOf(job)
  const latency = new LatencyHistogram()
  const usage = new BigInt64Array(18)
  const accesses = hostPage.length
  const touched = createBitmap(maximum(hostPage) + 1)
  const seen = install === 'uffd' ? installed : touched
  onReady()
  const runs = state.await(PHASE_RUN, job.limitMs)
  const minorBefore = threadFaults(usage, MINOR_FAULTS)
  const computation = new Computation()
  // No closure sees these: they would then lie in memory, the fractions on the heap, and change with every access.
  let majorFaults = threadFaults(usage, MAJOR_FAULTS)
  let stallNs = 0
  let firstAccessNs = -1
  let checksum = 0
  let i = 0
  for (; runs && i < accesses && state.phase === PHASE_RUN; i++) {
    const think = thinkNs[i]
    if ((flags[i] & ACCESS_IDLE) === 0) computation.goOn(think, state)
    else {
      sleepNs(think)
      computation.restart(monotonicNs())
    }
    const page = hostPage[i]
    const isFirst = !testBit(seen, page)
    // What may take time, and is no part of the computation: a page that a hypervisor has not mapped for this thread yet, a
    // write that has to be copied first (the shared zero page).
    if (!isFirst && testBit(touched, page) && firstAccessNs >= 0 && (flags[i] & ACCESS_WRITE) === 0) {
      checksum += access(views[viewOf[i]], byteOf[i], flags[i])
      computation.clockIsOld()
      continue
    }
    const before = computation.nowNs()
    checksum += access(views[viewOf[i]], byteOf[i], flags[i])
    const after = monotonicNs()
    computation.restart(after)
    if (firstAccessNs < 0) firstAccessNs = after
    if (!isFirst) {
      setBit(touched, page)
      continue
    }
    const tookNs = after - before
    if (install !== 'uffd') {
      setBit(touched, page)
      stallNs += tookNs
      if (install === 'load' || tookNs < LEAST_MAJOR_NS) continue
      const major = threadFaults(usage, MAJOR_FAULTS)
      if (major === majorFaults) continue
      majorFaults = major
      latency.record(tookNs)
    } else if (tookNs >= LEAST_FAULT_NS && testBit(faulted, page)) {
      stallNs += tookNs
      latency.record(tookNs)
      if (state.failed) break
    }
  }
  return {
    firstAccessNs: firstAccessNs < 0 ? null : firstAccessNs,
    endNs: monotonicNs(),
    faults: latency.count,
    stallNs,
    latency: latency.records,
    minorFaults: runs ? threadFaults(usage, MINOR_FAULTS) - minorBefore : 0,
    finished: i === accesses,
    checksum,
  }
}

function access(view: Uint8Array, byte: number, flags: number): number {
  return (flags & ACCESS_WRITE) !== 0 ? Atomics.compareExchange(view, byte, 0, 0) : view[byte]
}

/**
 * Computes for one time after the other. What the loop around it takes counts as part of the next time, what it overran is
 * taken off it, and time in which the thread was not running does not count.
 */
class Computation {
  #lastNs = monotonicNs()
  #isOld = false
  #overrunNs = 0

  /** Something else was done until now. */
  restart(nowNs: number): void {
    this.#lastNs = nowNs
    this.#isOld = false
  }

  /** Something was done since the clock was read. */
  clockIsOld(): void {
    this.#isOld = true
  }

  /** Reads the clock, unless that was done a moment ago: it costs as much as an access. */
  nowNs(): number {
    return this.#isOld ? monotonicNs() : this.#lastNs
  }

  /** For so long, or until vCPUs are to stop: where a look at the clock takes too long, no time is ever that of computing. */
  goOn(ns: number, state: RestoreState): void {
    let leftNs = ns - this.#overrunNs
    while (leftNs > 0 && state.phase === PHASE_RUN) {
      const nowNs = monotonicNs()
      const gapNs = nowNs - this.#lastNs
      if (gapNs < PREEMPTED_NS) leftNs -= gapNs
      this.#lastNs = nowNs
      this.#isOld = false
    }
    this.#overrunNs = -leftNs
  }
}

function maximum(values: Uint32Array): number {
  let most = 0
  for (const value of values) if (value > most) most = value
  return most
}

function threadFaults(usage: BigInt64Array, field: number): number {
  libc().getrusage(RUSAGE_THREAD, usage)
  return Number(usage[field])
}

/** Views over the blocks' memory, none larger than may be, and where in them each access goes. */
function viewsOf({ blocks, block, offset }: VcpuJob) {
  const ranges: MemoryRange[] = []
  const firstView = blocks.map(({ address, byteLength }) => {
    const first = ranges.length
    for (let start = 0; start < byteLength; start += GIB) {
      ranges.push({ address: address + start, byteLength: Math.min(GIB, byteLength - start) })
    }
    return first
  })
  const views = keepViews(ranges)
  const viewOf = Uint16Array.from(block, (b, i) => firstView[b] + Math.floor(offset[i] / GIB))
  const byteOf = Uint32Array.from(offset, byte => byte % GIB)
  return { views, viewOf, byteOf }
}
