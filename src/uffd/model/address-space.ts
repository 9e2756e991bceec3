/**
 * One process's memory: its areas and, apart from the files behind them, its page table. An entry is a present page or one of
 * two markers; no entry means missing. The cases of docs/conform/memory.tsv hold the rules of zapping.
 */
import { UFFDIO_REGISTER_MODE_WP } from '../constants.ts'
import { HUGE_PAGE_SIZE } from './numbers.ts'
import { type ModelFile, type Page, ZERO_PAGE } from './page.ts'
import { fileIndex, isAnonymous, isHugetlb, pageSizeOf, type Vma, VmaList } from './vma.ts'

export interface PresentEntry {
  readonly kind: 'present'
  page: Page
  /** Write-protected for userfaultfd. */
  wp: boolean
  /** A write must first get a page of its own: the zero page, a private mapping of a file's page, after a fork. */
  copyOnWrite: boolean
}
export interface WpMarker {
  readonly kind: 'wp-marker'
}
export interface PoisonMarker {
  readonly kind: 'poison'
}
export type Entry = PresentEntry | WpMarker | PoisonMarker

export const WP_MARKER: WpMarker = { kind: 'wp-marker' }
export const POISON_MARKER: PoisonMarker = { kind: 'poison' }

export interface ZapOptions {
  /** Forget write protection too, as munmap and truncation do; it survives as a marker on file mappings otherwise. */
  readonly dropMarkers: boolean
  /** Private copies of file pages go as well. */
  readonly privateCopies: boolean
}

export class AddressSpace {
  readonly vmas = new VmaList()
  readonly #entries = new Map<number, Entry>()
  /** 2 MiB regions that have a page table; MOVE tells an absent one from an empty one. */
  readonly #tables = new Set<number>()
  /** The process exited or called exec. */
  gone = false

  entry(address: number): Entry | undefined {
    return this.#entries.get(address)
  }

  setEntry(address: number, entry: Entry): void {
    if (entry.kind === 'present') entry.page.retain()
    this.clearEntry(address)
    this.#entries.set(address, entry)
    this.addTable(address)
  }

  mapPage(address: number, page: Page, options: { wp?: boolean; copyOnWrite?: boolean } = {}): void {
    const { wp = false, copyOnWrite = false } = options
    this.setEntry(address, { kind: 'present', page, wp, copyOnWrite })
  }

  clearEntry(address: number): void {
    const old = this.#entries.get(address)
    if (old?.kind === 'present') old.page.release()
    this.#entries.delete(address)
  }

  /** What looks for a page's entry, to set it, makes the table; whether an entry comes of it or not. */
  addTable(address: number): void {
    this.#tables.add(Math.floor(address / HUGE_PAGE_SIZE))
  }

  hasTable(address: number): boolean {
    return this.#tables.has(Math.floor(address / HUGE_PAGE_SIZE))
  }

  /** Removes page-table entries of `[start, end)` of `vma`. */
  zap(vma: Vma, start: number, end: number, options: ZapOptions): void {
    const step = pageSizeOf(vma)
    for (let address = Math.max(start, vma.start); address < Math.min(end, vma.end); address += step) {
      const entry = this.#entries.get(address)
      if (entry !== undefined) this.#zapEntry(vma, address, entry, options)
    }
  }

  #zapEntry(vma: Vma, address: number, entry: Entry, { dropMarkers, privateCopies }: ZapOptions): void {
    const keepsProtection = !isAnonymous(vma) && !dropMarkers
    if (entry.kind === 'present') {
      const own = vma.file !== null && !isZeroPage(entry) && entry.page !== vma.file.cached(fileIndex(vma, address))
      if (own && !privateCopies && !isHugetlb(vma)) return
      // Small pages leave a marker only where the area still has the mode (pte_install_uffd_wp_if_needed).
      const marks = isHugetlb(vma) || (vma.modes & UFFDIO_REGISTER_MODE_WP) !== 0
      if (keepsProtection && entry.wp && marks) this.setEntry(address, WP_MARKER)
      else this.clearEntry(address)
    } else if (entry.kind === 'poison') {
      if (privateCopies || isHugetlb(vma)) this.clearEntry(address)
    } else if (!keepsProtection) this.clearEntry(address)
  }

  /** Takes `[start, end)` out of the address space. */
  unmap(start: number, end: number): void {
    for (const vma of this.vmas.isolate(start, end)) {
      this.zap(vma, vma.start, vma.end, { dropMarkers: true, privateCopies: true })
      this.vmas.remove(vma)
      const first = Math.floor(vma.start / HUGE_PAGE_SIZE)
      for (let table = first; table * HUGE_PAGE_SIZE < vma.end; table++) {
        const inUse = this.vmas.overlapping(table * HUGE_PAGE_SIZE, (table + 1) * HUGE_PAGE_SIZE).length > 0
        if (!inUse) this.#tables.delete(table)
      }
    }
  }

  /** Clears write protection from pages and markers of `[start, end)`, which lies in `vma`. */
  unprotect(vma: Vma, start: number, end: number): void {
    for (let address = start; address < end; address += pageSizeOf(vma)) {
      const entry = this.#entries.get(address)
      if (entry?.kind === 'present') entry.wp = false
      else if (entry?.kind === 'wp-marker') this.clearEntry(address)
    }
  }

  /** Gives up the registration of a whole area, as UNREGISTER and close do. What a dropped mode WP left behind stays. */
  forgetContext(vma: Vma): void {
    if ((vma.modes & UFFDIO_REGISTER_MODE_WP) !== 0) this.unprotect(vma, vma.start, vma.end)
    vma.context = null
    vma.modes = 0
  }

  /** Zaps what maps pages `[first, end)` of `file`. */
  zapFile(file: ModelFile, first: number, end: number, options: ZapOptions): void {
    for (const vma of this.vmas.all) {
      if (vma.file !== file) continue
      const size = pageSizeOf(vma)
      const start = vma.start + first * size - vma.offset
      this.zap(vma, start, end === Number.POSITIVE_INFINITY ? vma.end : start + (end - first) * size, options)
    }
  }

  exit(): void {
    for (const vma of [...this.vmas.all]) this.unmap(vma.start, vma.end)
    this.gone = true
  }
}

/** True for a page that only the zero page's content stands for. */
export function isZeroPage(entry: PresentEntry): boolean {
  return entry.page === ZERO_PAGE
}

export function pageBase(vma: Vma, address: number): number {
  const size = pageSizeOf(vma)
  return address - (address % size)
}
