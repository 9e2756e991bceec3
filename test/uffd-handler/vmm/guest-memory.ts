/** A VMM's guest memory: regions registered with a userfaultfd that reports removals, and what a VMM does to their pages. */
import { createBitmap, setBit } from '../../../src/core/bitmap.ts'
import { LazyRestoreError } from '../../../src/core/error.ts'
import { errnoName, UFFD_FEATURE_EVENT_REMOVE, UFFDIO_REGISTER_MODE_MISSING } from '../../../src/uffd/constants.ts'
import { foldWords } from '../../../src/uffd/kvm/guest-lists.ts'
import { MemoryRegion } from '../../../src/uffd/memory-region.ts'
import { callInBackground } from '../../../src/uffd/native.ts'
import { Userfaultfd } from '../../../src/uffd/userfaultfd.ts'
import { type HandshakeConfig, PAGE_BYTES, type PageRun, type VmmConfig, type VmmResults } from './protocol.ts'

const MADV_DONTNEED = 4

export class GuestMemory {
  readonly regions: readonly MemoryRegion[]
  readonly userfaultfd: Userfaultfd
  readonly pageCount: number
  /** First page of each region. */
  readonly #firstPage: readonly number[]

  /** @throws LazyRestoreError `unsupported` or `io` */
  constructor({ kind, hostPageSize, regions }: VmmConfig) {
    // Private and anonymous in both kinds, as Firecracker's is.
    this.regions = regions.map(byteLength => new MemoryRegion({ kind, hostPageSize, byteLength, shared: false }))
    let pages = 0
    this.#firstPage = regions.map(byteLength => {
      pages += byteLength / PAGE_BYTES
      return pages - byteLength / PAGE_BYTES
    })
    this.pageCount = pages
    this.userfaultfd = Userfaultfd.open()
    const outcomes = [
      this.userfaultfd.api(UFFD_FEATURE_EVENT_REMOVE),
      ...this.regions.map(({ address, byteLength }) =>
        this.userfaultfd.register(address, byteLength, UFFDIO_REGISTER_MODE_MISSING),
      ),
    ]
    if (outcomes.every(outcome => outcome === 'done')) return
    throw new LazyRestoreError('io', `userfaultfd: found ${errnoName(this.userfaultfd.errno)}, expected success`)
  }

  /** The text of the handshake (Firecracker src/vmm/src/persist.rs, GuestRegionUffdMapping). */
  handshakeText({ fields = 'both', offsetShift = 0 }: HandshakeConfig): string {
    const mappings = this.regions.map(({ address, byteLength, hostPageSize }, i) => ({
      base_host_virt_addr: address,
      size: byteLength,
      offset: this.#firstPage[i] * PAGE_BYTES + offsetShift,
      ...(fields === 'old' ? {} : { page_size: hostPageSize }),
      page_size_kib: hostPageSize, // bytes, whatever it is called
    }))
    return JSON.stringify(mappings)
  }

  /** Region and byte in it of a page. @throws LazyRestoreError `usage` */
  place(page: number): { readonly region: number; readonly offset: number } {
    if (!(page >= 0 && page < this.pageCount)) {
      throw new LazyRestoreError('usage', `page: found ${page}, expected 0 to ${this.pageCount - 1}`)
    }
    const region = this.#firstPage.findLastIndex(first => first <= page)
    return { region, offset: (page - this.#firstPage[region]) * PAGE_BYTES }
  }

  /** Gives pages back; sleeps until the handler has read the event. @throws LazyRestoreError `io` */
  async remove([first, count]: PageRun): Promise<void> {
    for (let page = first; page < first + count; ) {
      const { region, offset } = this.place(page)
      const { address, byteLength } = this.regions[region]
      const pages = Math.min(first + count - page, (byteLength - offset) / PAGE_BYTES)
      const result = await callInBackground('madvise', address + offset, pages * PAGE_BYTES, MADV_DONTNEED)
      if (result !== 0) throw new LazyRestoreError('io', `madvise of ${pages} pages at page ${page}: found ${result}`)
      page += pages
    }
  }

  /** Fills a page; sleeps while it is missing. @param source of a page's bytes, not registered */
  async write(page: number, source: number): Promise<void> {
    const { region, offset } = this.place(page)
    await callInBackground('memcpy', this.regions[region].address + offset, source, PAGE_BYTES)
  }

  inspect(): VmmResults['inspect'] {
    const installed = createBitmap(this.pageCount)
    const folds = new Uint32Array(this.pageCount)
    const bytes = new Uint8Array(PAGE_BYTES)
    for (let page = 0; page < this.pageCount; page++) {
      const { region, offset } = this.place(page)
      const { address, resident } = this.regions[region]
      if (resident.read(address + offset, bytes) < PAGE_BYTES) continue
      setBit(installed, page)
      folds[page] = foldWords(new Uint32Array(bytes.buffer))
    }
    return { installed: base64(installed), folds: base64(folds) }
  }
}

export function base64(words: Uint32Array): string {
  return Buffer.from(words.buffer, words.byteOffset, words.byteLength).toString('base64')
}
