/**
 * How fast work in the kernel is beside such work on another core: first touches of pages, by a thread alone and, in every
 * second window, beside one on another CPU that touches other pages of the same memory. They meet in locks of the kernel, and
 * where a hypervisor shadows page tables, in its.
 */
import { MIB } from '../core/units.ts'
import { pinTo, twoCores } from '../uffd/cpu-affinity.ts'
import { monotonicNs } from '../uffd/engine/clock.ts'
import { sleepNs } from '../uffd/engine/restore-state.ts'
import { MemoryRegion } from '../uffd/memory-region.ts'
import { libc, viewMemory } from '../uffd/native.ts'
import type { Samples } from './estimate.ts'
import { measureTogether } from './measuring-thread.ts'
import { scattered } from './probes/probe.ts'
import { isBeside, LEAD_NS, limitMsOf, MARGIN_NS, WINDOW_NS, type WindowsJob, windowsIn } from './windows.ts'

const PAGE = 4096
const PAGES = (128 * MIB) / PAGE
const TABLE_PAGES = (2 * MIB) / PAGE
const MADV_NOHUGEPAGE = 15
const MADV_DONTNEED = 4
/** After so many windows all memory is given back. The first two then do not count: page tables are made in them. */
const CYCLE_WINDOWS = 10

export interface TouchBesideJob extends WindowsJob {
  /** CPU of the thread. */
  readonly cpu: number
  /** The memory of both. */
  readonly address: number
  /** 0 touches all the time, 1 in every second window. */
  readonly role: 0 | 1
}

export interface Touches {
  /** By window, ns of a touch: of all of them, the slow ones too, which are what there is more of beside others. */
  readonly alone: number[]
  readonly beside: number[]
}

export function touchBeside(job: TouchBesideJob): Touches {
  const { cpu, address, role, startNs, windows } = job
  pinTo(cpu)
  const bytes = new Uint8Array(viewMemory(address, PAGES * PAGE))
  const touches: Touches = { alone: [], beside: [] }
  for (let window = 0; window < windows; window++) {
    const windowNs = startNs + window * WINDOW_NS
    const place = window % CYCLE_WINDOWS
    sleepNs(windowNs + MARGIN_NS - monotonicNs())
    if (role === 0 && place === 0) renew(address, bytes)
    if (place < 2 || (role === 1 && !isBeside(window))) continue
    const ns = touchUntil(windowNs + WINDOW_NS - MARGIN_NS, bytes, place, role)
    if (ns !== null) (isBeside(window) ? touches.beside : touches.alone).push(ns)
  }
  return touches
}

/** Gives the memory back, and has its page tables made anew. */
function renew(address: number, bytes: Uint8Array): void {
  libc().madvise(address, bytes.byteLength, MADV_DONTNEED)
  for (let page = 0; page < PAGES; page += TABLE_PAGES) bytes[page * PAGE] = 1
}

/**
 * Touches pages until then: a part of them for each window of a cycle, and every second one of it for each thread.
 * @returns ns of a touch; null: the thread comes too late
 */
function touchUntil(endNs: number, bytes: Uint8Array, place: number, role: number): number | null {
  const most = Math.floor(PAGES / CYCLE_WINDOWS / 2)
  const startNs = monotonicNs()
  let touches = 0
  let nowNs = startNs
  for (; touches < most && nowNs < endNs; nowNs = monotonicNs()) {
    bytes[scattered(2 * (place * most + touches++) + role, PAGES) * PAGE] = 1
  }
  return touches === 0 ? null : (nowNs - startNs) / touches
}

/** Samples `touch alone` and `touch beside`; none where there is no second CPU. */
export async function measureTouchesBeside(budgetMs: number): Promise<Samples> {
  const cpus = twoCores()
  if (cpus === null) return new Map()
  const region = new MemoryRegion({ kind: 'anon', hostPageSize: PAGE, byteLength: PAGES * PAGE })
  libc().madvise(region.address, region.byteLength, MADV_NOHUGEPAGE)
  const common = { startNs: monotonicNs() + LEAD_NS, windows: windowsIn(budgetMs), address: region.address }
  const works = ([0, 1] as const).map(role => ({
    role: 'touch-beside' as const,
    job: { ...common, cpu: cpus[role], role },
  }))
  const [first, second] = await measureTogether<[Touches, Touches]>(works, limitMsOf(budgetMs))
  region.close()
  return new Map([
    ['touch alone', first.alone],
    ['touch beside', [...first.beside, ...second.beside]],
  ])
}
