/**
 * What a TLB shootdown costs: a kernel that takes back a mapping, as copy on write does, must make other CPUs that run threads
 * of the process forget it, and waits until they have (Linux flush_tlb_mm_range). One thread writes to pages that it has read,
 * by a common schedule of windows in every second of which another thread spins on another CPU, and sees itself interrupted.
 */
import { MIB } from '../core/units.ts'
import { pinTo, twoCores } from '../uffd/cpu-affinity.ts'
import { monotonicNs } from '../uffd/engine/clock.ts'
import { sleepNs } from '../uffd/engine/restore-state.ts'
import { MemoryRegion } from '../uffd/memory-region.ts'
import { libc } from '../uffd/native.ts'
import type { Samples } from './estimate.ts'
import { measureTogether } from './measuring-thread.ts'
import { isBeside, LEAD_NS, limitMsOf, WINDOW_NS, type WindowsJob, windowAt, windowsIn } from './windows.ts'

const PAGE = 4096
const REGION_BYTES = 16 * MIB
const MADV_NOHUGEPAGE = 15
/** A look at the clock takes less; what takes longer was interrupted. */
const INTERRUPTED_NS = 1000
/** What takes longer was more than that: the thread was off its CPU. */
const OFF_CPU_NS = 1e6

export interface ShootdownJob extends WindowsJob {
  /** CPU of the thread. */
  readonly cpu: number
}

export interface Writes {
  /** ns of first writes to pages that were read, while nobody else runs, and beside a thread that spins. */
  readonly alone: number[]
  readonly beside: number[]
}

/** Writes all the time; the main thread of one worker. */
export function shootDown(job: ShootdownJob): Writes {
  const { startNs, windows, cpu } = job
  pinTo(cpu)
  // A file's pages: for anonymous memory some kernels of virtual machines map no shared page of zeros, and nothing is copied.
  const region = new MemoryRegion({ kind: 'shmem', hostPageSize: PAGE, byteLength: REGION_BYTES, shared: false })
  libc().madvise(region.address, region.byteLength, MADV_NOHUGEPAGE)
  const bytes = region.view(0, region.byteLength)
  const writes: Writes = { alone: [], beside: [] }
  sleepNs(startNs - monotonicNs())
  for (let at = 0, nowNs = monotonicNs(); nowNs < startNs + windows * WINDOW_NS; at += PAGE, nowNs = monotonicNs()) {
    if (at === REGION_BYTES) {
      region.discard()
      at = 0
    }
    // The read maps the file's page: a write copies it, and voids that mapping.
    const zero = bytes[at]
    const beforeNs = monotonicNs()
    bytes[at] = zero + 1
    const ns = monotonicNs() - beforeNs
    const window = windowAt(job, nowNs)
    if (window !== null) (isBeside(window) ? writes.beside : writes.alone).push(ns)
  }
  region.close()
  return writes
}

/** Spins in every second window. @returns how long it was kept from it each time, ns */
export function beInterrupted({ startNs, windows, cpu }: ShootdownJob): number[] {
  pinTo(cpu)
  const interrupts: number[] = []
  for (let window = 0; window < windows; window++) {
    if (!isBeside(window)) continue
    const endNs = startNs + (window + 1) * WINDOW_NS
    sleepNs(startNs + window * WINDOW_NS - monotonicNs())
    for (let lastNs = monotonicNs(); lastNs < endNs; ) {
      const nowNs = monotonicNs()
      const ns = nowNs - lastNs
      if (ns > INTERRUPTED_NS && ns < OFF_CPU_NS) interrupts.push(ns)
      lastNs = nowNs
    }
  }
  return interrupts
}

/** Samples `shootdown alone`, `shootdown beside`, `shootdown interrupt`; none where there is no second CPU. */
export async function measureShootdowns(budgetMs: number): Promise<Samples> {
  const cpus = twoCores()
  if (cpus === null) return new Map()
  const windows = windowsIn(budgetMs)
  const startNs = monotonicNs() + LEAD_NS
  const jobs = cpus.map(cpu => ({ startNs, windows, cpu }))
  const [{ alone, beside }, interrupts] = await measureTogether<[Writes, number[]]>(
    [
      { role: 'shoot-down', job: jobs[0] },
      { role: 'interrupted', job: jobs[1] },
    ],
    limitMsOf(budgetMs),
  )
  return new Map([
    ['shootdown alone', alone],
    ['shootdown beside', beside],
    ['shootdown interrupt', interrupts],
  ])
}
