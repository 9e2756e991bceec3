/**
 * Pages with their bytes, the pools they come from, and the files whose pages they are: the page cache of a file is apart
 * from the page tables that map it. Bytes are allocated when something other than zero is stored.
 */
import { HUGE_PAGE_SIZE, PAGE_SIZE } from './numbers.ts'

/** How many pages of one size there are; a page goes back when nothing refers to it any more. */
export class PagePool {
  readonly pageSize: number
  free: number

  constructor(pageSize: number, free: number) {
    this.pageSize = pageSize
    this.free = free
  }

  /** A page of zeros, or null when the pool is empty. */
  take(): Page | null {
    return this.free > 0 ? this.takeAnyway() : null
  }

  /** As `take`, but overdraws: a kernel reclaims memory or kills something before a plain fault fails. */
  takeAnyway(): Page {
    this.free--
    return new Page(this)
  }
}

export class Page {
  readonly #pool: PagePool | null
  readonly size: number
  /** Null: all zero. */
  bytes: Uint8Array | null = null
  #references = 0

  /** @param pool null for a page that is never given back */
  constructor(pool: PagePool | null) {
    this.#pool = pool
    this.size = pool?.pageSize ?? PAGE_SIZE
  }

  retain(): this {
    this.#references++
    return this
  }

  release(): void {
    if (--this.#references === 0 && this.#pool !== null) this.#pool.free++
  }

  /** Of a page that was taken and not used. */
  discard(): void {
    this.retain()
    this.release()
  }

  /** Takes over `size` bytes; zeros are not kept. */
  fill(bytes: Uint8Array): void {
    const zeros = ZEROS.subarray(0, bytes.length)
    this.bytes = Buffer.compare(bytes, zeros) === 0 ? null : new Uint8Array(bytes)
  }

  writeByte(offset: number, value: number): void {
    if (this.bytes === null) {
      if (value === 0) return
      this.bytes = new Uint8Array(this.size)
    }
    this.bytes[offset] = value
  }

  copyFrom(page: Page): void {
    this.bytes = page.bytes === null ? null : new Uint8Array(page.bytes)
  }
}

const ZEROS = new Uint8Array(HUGE_PAGE_SIZE)

/** The shared page that a read of untouched private memory maps. */
export const ZERO_PAGE = new Page(null)

/** `shmem` is memfd, tmpfs and shared anonymous memory; `file` any other file system. */
export type FileKind = 'shmem' | 'hugetlb' | 'file'

/** A file's size and its page cache. */
export class ModelFile {
  readonly kind: FileKind
  readonly pool: PagePool
  /** End of file, in pages of the file's size. */
  pageCount: number
  readonly #cache = new Map<number, Page>()

  constructor(kind: FileKind, pool: PagePool, pageCount: number) {
    this.kind = kind
    this.pool = pool
    this.pageCount = pageCount
  }

  get pageSize(): number {
    return this.pool.pageSize
  }

  cached(index: number): Page | undefined {
    return this.#cache.get(index)
  }

  insert(index: number, page: Page): void {
    this.#cache.set(index, page.retain())
  }

  remove(index: number): void {
    this.#cache.get(index)?.release()
    this.#cache.delete(index)
  }

  cachedIndices(): number[] {
    return [...this.#cache.keys()]
  }
}
