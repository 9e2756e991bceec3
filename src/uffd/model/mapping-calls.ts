/**
 * System calls that change the address space or what is behind it: munmap, mmap over, mprotect, madvise, mremap, fork. They are
 * programs of a thread, because those with an event hold the thread until the event is read (docs/conform/events.tsv): REMOVE before the pages
 * go, the others after the change.
 */

import { LazyRestoreError } from '../../core/error.ts'
import {
  errnoName,
  UFFD_EVENT_FORK,
  UFFD_EVENT_REMAP,
  UFFD_EVENT_REMOVE,
  UFFD_EVENT_UNMAP,
  UFFD_FEATURE_EVENT_FORK,
  UFFD_FEATURE_EVENT_REMAP,
  UFFD_FEATURE_EVENT_REMOVE,
  UFFD_FEATURE_EVENT_UNMAP,
} from '../constants.ts'
import { type AddressSpace, isZeroPage } from './address-space.ts'
import { Context } from './context.ts'
import { EACCES, EFAULT, EINVAL, ENOMEM, PAGE_SIZE } from './numbers.ts'
import type { ModelFile } from './page.ts'
import type { Ending, ModelThread, ThreadProgram } from './thread.ts'
import { fileIndex, isAnonymous, isHugetlb, pageSizeOf, type Vma } from './vma.ts'

/** Sleeps until the event is read and the thread runs again; only then is the change over. */
function* announce(
  thread: ModelThread,
  context: Context,
  event: number,
  address: number,
  end: number,
  extra = 0,
  child: Context | null = null,
): Generator<void, void> {
  if (!context.closed) {
    context.queueEvent(thread, event, address, end, extra, child)
    yield
  }
  context.changes--
}

/** Takes `[start, end)` away; returns the userfaultfds that want to hear of it, each counted as changing. */
function unmapRange(mm: AddressSpace, start: number, end: number): Context[] {
  const contexts = new Set<Context>()
  for (const { context } of mm.vmas.overlapping(start, end)) {
    if (context?.hasFeature(UFFD_FEATURE_EVENT_UNMAP)) contexts.add(context)
  }
  for (const context of contexts) context.changes++
  mm.unmap(start, end)
  return [...contexts]
}

function* announceUnmap(
  thread: ModelThread,
  contexts: readonly Context[],
  start: number,
  end: number,
): Generator<void, void> {
  for (const context of contexts) yield* announce(thread, context, UFFD_EVENT_UNMAP, start, end)
}

/** munmap, and mmap with MAP_FIXED when there is something to put in place. */
export function* replaceRange(
  thread: ModelThread,
  mm: AddressSpace,
  start: number,
  end: number,
  replacement: Vma | null,
): ThreadProgram {
  const contexts = unmapRange(mm, start, end)
  if (replacement !== null) {
    mm.vmas.insert(replacement)
    mm.vmas.mergeAround(start, end)
  }
  yield* announceUnmap(thread, contexts, start, end)
  return 'ok'
}

/** mprotect; ENOMEM at the first hole, what is before it is changed. */
export function protectRange(mm: AddressSpace, start: number, end: number, read: boolean, write: boolean): Ending {
  return changeAreas(mm, start, end, { read, write })
}

/** mlock2 with MLOCK_ONFAULT; ENOMEM as mprotect. Hugetlb is locked anyway and does not change. */
export function lockRange(mm: AddressSpace, start: number, end: number): Ending {
  return changeAreas(mm, start, end, { locked: true }, vma => !isHugetlb(vma))
}

function changeAreas(
  mm: AddressSpace,
  start: number,
  end: number,
  change: Pick<Vma, 'read' | 'write'> | Pick<Vma, 'locked'>,
  concerns: (vma: Vma) => boolean = () => true,
): Ending {
  let next = start
  for (const vma of mm.vmas.overlapping(start, end)) {
    if (vma.start > next) break
    const from = Math.max(start, vma.start)
    next = Math.min(end, vma.end)
    if (!concerns(vma) || isAlready(vma, change)) continue
    for (const part of mm.vmas.isolate(from, next)) Object.assign(part, change)
  }
  mm.vmas.mergeAround(start, end)
  return next >= end ? 'ok' : errnoName(ENOMEM)
}

/** Such an area is passed over, and so not split. */
function isAlready(vma: Vma, change: Partial<Vma>): boolean {
  return Object.entries(change).every(([name, value]) => vma[name as keyof Vma] === value)
}

export type Advice = 'dontneed' | 'remove' | 'free'

export function* advise(
  thread: ModelThread,
  mm: AddressSpace,
  start: number,
  end: number,
  advice: Advice,
): ThreadProgram {
  let next = start
  let hole = false
  while (next < end) {
    // Looked up anew each time: while the thread sleeps the areas may change.
    const [vma] = mm.vmas.overlapping(next, end)
    if (vma === undefined) return errnoName(ENOMEM)
    if (vma.start > next) hole = true
    const from = Math.max(next, vma.start)
    const done = yield* adviseArea(thread, mm, vma, from, Math.min(end, vma.end), advice)
    if (done.errno !== 0) return errnoName(done.errno)
    next = done.end
  }
  return hole ? errnoName(ENOMEM) : 'ok'
}

/** Where to go on, or the errno that ends the call. */
interface Advised {
  readonly errno: number
  readonly end: number
}

function* adviseArea(
  thread: ModelThread,
  mm: AddressSpace,
  vma: Vma,
  start: number,
  end: number,
  advice: Advice,
): Generator<void, Advised> {
  const { file, context } = vma
  const refused = refuseAdvice(vma, start, advice)
  if (refused !== 0) return { errno: refused, end }
  const usedEnd = isHugetlb(vma) && advice === 'dontneed' ? end - (end % pageSizeOf(vma)) : end
  if (usedEnd <= start) return { errno: 0, end }
  if (context?.hasFeature(UFFD_FEATURE_EVENT_REMOVE)) {
    context.changes++
    yield* announce(thread, context, UFFD_EVENT_REMOVE, start, usedEnd)
  }
  if (advice === 'remove') {
    punchHole([mm], file!, fileIndex(vma, start), fileIndex(vma, usedEnd - 1) + 1)
    return { errno: 0, end }
  }
  // The area may have been cut meanwhile; the rest is another turn, with another event.
  const current = mm.vmas.find(start)
  if (current === undefined) return { errno: ENOMEM, end }
  const refusedNow = refuseAdvice(current, start, advice)
  if (refusedNow !== 0) return { errno: refusedNow, end }
  const reached = Math.min(usedEnd, current.end)
  const errno = advice === 'free' ? freeLazily(mm, current, start, reached) : 0
  if (advice === 'dontneed') mm.zap(current, start, reached, { dropMarkers: false, privateCopies: true })
  return { errno, end: current.end < usedEnd ? current.end : end }
}

function refuseAdvice(vma: Vma, start: number, advice: Advice): number {
  if (vma.locked) return EINVAL
  if (advice === 'remove') return vma.file === null ? EINVAL : vma.shared && vma.mayWrite ? 0 : EACCES
  return isHugetlb(vma) && (advice === 'free' || start % pageSizeOf(vma) !== 0) ? EINVAL : 0
}

/** MADV_FREE: pages stay until memory is short, which it never is here; poison goes. */
function freeLazily(mm: AddressSpace, vma: Vma, start: number, end: number): number {
  if (!isAnonymous(vma)) return EINVAL
  for (let address = start; address < end; address += PAGE_SIZE) {
    if (mm.entry(address)?.kind === 'poison') mm.clearEntry(address)
  }
  return 0
}

/** fallocate(FALLOC_FL_PUNCH_HOLE) on pages `[first, end)`; no event. */
export function punchHole(mms: Iterable<AddressSpace>, file: ModelFile, first: number, end: number): void {
  for (const mm of mms) mm.zapFile(file, first, end, { dropMarkers: false, privateCopies: false })
  for (const index of file.cachedIndices()) if (index >= first && index < end) file.remove(index)
}

/** ftruncate to a number of pages; no event. */
export function truncate(mms: Iterable<AddressSpace>, file: ModelFile, pageCount: number): void {
  const dropMarkers = file.kind === 'hugetlb'
  for (const mm of mms) {
    mm.zapFile(file, pageCount, Number.POSITIVE_INFINITY, { dropMarkers, privateCopies: true })
  }
  for (const index of file.cachedIndices()) if (index >= pageCount) file.remove(index)
  file.pageCount = pageCount
}

/** mremap of one area's part: shrink or grow in place, or a move of all of it to a free place (`to`). */
export function* remapRange(
  thread: ModelThread,
  mm: AddressSpace,
  from: number,
  oldLength: number,
  newLength: number,
  to: number | null,
): ThreadProgram {
  const vma = mm.vmas.find(from)
  if (vma === undefined) return errnoName(EFAULT)
  if (from + oldLength > vma.end) {
    throw new LazyRestoreError('unsupported', 'mremap: found a range over several areas, expected it in one')
  }
  if (to !== null) return yield* moveRange(thread, mm, from, oldLength, to)
  if (newLength <= oldLength) {
    const contexts = newLength < oldLength ? unmapRange(mm, from + newLength, from + oldLength) : []
    yield* announceUnmap(thread, contexts, from + newLength, from + oldLength)
    return 'ok'
  }
  const end = from + newLength
  if (vma.end !== from + oldLength || mm.vmas.overlapping(vma.end, end).length > 0) return errnoName(ENOMEM)
  const grown = vma.end
  vma.end = end
  mm.vmas.mergeAround(grown, end)
  return 'ok'
}

function* moveRange(thread: ModelThread, mm: AddressSpace, from: number, length: number, to: number): ThreadProgram {
  const replaced = unmapRange(mm, to, to + length)
  const [vma] = mm.vmas.isolate(from, from + length)
  const { context } = vma
  const keeps = context?.hasFeature(UFFD_FEATURE_EVENT_REMAP) === true
  const moved: Vma = {
    ...vma,
    start: to,
    end: to + length,
    context: keeps ? context : null,
    modes: keeps ? vma.modes : 0,
  }
  if (isAnonymous(vma) && vma.family === null) moved.offset = to
  mm.vmas.insert(moved)
  for (let at = 0; at < length; at += pageSizeOf(vma)) {
    if (mm.hasTable(from + at)) mm.addTable(to + at)
    const entry = mm.entry(from + at)
    if (entry === undefined) continue
    const forgets = !keeps && entry.kind === 'wp-marker'
    if (!forgets) mm.setEntry(to + at, entry.kind === 'present' ? { ...entry, wp: keeps && entry.wp } : entry)
    mm.clearEntry(from + at)
  }
  if (keeps) context!.changes++
  const contexts = unmapRange(mm, from, from + length)
  mm.vmas.mergeAround(to, to + length)
  yield* announceUnmap(thread, replaced, to, to + length)
  if (keeps) yield* announce(thread, context!, UFFD_EVENT_REMAP, from, to, length)
  yield* announceUnmap(thread, contexts, from, from + length)
  return 'ok'
}

/** fork: `child` becomes a copy of `mm`, registered where the owner asked for UFFD_EVENT_FORK and plain elsewhere. */
export function* forkInto(thread: ModelThread, mm: AddressSpace, child: AddressSpace): ThreadProgram {
  const heirs = new Map<Context, Context>()
  for (const vma of mm.vmas.all) {
    const { context } = vma
    const inherits = context?.hasFeature(UFFD_FEATURE_EVENT_FORK) === true
    if (inherits && !heirs.has(context)) heirs.set(context, inherit(context, child))
    const heir = inherits ? heirs.get(context)! : null
    const copy: Vma = { ...vma, context: heir, modes: inherits ? vma.modes : 0 }
    child.vmas.insert(copy)
    copyEntries(mm, child, vma, inherits)
  }
  for (const [context, heir] of heirs) yield* announce(thread, context, UFFD_EVENT_FORK, 0, 0, 0, heir)
  return 'ok'
}

function inherit(context: Context, child: AddressSpace): Context {
  const heir = new Context(child, context.userModeOnly, context.wakeOrder)
  heir.initialised = true
  heir.features = context.features
  context.changes++
  return heir
}

function copyEntries(mm: AddressSpace, child: AddressSpace, vma: Vma, keepsProtection: boolean): void {
  if (vma.buffer !== null) return
  for (let address = vma.start; address < vma.end; address += pageSizeOf(vma)) {
    const entry = mm.entry(address)
    if (entry === undefined || (entry.kind === 'wp-marker' && !keepsProtection)) continue
    if (entry.kind !== 'present') {
      child.setEntry(address, entry)
      continue
    }
    const own = !vma.shared && !isZeroPage(entry)
    if (own) entry.copyOnWrite = true
    child.setEntry(address, { ...entry, wp: keepsProtection && entry.wp })
  }
}
