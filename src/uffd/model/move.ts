/** What MOVE does: private anonymous pages change their place, within one process. */
import { type AddressSpace, isZeroPage } from './address-space.ts'
import type { Context } from './context.ts'
import { EBUSY, EEXIST, EFAULT, EINVAL, ENOENT } from './numbers.ts'
import { isAnonymous } from './vma.ts'

/** Whether pages may move from one area to the other at all; 0 or the errno. */
export function checkMove(
  context: Context,
  destination: number,
  source: number,
  length: number,
  mm: AddressSpace,
): number {
  const from = mm.vmas.find(source)
  const to = mm.vmas.find(destination)
  if (to !== undefined) mm.vmas.joinFamily(to) // as the other operations do, whatever comes of it
  if (from === undefined || to === undefined) return ENOENT
  if (source + length > from.end || destination + length > to.end) return EINVAL
  if (from.read !== to.read || from.write !== to.write || !from.write) return EINVAL
  if (from.locked !== to.locked || to.context !== context) return EINVAL
  return isAnonymous(from) && isAnonymous(to) ? 0 : EINVAL
}

/** Page table of the source, destination, source; `'hole'` is a hole that ALLOW_SRC_HOLES lets pass. */
export function movePage(mm: AddressSpace, destination: number, source: number, allowHoles: boolean): number {
  if (!mm.hasTable(source) && !allowHoles) return ENOENT
  mm.addTable(source)
  mm.addTable(destination)
  if (mm.entry(destination) !== undefined) return EEXIST
  const entry = mm.entry(source)
  if (entry === undefined) return allowHoles ? 0 : ENOENT
  if (entry.kind !== 'present') return EFAULT
  const zero = isZeroPage(entry)
  if (entry.copyOnWrite && !zero) return EBUSY
  mm.mapPage(destination, entry.page, { copyOnWrite: zero })
  mm.clearEntry(source)
  return 0
}
