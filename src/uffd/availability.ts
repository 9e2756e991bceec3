/**
 * What of this host a real restore can use. Each thing has a reason: null when it is there, else one line that says what is
 * missing and how to get it, fit to be shown as it is.
 */
import { GIB, MIB } from '../core/units.ts'
import { hugePagePool, hugePageReason } from './huge-pages.ts'
import { kvmReason } from './kvm/vm.ts'
import { nativeReason } from './native.ts'
import { Userfaultfd } from './userfaultfd.ts'

export interface HugePageAvailability {
  /** Pages that a mapping can have now. */
  readonly free: number
  readonly reason: string | null
}

export interface Availability {
  readonly koffi: string | null
  readonly userfaultfd: string | null
  readonly kvm: string | null
  readonly hugetlb2m: HugePageAvailability
  readonly hugetlb1g: HugePageAvailability
}

/** Looks at the host as it is now: opens what it names, and closes it again. */
export function probe(): Availability {
  return {
    koffi: nativeReason(),
    userfaultfd: userfaultfdReason(),
    kvm: kvmReason(),
    hugetlb2m: hugePages(2 * MIB),
    hugetlb1g: hugePages(GIB),
  }
}

function userfaultfdReason(): string | null {
  try {
    Userfaultfd.open().close()
    return null
  } catch (error) {
    return (error as Error).message
  }
}

function hugePages(pageSize: number): HugePageAvailability {
  return { free: hugePagePool(pageSize)?.available ?? 0, reason: hugePageReason(pageSize, 1) }
}
