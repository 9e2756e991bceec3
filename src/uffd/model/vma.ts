/**
 * Virtual memory areas: what is mapped where, with which protection and under which userfaultfd. Registration, mprotect and
 * munmap split them; neighbours that have become alike merge. Both show through, because a range operation must lie in one.
 */
import type { Context } from './context.ts'
import { PAGE_SIZE } from './numbers.ts'
import type { ModelFile } from './page.ts'

/** Memory is anonymous (no file), a file's, or a host buffer that the model only reads from. */
export interface Vma {
  start: number
  end: number
  readonly file: ModelFile | null
  readonly buffer: Uint8Array | null
  /** Where `start` lies in the file or buffer; anonymous memory: the address at which it was first mapped. */
  offset: number
  readonly shared: boolean
  read: boolean
  write: boolean
  /** False for a shared mapping of a file that was opened read-only. */
  readonly mayWrite: boolean
  /** mlock: it may not be given back, and MOVE wants both sides alike. */
  locked: boolean
  /** The first touch populates a whole aligned 2 MiB. */
  readonly transparentHuge: boolean
  context: Context | null
  modes: number
  /**
   * Stands for the kernel's anon_vma: set once the area got its first private page, or an operation was about to give it one.
   * Areas with different ones never merge.
   */
  family: object | null
}

export function pageSizeOf(vma: Vma): number {
  return vma.file?.pageSize ?? PAGE_SIZE
}

export function isHugetlb(vma: Vma): boolean {
  return vma.file?.kind === 'hugetlb'
}

export function isShmem(vma: Vma): boolean {
  return vma.file?.kind === 'shmem'
}

export function isAnonymous(vma: Vma): boolean {
  return vma.file === null && vma.buffer === null
}

/** Index in the file of the page at `address`. */
export function fileIndex(vma: Vma, address: number): number {
  return Math.floor((vma.offset + address - vma.start) / pageSizeOf(vma))
}

/** Cuts `vma` at `address`, which lies inside; returns the upper part. */
function cut(vma: Vma, address: number): Vma {
  const upper: Vma = { ...vma, start: address, offset: vma.offset + (address - vma.start) }
  vma.end = address
  return upper
}

function sameFlags(a: Vma, b: Vma): boolean {
  return (
    a.end === b.start &&
    a.file === b.file &&
    a.buffer === b.buffer &&
    a.shared === b.shared &&
    a.mayWrite === b.mayWrite &&
    a.locked === b.locked &&
    a.transparentHuge === b.transparentHuge &&
    a.context === b.context &&
    a.modes === b.modes &&
    a.offset + (a.end - a.start) === b.offset
  )
}

function canMerge(a: Vma, b: Vma): boolean {
  if (isHugetlb(a) || !sameFlags(a, b) || a.read !== b.read || a.write !== b.write) return false
  return a.family === b.family || a.family === null || b.family === null
}

/** The areas of an address space in ascending order, never overlapping. */
export class VmaList {
  readonly #areas: Vma[] = []

  get all(): readonly Vma[] {
    return this.#areas
  }

  /** Index of the first area that ends above `address`. */
  #indexAbove(address: number): number {
    let low = 0
    let high = this.#areas.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#areas[middle].end > address) high = middle
      else low = middle + 1
    }
    return low
  }

  find(address: number): Vma | undefined {
    const vma = this.#areas[this.#indexAbove(address)]
    return vma !== undefined && vma.start <= address ? vma : undefined
  }

  /** Areas that overlap `[start, end)`, uncut. */
  overlapping(start: number, end: number): Vma[] {
    const found: Vma[] = []
    for (let i = this.#indexAbove(start); i < this.#areas.length && this.#areas[i].start < end; i++) {
      found.push(this.#areas[i])
    }
    return found
  }

  /** Cuts at both ends of `[start, end)`; returns the areas inside. */
  isolate(start: number, end: number): Vma[] {
    for (const address of [start, end]) {
      const index = this.#indexAbove(address)
      const vma = this.#areas[index]
      if (vma !== undefined && vma.start < address) this.#areas.splice(index + 1, 0, cut(vma, address))
    }
    return this.overlapping(start, end)
  }

  insert(vma: Vma): void {
    this.#areas.splice(this.#indexAbove(vma.start), 0, vma)
  }

  remove(vma: Vma): void {
    this.#areas.splice(this.#areas.indexOf(vma), 1)
  }

  /** Merges what has become alike within `[start, end]`, the neighbours on both sides included. */
  mergeAround(start: number, end: number): void {
    let index = Math.max(0, this.#indexAbove(start - 1))
    while (index + 1 < this.#areas.length && this.#areas[index].start <= end) {
      const [lower, upper] = [this.#areas[index], this.#areas[index + 1]]
      if (canMerge(lower, upper)) {
        lower.end = upper.end
        lower.family ??= upper.family
        this.#areas.splice(index + 1, 1)
      } else index++
    }
  }

  /** Gives `vma` a family before its first private page: that of a neighbour it could merge with but for protection. */
  joinFamily(vma: Vma): void {
    if (vma.family !== null || vma.shared) return
    const index = this.#areas.indexOf(vma)
    const lower = this.#areas[index - 1]
    const upper = this.#areas[index + 1]
    if (upper !== undefined && upper.family !== null && sameFlags(vma, upper)) vma.family = upper.family
    else if (lower !== undefined && lower.family !== null && sameFlags(lower, vma)) vma.family = lower.family
    else vma.family = {}
  }
}
