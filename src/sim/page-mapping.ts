/**
 * What the kernel maps around a page that was faulted on: pages of a file mapping that are in the page cache, and pages that
 * the hypervisor can map for the guest. docs/model.md, vCPUs.
 */
import { type Bitmap, setBit } from '../core/bitmap.ts'
import { blockOfHostPage, PAGE_ZERO, pageContent } from '../destination/layout.ts'
import type { MemoryState } from './memory-state.ts'
import type { PageCache } from './page-cache.ts'

/** Maps `page` and what is writable of the aligned window of so many 4 KiB pages around it, as KVM does (pte_prefetch). */
export function mapForGuest(memory: MemoryState, guestMapped: Bitmap, windowPages: number, page: number): void {
  const { firstHostPage, endHostPage, hostPageSize } = blockOfHostPage(memory.layout, page)
  const window = Math.max(1, Math.floor((windowPages * 4096) / hostPageSize))
  const start = page - ((page - firstHostPage) % window)
  const end = Math.min(start + window, endHostPage)
  setBit(guestMapped, page)
  for (let other = start; other < end; other++) if (memory.isWritable(other)) setBit(guestMapped, other)
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
    pageContent(layout, other) !== PAGE_ZERO && cache.isReady(other - firstHostPage + firstTargetPage, now)
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
