/**
 * What a load or store meets: the fault decision, one step a time until the page table allows the access. A step either
 * changes the page table as the kernel would, or says that userfaultfd has to be told, or ends in a signal.
 */
import { LazyRestoreError } from '../../core/error.ts'
import {
  UFFD_FEATURE_SIGBUS,
  UFFD_FEATURE_WP_ASYNC,
  UFFD_PAGEFAULT_FLAG_MINOR,
  UFFD_PAGEFAULT_FLAG_WP,
  UFFD_PAGEFAULT_FLAG_WRITE,
  UFFDIO_REGISTER_MODE_MINOR,
  UFFDIO_REGISTER_MODE_MISSING,
  UFFDIO_REGISTER_MODE_WP,
} from '../constants.ts'
import { type AddressSpace, type Entry, type PresentEntry, pageBase } from './address-space.ts'
import type { Context } from './context.ts'
import { HUGE_PAGE_SIZE, PAGE_SIZE } from './numbers.ts'
import { type Page, type PagePool, ZERO_PAGE } from './page.ts'
import type { ModelThread, ThreadProgram } from './thread.ts'
import { fileIndex, isHugetlb, type Vma } from './vma.ts'

const FAULT_AROUND_BYTES = 16 * PAGE_SIZE

/** userfaultfd has to be told, and the thread to sleep. */
export interface Fault {
  readonly context: Context
  readonly flags: number
  readonly base: number
}

export type AccessResult = 'ok' | 'SIGSEGV' | 'SIGBUS' | Fault

/** Resolves an access as far as the kernel does on its own. `pool` is where anonymous pages come from. */
export function access(mm: AddressSpace, pool: PagePool, address: number, write: boolean): AccessResult {
  const vma = mm.vmas.find(address)
  if (vma === undefined || !(write ? vma.write : vma.read)) return 'SIGSEGV'
  if (vma.buffer !== null) return write ? 'SIGSEGV' : 'ok'
  const base = pageBase(vma, address)
  for (;;) {
    const entry = mm.entry(base)
    const step =
      entry?.kind === 'present'
        ? stepPresent(mm, pool, vma, base, entry, write)
        : stepMissing(mm, pool, vma, base, entry, write)
    if (step !== 'again') return step
  }
}

function stepPresent(
  mm: AddressSpace,
  pool: PagePool,
  vma: Vma,
  base: number,
  entry: PresentEntry,
  write: boolean,
): AccessResult | 'again' {
  if (!write) return 'ok'
  if (entry.wp && isHugetlb(vma) && (vma.modes & UFFDIO_REGISTER_MODE_WP) === 0) {
    // Left over from a registration that was replaced. The real kernel does nothing about it, and the write faults for ever.
    throw new LazyRestoreError(
      'unsupported',
      'write to hugetlb: found write protection where the mode WP was dropped, expected none',
    )
  }
  if (entry.wp && (vma.modes & UFFDIO_REGISTER_MODE_WP) !== 0) {
    if (!vma.context!.hasFeature(UFFD_FEATURE_WP_ASYNC))
      return tell(vma, base, UFFD_PAGEFAULT_FLAG_WP | UFFD_PAGEFAULT_FLAG_WRITE)
    entry.wp = false
  }
  if (!entry.copyOnWrite) return 'ok'
  const copy = isHugetlb(vma) ? vma.file!.pool.take() : pool.takeAnyway()
  if (copy === null) return 'SIGBUS'
  copy.copyFrom(entry.page)
  mm.vmas.joinFamily(vma)
  mm.mapPage(base, copy)
  return 'again'
}

function stepMissing(
  mm: AddressSpace,
  pool: PagePool,
  vma: Vma,
  base: number,
  entry: Entry | undefined,
  write: boolean,
): AccessResult | 'again' {
  if (entry?.kind === 'poison') return 'SIGBUS'
  const marked = entry?.kind === 'wp-marker'
  if (marked && (vma.modes & UFFDIO_REGISTER_MODE_WP) === 0 && !isHugetlb(vma)) {
    mm.clearEntry(base) // left over from a registration that was replaced
    return 'again'
  }
  const wp = marked
  const writeFlag = write ? UFFD_PAGEFAULT_FLAG_WRITE : 0
  if (vma.file === null) {
    if ((vma.modes & UFFDIO_REGISTER_MODE_MISSING) !== 0) {
      const [start, end] = allocationRange(mm, vma, base)
      if (end - start === PAGE_SIZE) mm.addTable(base)
      return tell(vma, base, writeFlag)
    }
    return allocateAnonymous(mm, pool, vma, base, write, wp)
  }
  if (!write) mapAround(mm, vma, base)
  if (mm.entry(base)?.kind === 'present') return 'again'
  const index = fileIndex(vma, base)
  if (index >= vma.file.pageCount) return 'SIGBUS'
  const cached = vma.file.cached(index)
  if (cached !== undefined) {
    if ((vma.modes & UFFDIO_REGISTER_MODE_MINOR) !== 0) return tell(vma, base, UFFD_PAGEFAULT_FLAG_MINOR | writeFlag)
    mapOfFile(mm, pool, vma, base, cached, write, wp)
    return 'again'
  }
  if ((vma.modes & UFFDIO_REGISTER_MODE_MISSING) !== 0) return tell(vma, base, writeFlag)
  return allocateOfFile(mm, pool, vma, base, index, write, wp)
}

/**
 * Fault-around: a read maps what else is cached within an aligned 64 KiB of it (fault_around_bytes), unless the area is
 * registered for modes that would have to hear of it.
 */
function mapAround(mm: AddressSpace, vma: Vma, base: number): void {
  if (isHugetlb(vma) || (vma.modes & (UFFDIO_REGISTER_MODE_WP | UFFDIO_REGISTER_MODE_MINOR)) !== 0) return
  const start = base - (base % FAULT_AROUND_BYTES)
  const end = Math.min(start + FAULT_AROUND_BYTES, vma.end)
  for (let address = Math.max(start, vma.start); address < end; address += PAGE_SIZE) {
    const cached = vma.file!.cached(fileIndex(vma, address))
    if (cached === undefined || mm.entry(address) !== undefined) continue
    mm.mapPage(address, cached, { copyOnWrite: !vma.shared })
  }
}

function tell(vma: Vma, base: number, flags: number): AccessResult {
  return { context: vma.context!, flags, base }
}

function allocateAnonymous(
  mm: AddressSpace,
  pool: PagePool,
  vma: Vma,
  base: number,
  write: boolean,
  wp: boolean,
): 'again' {
  const [start, end] = allocationRange(mm, vma, base)
  if (write) mm.vmas.joinFamily(vma)
  for (let address = start; address < end; address += PAGE_SIZE) {
    if (write) mm.mapPage(address, pool.takeAnyway(), { wp })
    else mm.mapPage(address, ZERO_PAGE, { wp, copyOnWrite: true })
  }
  return 'again'
}

/** One page, or an aligned 2 MiB that is empty and may be one transparent huge page. */
function allocationRange(mm: AddressSpace, vma: Vma, base: number): [start: number, end: number] {
  const start = base - (base % HUGE_PAGE_SIZE)
  const end = start + HUGE_PAGE_SIZE
  const fits = vma.transparentHuge && start >= vma.start && end <= vma.end && !mm.hasTable(start)
  return fits ? [start, end] : [base, base + PAGE_SIZE]
}

/** A page of zeros for the file; of hugetlb, for the private mapping alone. */
function allocateOfFile(
  mm: AddressSpace,
  pool: PagePool,
  vma: Vma,
  base: number,
  index: number,
  write: boolean,
  wp: boolean,
): AccessResult | 'again' {
  const file = vma.file!
  const page: Page | null = isHugetlb(vma) ? file.pool.take() : file.pool.takeAnyway()
  if (page === null) return 'SIGBUS'
  if (isHugetlb(vma) && !vma.shared) {
    mm.vmas.joinFamily(vma)
    mm.mapPage(base, page, { wp })
    return 'again'
  }
  file.insert(index, page)
  mapOfFile(mm, pool, vma, base, page, write, wp)
  return 'again'
}

/** Maps a cached page; the first write through a private mapping of shmem gets its copy at once. */
function mapOfFile(
  mm: AddressSpace,
  pool: PagePool,
  vma: Vma,
  base: number,
  cached: Page,
  write: boolean,
  wp: boolean,
): void {
  if (vma.shared || !write || isHugetlb(vma)) {
    mm.mapPage(base, cached, { wp, copyOnWrite: !vma.shared })
    return
  }
  const copy = pool.takeAnyway()
  copy.copyFrom(cached)
  mm.vmas.joinFamily(vma)
  mm.mapPage(base, copy, { wp })
}

export interface TouchOptions {
  readonly write: boolean
  /** The kernel touches it for the thread, as read(2) and write(2) do their buffers. */
  readonly kernelMode: boolean
  /** Bytes of the access, which may straddle a page's end. */
  readonly length: number
  /** What a write stores in every byte. */
  readonly value: number
}

/** A thread's touch: sleeps at each page that userfaultfd has to provide, ends in `ok`, a signal, or EFAULT. */
export function* touch(
  thread: ModelThread,
  mm: AddressSpace,
  pool: PagePool,
  address: number,
  { write, kernelMode, length, value }: TouchOptions,
): ThreadProgram {
  for (let at = address; at < address + length; ) {
    const result = access(mm, pool, at, write)
    if (result === 'ok') {
      if (!write) thread.value = loadByte(mm, address)
      at += PAGE_SIZE - (at % PAGE_SIZE)
    } else if (typeof result === 'string') return kernelMode ? 'EFAULT' : result
    else {
      const { context, flags, base } = result
      if (kernelMode && (context.userModeOnly || context.hasFeature(UFFD_FEATURE_SIGBUS))) return 'EFAULT'
      if (context.hasFeature(UFFD_FEATURE_SIGBUS)) return 'SIGBUS'
      context.queueFault(thread, at, base, flags)
      yield
      at = address // the instruction starts over
    }
  }
  if (write) for (let at = address; at < address + length; at++) storeByte(mm, at, value)
  return 'ok'
}

/** The page present at `address` and the offset in it; null when none is. */
export function residentPage(mm: AddressSpace, address: number): { page: Page; offset: number } | null {
  const vma = mm.vmas.find(address)
  if (vma === undefined) return null
  const base = pageBase(vma, address)
  const entry = mm.entry(base)
  return entry?.kind === 'present' ? { page: entry.page, offset: address - base } : null
}

export function loadByte(mm: AddressSpace, address: number): number {
  const vma = mm.vmas.find(address)
  if (vma?.buffer) return vma.buffer[vma.offset + address - vma.start]
  const resident = residentPage(mm, address)
  return resident?.page.bytes?.[resident.offset] ?? 0
}

function storeByte(mm: AddressSpace, address: number, value: number): void {
  const { page, offset } = residentPage(mm, address)!
  page.writeByte(offset, value)
}
