/** What WRITEPROTECT does: unlike the installing ioctls it crosses holes and areas, and may stop halfway. */

import { UFFD_FEATURE_WP_UNPOPULATED, UFFDIO_REGISTER_MODE_WP } from '../constants.ts'
import { type AddressSpace, WP_MARKER } from './address-space.ts'
import { EINVAL, ENOENT } from './numbers.ts'
import { isAnonymous, isHugetlb, pageSizeOf, type Vma } from './vma.ts'

/** 0, or the errno at the first area that refuses; the ones before it are changed then. */
export function writeProtect(mm: AddressSpace, start: number, length: number, protect: boolean): number {
  const end = start + length
  const vmas = mm.vmas.overlapping(start, end)
  if (vmas.length === 0) return ENOENT
  for (const vma of vmas) {
    if ((vma.modes & UFFDIO_REGISTER_MODE_WP) === 0) return ENOENT
    if (isHugetlb(vma) && (start % pageSizeOf(vma) !== 0 || length % pageSizeOf(vma) !== 0)) return EINVAL
    const from = Math.max(start, vma.start)
    const to = Math.min(end, vma.end)
    if (protect) protectPages(mm, vma, from, to)
    else mm.unprotect(vma, from, to)
  }
  return 0
}

function protectPages(mm: AddressSpace, vma: Vma, start: number, end: number): void {
  const marksMissing = !isAnonymous(vma) || vma.context!.hasFeature(UFFD_FEATURE_WP_UNPOPULATED)
  for (let address = start; address < end; address += pageSizeOf(vma)) {
    const entry = mm.entry(address)
    if (entry?.kind === 'present') entry.wp = true
    else if (entry === undefined && marksMissing) mm.setEntry(address, WP_MARKER)
  }
}
