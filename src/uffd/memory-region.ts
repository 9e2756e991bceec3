/**
 * Memory for a restore: anonymous, shared (memfd_create(2)) or of huge pages (mmap(2) MAP_HUGETLB, MFD_HUGETLB), aligned to
 * its host page. It lies inside an inaccessible reservation with a guard page at both ends, so that the kernel cannot merge it with a
 * neighbour and a call that runs over its end fails.
 *
 *     reservation  [ guard … ][ region, aligned to the host page          ][ … guard ]
 *
 * Views are made once, each of at most MAX_VIEW_BYTES. Reading through one touches: only for memory that is not registered, or is
 * installed. To look at what may be missing, use `resident`.
 */
import { LazyRestoreError } from '../core/error.ts'
import { formatBytes } from '../core/units.ts'
import type { BlockMemory, MemoryKind } from '../destination/host-pages.ts'
import { errnoName } from './constants.ts'
import { hugePageReason } from './huge-pages.ts'
import { type Libc, libc, MAX_VIEW_BYTES, viewMemory } from './native.ts'
import { ResidentReader } from './resident-reader.ts'

const PROT_NONE = 0
const PROT_READ = 1
const PROT_WRITE = 2
const MAP_SHARED = 0x01
const MAP_PRIVATE = 0x02
const MAP_FIXED = 0x10
const MAP_ANONYMOUS = 0x20
const MAP_NORESERVE = 0x4000
const MAP_HUGETLB = 0x40000
const MFD_CLOEXEC = 1
const MFD_HUGETLB = 4
/** log2 of the huge page size stands above this bit, in the flags of both calls. */
const HUGE_SHIFT = 26
const MADV_DONTNEED = 4
const MADV_REMOVE = 9
const SMALL_PAGE = 4096

export interface MemoryRegionOptions extends BlockMemory {
  /** A multiple of the host page size. */
  readonly byteLength: number
  /** shmem and hugetlb: a shared mapping of a memfd (initially so), or a private one. Anonymous memory is private. */
  readonly shared?: boolean
}

export class MemoryRegion {
  readonly kind: MemoryKind
  readonly hostPageSize: number
  readonly byteLength: number
  readonly shared: boolean
  readonly address: number
  /** The memfd, for alias mappings and to fill the page cache; -1 when there is none. */
  readonly descriptor: number
  readonly #libc: Libc
  readonly #reservation: number
  readonly #reservedBytes: number
  readonly #views: Uint8Array[] = []
  #resident: ResidentReader | null = null
  #closed = false

  /**
   * @throws LazyRestoreError `usage` for a length or page size that cannot be; `unsupported` when huge pages or koffi are
   * missing, with what to do about it; `io` when the kernel refuses.
   */
  constructor({ kind, hostPageSize, byteLength, shared = kind !== 'anon' }: MemoryRegionOptions) {
    checkOptions(kind, hostPageSize, byteLength, shared)
    this.kind = kind
    this.hostPageSize = hostPageSize
    this.byteLength = byteLength
    this.shared = shared
    this.#libc = libc()
    // Room to align, and at least one page before and behind.
    this.#reservedBytes = byteLength + 2 * Math.max(hostPageSize, SMALL_PAGE)
    this.#reservation = this.#map(0, this.#reservedBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1)
    this.address = (Math.floor(this.#reservation / hostPageSize) + 1) * hostPageSize
    let descriptor = -1
    try {
      descriptor = this.#createFile()
      const flags = MAP_FIXED | (shared ? MAP_SHARED : MAP_PRIVATE) | this.#anonymousFlags(descriptor)
      this.#map(this.address, byteLength, PROT_READ | PROT_WRITE, flags, descriptor)
    } catch (error) {
      this.#libc.munmap(this.#reservation, this.#reservedBytes)
      if (descriptor >= 0) this.#libc.close(descriptor)
      throw error
    }
    this.descriptor = descriptor
  }

  /**
   * The bytes as a typed array over the memory itself. Good until `close`; an access after that ends the process.
   * @throws LazyRestoreError `usage` for a range that leaves the region or crosses a multiple of MAX_VIEW_BYTES.
   */
  view(offset: number, length: number): Uint8Array {
    this.#checkOpen()
    const index = Math.floor(offset / MAX_VIEW_BYTES)
    const start = index * MAX_VIEW_BYTES
    const end = Math.min(start + MAX_VIEW_BYTES, this.byteLength)
    if (offset < 0 || length < 0 || offset + length > end) {
      const what = `bytes ${offset} to ${offset + length} of a region`
      throw new LazyRestoreError('usage', `${what}: found no view of them, expected them within ${start} to ${end}`)
    }
    this.#views[index] ??= new Uint8Array(viewMemory(this.address + start, end - start))
    return this.#views[index].subarray(offset - start, offset - start + length)
  }

  /** Reads and compares without touching; takes addresses. */
  get resident(): ResidentReader {
    this.#checkOpen()
    this.#resident ??= new ResidentReader()
    return this.#resident
  }

  /** Drops all pages, so that they are missing again (madvise(2)). @throws LazyRestoreError `io` */
  discard(): void {
    this.#checkOpen()
    const advice = this.shared ? MADV_REMOVE : MADV_DONTNEED
    if (this.#libc.madvise(this.address, this.byteLength, advice) < 0) throw this.#failure('madvise')
    if (this.kind === 'hugetlb' && this.shared) this.#reserveAgain()
  }

  /**
   * A hole in a file of hugetlbfs gives its reservation back with its pages (Linux mm/hugetlb.c, hugetlb_unreserve_pages), and
   * a touch that then finds the pool empty is SIGBUS. A mapping reserves for the file, and what it reserved outlives it.
   */
  #reserveAgain(): void {
    const again = this.#map(0, this.byteLength, PROT_NONE, MAP_SHARED, this.descriptor)
    this.#libc.munmap(again, this.byteLength)
  }

  /** Drops the views and unmaps. Whoever still waits for a page of it is sent SIGSEGV. May be called twice. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#views.length = 0
    this.#resident?.close()
    this.#libc.munmap(this.#reservation, this.#reservedBytes)
    if (this.descriptor >= 0) this.#libc.close(this.descriptor)
  }

  #createFile(): number {
    const isHuge = this.kind === 'hugetlb'
    if (this.kind === 'anon' || (isHuge && !this.shared)) return -1
    const flags = MFD_CLOEXEC | (isHuge ? MFD_HUGETLB | hugeSizeFlag(this.hostPageSize) : 0)
    const descriptor = this.#libc.memfd_create('lazyrestore', flags)
    if (descriptor < 0) throw this.#failure('memfd_create')
    if (this.#libc.ftruncate(descriptor, this.byteLength) === 0) return descriptor
    const failure = this.#failure('ftruncate')
    this.#libc.close(descriptor)
    throw failure
  }

  #anonymousFlags(descriptor: number): number {
    if (descriptor >= 0) return 0
    return MAP_ANONYMOUS | (this.kind === 'hugetlb' ? MAP_HUGETLB | hugeSizeFlag(this.hostPageSize) : 0)
  }

  #map(address: number, length: number, protection: number, flags: number, descriptor: number): number {
    const mapped = this.#libc.mmap(address, length, protection, flags, descriptor, 0)
    if (mapped === -1) throw this.#failure('mmap')
    return mapped
  }

  #failure(call: string): LazyRestoreError {
    const found = errnoName(this.#libc.errno())
    const what = `${this.shared ? 'shared' : 'private'} ${this.kind} memory of ${formatBytes(this.byteLength)}`
    return new LazyRestoreError('io', `${what}: ${call}: found ${found}, expected success`)
  }

  #checkOpen(): void {
    if (this.#closed) throw new LazyRestoreError('usage', 'memory region: found it closed, expected it open')
  }
}

function checkOptions(kind: MemoryKind, hostPageSize: number, byteLength: number, shared: boolean): void {
  const isPage = Number.isInteger(Math.log2(hostPageSize)) && hostPageSize >= SMALL_PAGE
  if (!isPage)
    throw new LazyRestoreError('usage', `host page size: found ${hostPageSize}, expected a power of two ≥ 4096`)
  if (!(byteLength > 0) || byteLength % hostPageSize !== 0) {
    const expected = `a multiple of its host page size, ${formatBytes(hostPageSize)}`
    throw new LazyRestoreError('usage', `memory region: found a length of ${byteLength} bytes, expected ${expected}`)
  }
  if (kind === 'anon' && shared) {
    throw new LazyRestoreError('usage', 'memory region: found shared anonymous memory, expected private, or shmem')
  }
  const reason = kind === 'hugetlb' ? hugePageReason(hostPageSize, byteLength / hostPageSize) : null
  if (reason !== null) throw new LazyRestoreError('unsupported', reason)
}

function hugeSizeFlag(pageSize: number): number {
  return Math.log2(pageSize) * 2 ** HUGE_SHIFT
}
