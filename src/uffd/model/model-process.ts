/** A simulated process: its memory, and what its threads can do to it. Calls that may sleep answer `blocked` then. */
import { LazyRestoreError } from '../../core/error.ts'
import { residentPage, touch } from './access.ts'
import type { AddressSpace } from './address-space.ts'
import { pageBase } from './address-space.ts'
import {
  type Advice,
  advise,
  forkInto,
  lockRange,
  protectRange,
  punchHole,
  remapRange,
  replaceRange,
  truncate,
} from './mapping-calls.ts'
import type { ModelKernel } from './model-kernel.ts'
import { ModelMemory, type ModelMemoryOptions } from './model-memory.ts'
import { PAGE_SIZE } from './numbers.ts'
import type { ModelFile, PagePool } from './page.ts'
import type { Ending, ModelThread, Progress, ThreadProgram } from './thread.ts'
import { pageSizeOf, type Vma } from './vma.ts'

const FIRST_ADDRESS = 2 ** 36

export interface MapOptions {
  readonly read?: boolean
  readonly write?: boolean
  /** False: a shared mapping of a file opened read-only. */
  readonly mayWrite?: boolean
  /** The memory is eligible for transparent huge pages (madvise MADV_HUGEPAGE). */
  readonly transparentHuge?: boolean
}

export interface FileMapping extends MapOptions {
  readonly file: ModelFile
  readonly shared: boolean
}

export interface ProcessTouch {
  readonly write: boolean
  readonly kernelMode?: boolean
  readonly length?: number
  readonly value?: number
}

export class ModelProcess {
  readonly #kernel: ModelKernel
  readonly mm: AddressSpace
  /** False for a child until its fork is over, and once it exited. */
  running = true
  /** Where the next memory is mapped that no address was given for. */
  #nextAddress = FIRST_ADDRESS

  constructor(kernel: ModelKernel, mm: AddressSpace) {
    this.#kernel = kernel
    this.mm = mm
  }

  /** Where small pages come from. */
  get pool(): PagePool {
    return this.#kernel.smallPages
  }

  createThread(): ModelThread {
    return this.#kernel.createThread()
  }

  /**
   * Memory of a kind at an address that is free, aligned to its host page, with a gap on both sides.
   * @throws LazyRestoreError `usage` for a length that is no whole number of host pages
   */
  createMemory(options: ModelMemoryOptions): ModelMemory {
    const { kind, hostPageSize, byteLength, shared = kind !== 'anon' } = options
    if (hostPageSize % PAGE_SIZE !== 0 || byteLength % hostPageSize !== 0 || byteLength <= 0) {
      const found = `found ${byteLength} bytes in host pages of ${hostPageSize}`
      throw new LazyRestoreError('usage', `memory: ${found}, expected a whole number of host pages`)
    }
    const address = this.#takeAddresses(byteLength, hostPageSize)
    if (kind === 'anon') {
      this.mapAnonymous(address, byteLength)
      return new ModelMemory(this, address, options, null)
    }
    const pool = kind === 'hugetlb' ? this.#kernel.hugePages(hostPageSize) : this.#kernel.smallPages
    const file = this.#kernel.createFile(kind, byteLength / pool.pageSize, pool)
    this.mapFile(address, byteLength, { file, shared })
    return new ModelMemory(this, address, options, file)
  }

  /** As `mapBuffer`, at an address that is free; returns it. */
  createBuffer(bytes: Uint8Array): number {
    return this.mapBuffer(this.#takeAddresses(bytes.length, PAGE_SIZE), bytes)
  }

  #takeAddresses(byteLength: number, alignment: number): number {
    const address = Math.ceil(this.#nextAddress / alignment) * alignment
    this.#nextAddress = address + Math.ceil(byteLength / PAGE_SIZE) * PAGE_SIZE + PAGE_SIZE
    return address
  }

  /** Private anonymous memory at `start`, which must be free; returns `start`. */
  mapAnonymous(start: number, length: number, options: MapOptions = {}): number {
    return this.#insert(createVma(start, length, null, null, false, options))
  }

  mapFile(start: number, length: number, mapping: FileMapping): number {
    const { file, write = true } = mapping
    // A writable mapping of hugetlbfs lengthens its file; elsewhere what lies beyond the end is SIGBUS.
    if (file.kind === 'hugetlb' && write) file.pageCount = Math.max(file.pageCount, length / file.pageSize)
    return this.#insert(createVma(start, length, mapping.file, null, mapping.shared, mapping))
  }

  /** Host memory as a source for COPY: the model reads `bytes` when it copies, so they can be filled at any time. */
  mapBuffer(start: number, bytes: Uint8Array): number {
    const length = Math.ceil(bytes.length / PAGE_SIZE) * PAGE_SIZE
    return this.#insert(createVma(start, length, null, bytes, true, { write: false }))
  }

  #insert(vma: Vma): number {
    if (this.mm.vmas.overlapping(vma.start, vma.end).length > 0) {
      throw new Error(`address ${vma.start.toString(16)}: found something mapped there, expected nothing`)
    }
    this.mm.vmas.insert(vma)
    this.mm.vmas.mergeAround(vma.start, vma.end)
    return vma.start
  }

  touch(
    thread: ModelThread,
    address: number,
    { write, kernelMode = false, length = 1, value = 0 }: ProcessTouch,
  ): Progress {
    const options = { write, kernelMode, length, value }
    return thread.start(touch(thread, this.mm, this.pool, address, options))
  }

  munmap(thread: ModelThread, start: number, length: number): Progress {
    return thread.start(replaceRange(thread, this.mm, start, start + length, null))
  }

  /** mmap with MAP_FIXED of private anonymous memory over whatever is there. */
  mapOver(thread: ModelThread, start: number, length: number): Progress {
    const replacement = createVma(start, length, null, null, false, {})
    return thread.start(replaceRange(thread, this.mm, start, start + length, replacement))
  }

  /** Never sleeps. */
  mprotect(start: number, length: number, access: { read: boolean; write: boolean }): Ending {
    return protectRange(this.mm, start, start + length, access.read, access.write)
  }

  /** mlock2 with MLOCK_ONFAULT: nothing is touched. */
  mlock(start: number, length: number): Ending {
    return lockRange(this.mm, start, start + length)
  }

  madvise(thread: ModelThread, start: number, length: number, advice: Advice): Progress {
    return thread.start(advise(thread, this.mm, start, start + length, advice))
  }

  /** @param to null: stay in place; then `newLength` may differ from `oldLength` */
  mremap(thread: ModelThread, from: number, oldLength: number, newLength: number, to: number | null): Progress {
    return thread.start(remapRange(thread, this.mm, from, oldLength, newLength, to))
  }

  fork(thread: ModelThread): { readonly child: ModelProcess; readonly progress: Progress } {
    const child = this.#kernel.createProcess()
    child.running = false
    return { child, progress: thread.start(this.#forkProgram(thread, child)) }
  }

  *#forkProgram(thread: ModelThread, child: ModelProcess): ThreadProgram {
    const ending = yield* forkInto(thread, this.mm, child.mm)
    child.running = true
    return ending
  }

  /** A signal that the thread handles and returns from: asleep in a fault, it faults again. */
  signal(thread: ModelThread): void {
    this.#kernel.signal(thread)
  }

  exit(): void {
    this.running = false
    this.mm.exit()
    this.#kernel.addressSpaces.delete(this.mm)
  }

  punchHole(file: ModelFile, firstPage: number, pageCount: number): void {
    punchHole(this.#kernel.addressSpaces, file, firstPage, firstPage + pageCount)
  }

  truncate(file: ModelFile, pageCount: number): void {
    truncate(this.#kernel.addressSpaces, file, pageCount)
  }

  /** Stores `value` at the start of a page of a file, as an unregistered mapping elsewhere or pwrite would; it grows. */
  fill(file: ModelFile, page: number, value: number): void {
    file.pageCount = Math.max(file.pageCount, page + 1)
    const cached = file.cached(page) ?? file.pool.takeAnyway()
    cached.writeByte(0, value)
    if (file.cached(page) === undefined) file.insert(page, cached)
  }

  /** Whether a page table entry maps the page at `address`. */
  isPresent(address: number): boolean {
    return residentPage(this.mm, address) !== null
  }

  /** The bytes present at `[address, address + length)`, missing pages as zeros; touches nothing. */
  peek(address: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    for (let at = address; at < address + length; ) {
      const vma = this.mm.vmas.find(at)
      const base = vma === undefined ? at - (at % PAGE_SIZE) : pageBase(vma, at)
      const size = vma === undefined ? PAGE_SIZE : pageSizeOf(vma)
      const end = Math.min(base + size, address + length)
      const entry = this.mm.entry(base)
      if (entry?.kind === 'present' && entry.page.bytes !== null) {
        bytes.set(entry.page.bytes.subarray(at - base, end - base), at - address)
      }
      at = end
    }
    return bytes
  }
}

function createVma(
  start: number,
  length: number,
  file: ModelFile | null,
  buffer: Uint8Array | null,
  shared: boolean,
  { read = true, write = true, mayWrite = true, transparentHuge = false }: MapOptions,
): Vma {
  const offset = file === null && buffer === null ? start : 0
  const common = { start, end: start + length, file, buffer, offset, shared, mayWrite, transparentHuge }
  return { ...common, read: read || write, write, locked: false, context: null, modes: 0, family: null }
}
