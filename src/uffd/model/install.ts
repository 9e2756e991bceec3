/**
 * What COPY, ZEROPAGE, CONTINUE and POISON do to one page: 0, or the errno that ends the loop over the range. The order of the
 * checks decides between two errors that both apply; each function lists it.
 */
import { type AddressSpace, POISON_MARKER } from './address-space.ts'
import { EEXIST, EFAULT, EINVAL, ENOMEM, HUGE_PAGE_SIZE } from './numbers.ts'
import { type PagePool, ZERO_PAGE } from './page.ts'
import type { ProfileTraits } from './profile.ts'
import { fileIndex, isAnonymous, isHugetlb, isShmem, pageSizeOf, type Vma } from './vma.ts'

/** Where pages are installed. */
export interface InstallTarget {
  readonly mm: AddressSpace
  readonly vma: Vma
  readonly pool: PagePool
  readonly traits: ProfileTraits
  /** Install write-protected. */
  readonly wp: boolean
}

function beyondEnd(vma: Vma, address: number): boolean {
  return vma.file !== null && fileIndex(vma, address) >= vma.file.pageCount
}

/** What COPY and CONTINUE find in the page table: a page is in the way, a wp marker never, poison by version. */
function occupied({ mm, traits }: InstallTarget, address: number): boolean {
  const kind = mm.entry(address)?.kind
  return kind === 'present' || (kind === 'poison' && !traits.replacesPoison)
}

/** @param source the page's bytes; null when they cannot be read */
export function copyPage(target: InstallTarget, address: number, source: Uint8Array | null): number {
  return isHugetlb(target.vma) ? copyHuge(target, address, source) : copySmall(target, address, source)
}

/** Memory, source, end of file, page cache, page table. */
function copySmall(target: InstallTarget, address: number, source: Uint8Array | null): number {
  const { mm, vma, wp } = target
  if (target.pool.free <= 0) return ENOMEM
  if (source === null) return EFAULT
  if (beyondEnd(vma, address)) return EFAULT
  const index = vma.shared ? fileIndex(vma, address) : 0
  if (vma.shared && vma.file!.cached(index) !== undefined) return EEXIST
  if (occupied(target, address)) return EEXIST
  const page = target.pool.takeAnyway()
  page.fill(source)
  if (vma.shared) vma.file!.insert(index, page)
  mm.mapPage(address, page, { wp })
  return 0
}

/** Page table, page cache, pool, source, end of file (of shared mappings alone). */
function copyHuge(target: InstallTarget, address: number, source: Uint8Array | null): number {
  const { mm, vma, traits, wp } = target
  const file = vma.file!
  const index = fileIndex(vma, address)
  if (occupied(target, address)) return EEXIST
  if (vma.shared && file.cached(index) !== undefined) return EEXIST
  const page = file.pool.take()
  // Only with 2 MiB pages is the cause lost.
  if (page === null) return file.pageSize === HUGE_PAGE_SIZE ? traits.emptyPoolErrno : ENOMEM
  if (source === null || (vma.shared && beyondEnd(vma, address))) {
    page.discard()
    return EFAULT
  }
  page.fill(source)
  if (vma.shared) file.insert(index, page)
  mm.mapPage(address, page, { wp })
  return 0
}

/** End of file, page cache, page table; never reached for hugetlb. */
export function zeroPage(target: InstallTarget, address: number): number {
  const { mm, vma, pool } = target
  if (vma.shared && pool.free <= 0) return ENOMEM
  if (beyondEnd(vma, address)) return EFAULT
  if (!vma.shared) {
    if (mm.entry(address) !== undefined) return EEXIST
    mm.mapPage(address, ZERO_PAGE, { copyOnWrite: true })
    return 0
  }
  const index = fileIndex(vma, address)
  if (vma.file!.cached(index) !== undefined || occupied(target, address)) return EEXIST
  const page = pool.takeAnyway()
  vma.file!.insert(index, page)
  mm.mapPage(address, page)
  return 0
}

/** End of file, page cache, page table. Anonymous memory is refused before. */
export function continuePage(target: InstallTarget, address: number): number {
  const { mm, vma, traits, wp } = target
  if (isShmem(vma) && beyondEnd(vma, address)) return traits.continueBeyondEndErrno
  const page = vma.file!.cached(fileIndex(vma, address))
  if (page === undefined) return EFAULT
  if (occupied(target, address)) return EEXIST
  mm.mapPage(address, page, { wp, copyOnWrite: !vma.shared })
  return 0
}

/** End of file (not on hugetlb), page table. */
export function poisonPage({ mm, vma }: InstallTarget, address: number): number {
  if (!isHugetlb(vma) && beyondEnd(vma, address)) return EFAULT
  if (mm.entry(address) !== undefined) return EEXIST
  mm.setEntry(address, POISON_MARKER)
  return 0
}

export type InstallOperation = 'copy' | 'zeropage' | 'continue' | 'poison'

/** The checks between finding the area and the loop (docs/conform/validation.tsv). */
export function checkInstall(operation: InstallOperation, vma: Vma, start: number, length: number): number {
  if (isHugetlb(vma)) {
    const size = pageSizeOf(vma)
    return operation === 'zeropage' || start % size !== 0 || length % size !== 0 ? EINVAL : 0
  }
  if (!isAnonymous(vma) && !isShmem(vma)) return EINVAL
  return operation === 'continue' && isAnonymous(vma) ? EINVAL : 0
}
