/** REGISTER and UNREGISTER: which memory takes which modes (docs/conform/register.tsv), and what becomes of modes that are there already. */

import {
  IOCTL_BIT_CONTINUE,
  IOCTL_BIT_COPY,
  IOCTL_BIT_MOVE,
  IOCTL_BIT_POISON,
  IOCTL_BIT_WAKE,
  IOCTL_BIT_WRITEPROTECT,
  IOCTL_BIT_ZEROPAGE,
  UFFD_FEATURE_WP_ASYNC,
  UFFDIO_REGISTER_MODE_MINOR,
  UFFDIO_REGISTER_MODE_MISSING,
  UFFDIO_REGISTER_MODE_WP,
} from '../constants.ts'
import type { AddressSpace } from './address-space.ts'
import type { Context } from './context.ts'
import { EBUSY, EINVAL, ENOMEM, EPERM } from './numbers.ts'
import type { ProfileTraits } from './profile.ts'
import { isAnonymous, isHugetlb, isShmem, pageSizeOf, type Vma } from './vma.ts'

const HUGETLB_IOCTLS = IOCTL_BIT_WAKE | IOCTL_BIT_COPY | IOCTL_BIT_WRITEPROTECT | IOCTL_BIT_CONTINUE | IOCTL_BIT_POISON
const ALL_IOCTLS = HUGETLB_IOCTLS | IOCTL_BIT_ZEROPAGE | IOCTL_BIT_MOVE

function takesModes(vma: Vma, modes: number, wpAsync: boolean): boolean {
  if (vma.buffer !== null) return false
  if ((modes & UFFDIO_REGISTER_MODE_MINOR) !== 0 && !isHugetlb(vma) && !isShmem(vma)) return false
  return (wpAsync && modes === UFFDIO_REGISTER_MODE_WP) || isAnonymous(vma) || isHugetlb(vma) || isShmem(vma)
}

/** Misaligned when the range starts above a huge page's start, or ends inside this area and a huge page. */
function cutsHugePage(vmas: readonly Vma[], vma: Vma, start: number, end: number): boolean {
  if (!isHugetlb(vma)) return false
  const size = pageSizeOf(vma)
  return (vma === vmas[0] && start % size !== 0) || (end > vma.start && end <= vma.end && end % size !== 0)
}

/** 0 and nothing else changed but what was asked for, or the errno and nothing changed. */
export function registerRange(
  context: Context,
  traits: ProfileTraits,
  start: number,
  end: number,
  modes: number,
): number {
  const { mm } = context
  if (mm.gone) return ENOMEM
  const vmas = mm.vmas.overlapping(start, end)
  if (vmas.length === 0 || cutsHugePage(vmas, vmas[0], start, Number.NaN)) return EINVAL
  for (const vma of vmas) {
    if (!takesModes(vma, modes, context.hasFeature(UFFD_FEATURE_WP_ASYNC))) return EINVAL
    if (!vma.mayWrite) return EPERM
    if (cutsHugePage(vmas, vma, start, end)) return EINVAL
    if (vma.context !== null && vma.context !== context) return EBUSY
    const dropsWp =
      (vma.modes & UFFDIO_REGISTER_MODE_WP) !== 0 &&
      (modes & UFFDIO_REGISTER_MODE_WP) === 0 &&
      (vma.modes & modes) !== modes
    if (dropsWp && traits.keepsWriteProtection) return EBUSY
  }
  for (const vma of vmas) {
    if (vma.context === context && (vma.modes & modes) === modes) continue
    setModes(mm, vma, start, end, context, modes)
  }
  return 0
}

function setModes(
  mm: AddressSpace,
  vma: Vma,
  start: number,
  end: number,
  context: Context | null,
  modes: number,
): void {
  const from = Math.max(start, vma.start)
  const to = Math.min(end, vma.end)
  for (const part of mm.vmas.isolate(from, to)) {
    if (context === null) mm.forgetContext(part)
    part.context = context
    part.modes = modes
  }
  mm.vmas.mergeAround(from, to)
}

/** The ioctls that REGISTER advertises: by kind of memory and asked-for mode; none of it is enforced later. */
export function offeredIoctls(mm: AddressSpace, start: number, end: number, modes: number): number {
  const huge = mm.vmas.overlapping(start, end).some(isHugetlb)
  let mask = huge ? HUGETLB_IOCTLS : ALL_IOCTLS
  if ((modes & UFFDIO_REGISTER_MODE_WP) === 0) mask &= ~IOCTL_BIT_WRITEPROTECT
  if ((modes & UFFDIO_REGISTER_MODE_MINOR) === 0) mask &= ~IOCTL_BIT_CONTINUE
  return mask
}

/** 0 or the errno; the check passes over all areas before the first one changes. */
export function unregisterRange(context: Context, traits: ProfileTraits, start: number, end: number): number {
  const { mm } = context
  if (mm.gone) return ENOMEM
  const vmas = mm.vmas.overlapping(start, end)
  if (vmas.length === 0 || cutsHugePage(vmas, vmas[0], start, Number.NaN)) return EINVAL
  for (const vma of vmas) {
    if (!takesModes(vma, vma.modes, context.hasFeature(UFFD_FEATURE_WP_ASYNC))) return EINVAL
    if (cutsHugePage(vmas, vma, start, end)) return EINVAL
    if (vma.context !== null && vma.context !== context && !traits.foreignUnregister) return EINVAL
  }
  for (const vma of vmas) {
    if (vma.context === null) continue
    const { context: owner, modes } = vma
    const from = Math.max(start, vma.start)
    const to = Math.min(end, vma.end)
    setModes(mm, vma, from, to, null, 0)
    // A waiter of a range that never was MISSING stays asleep: the kernel does not wake it here.
    if ((modes & UFFDIO_REGISTER_MODE_MISSING) !== 0) owner.wake(from, to - from)
  }
  return 0
}
