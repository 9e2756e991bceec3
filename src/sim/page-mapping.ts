/**
 * What the kernel maps around a page that was faulted on: pages of a file mapping that are in the page cache, and pages that
 * a hypervisor maps for the guest, or for this host's threads. docs/model.md, vCPUs.
 */
import { type Bitmap, createBitmap, setBit } from '../core/bitmap.ts'
import { blockOfHostPage, PAGE_ZERO, pageContent } from '../destination/layout.ts'
import type { HostCosts } from './host-profile.ts'
import type { MemoryState } from './memory-state.ts'
import type { PageCache } from './page-cache.ts'
import type { VcpuSetup } from './vcpu.ts'

/** Pages that the hypervisor has mapped for who accesses them; the first access to one that it has not costs a fault there. */
export class HypervisorMappings {
  readonly mapped: Bitmap
  readonly #memory: MemoryState
  readonly #costs: HostCosts
  readonly #isGuest: boolean

  constructor(memory: MemoryState, costs: HostCosts, isGuest: boolean) {
    this.mapped = createBitmap(memory.layout.hostPageCount)
    this.#memory = memory
    this.#costs = costs
    this.#isGuest = isGuest
  }

  /** @param hasWaited the access has waited for its page */
  faultNs(hasWaited: boolean): number {
    const { guestFaultNs, guestWakeNs, shadowFaultNs } = this.#costs
    if (!this.#isGuest) return shadowFaultNs
    return hasWaited ? guestFaultNs + guestWakeNs : guestFaultNs
  }

  /** Maps the page and, for a guest, what is writable of the aligned window around it, as KVM does (pte_prefetch). */
  map(page: number): void {
    setBit(this.mapped, page)
    if (!this.#isGuest) return
    const { firstHostPage, endHostPage, hostPageSize } = blockOfHostPage(this.#memory.layout, page)
    const window = Math.max(1, Math.floor((this.#costs.guestFaultPages * 4096) / hostPageSize))
    const start = page - ((page - firstHostPage) % window)
    const end = Math.min(start + window, endHostPage)
    for (let other = start; other < end; other++) if (this.#memory.isWritable(other)) setBit(this.mapped, other)
  }
}

/** Null: such accesses cost nothing. What a thread's own fault maps, a hypervisor that shadows page tables maps with it. */
export function hypervisorMappings({ memory, costs, guest, install }: VcpuSetup): HypervisorMappings | null {
  const isShadowed = install === 'uffd' && costs.shadowFaultNs > 0
  return guest || isShadowed ? new HypervisorMappings(memory, costs, guest) : null
}

/**
 * Linux fault-around: maps the cached data pages next to `page` in its aligned window of the same mapping. Each but the page
 * itself is a hit for the kernel's count of misses (`filemap_map_pages`), which so rarely gives up reading around.
 */
export function mapAround(memory: MemoryState, cache: PageCache, window: number, page: number, now: number): void {
  const { layout } = memory
  const { firstHostPage, endHostPage, firstTargetPage } = blockOfHostPage(layout, page)
  const start = page - ((page - firstHostPage) % window)
  const stop = Math.min(start + window, endHostPage)
  const mappable = (other: number): boolean =>
    pageContent(layout, other) !== PAGE_ZERO && cache.isMappable(other - firstHostPage + firstTargetPage, now)
  let first = page
  while (first > start && mappable(first - 1)) first--
  let end = page + 1
  while (end < stop && mappable(end)) end++
  cache.countHits(end - first - 1)
  mapRun(memory, first, end, false, now)
}

/** Makes the pages of [first, end) resident that are not yet so. */
export function mapRun(memory: MemoryState, first: number, end: number, writable: boolean, now: number): void {
  const block = blockOfHostPage(memory.layout, first)
  for (let page = first; page < end; page++) {
    if (!memory.isResident(page)) memory.install(block, page, 1, writable, now)
    else if (writable) memory.touch(page, true)
  }
}
