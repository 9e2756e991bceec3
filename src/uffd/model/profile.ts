/**
 * Where kernels differ. Each row was probed on 6.18 or read as a fact from the sources of the other versions; everything
 * that is not here is the same from 6.12 to 7.3. docs/conform.md lists the rows.
 */
import { EEXIST, EFAULT, EINVAL, ENOMEM } from './numbers.ts'

export const KERNEL_PROFILES = ['6.12', '6.18', '7.3'] as const
export type KernelProfile = (typeof KERNEL_PROFILES)[number]

export interface ProfileTraits {
  /** What UFFDIO_API offers. */
  readonly features: number
  /** UNREGISTER through another userfaultfd than the owner goes through; EINVAL otherwise. */
  readonly foreignUnregister: boolean
  /** COPY and CONTINUE replace a poison marker; EEXIST otherwise. */
  readonly replacesPoison: boolean
  /** COPY into hugetlb with an empty pool. */
  readonly emptyPoolErrno: number
  /** CONTINUE of shmem beyond the end of the file. */
  readonly continueBeyondEndErrno: number
  /** A second REGISTER that would drop write protection is EBUSY; it replaces the modes otherwise. */
  readonly keepsWriteProtection: boolean
  /** COPY looks whether the area was replaced while it read the source, and answers EAGAIN then. */
  readonly detectsReplacedArea: boolean
}

const TRAITS_6_18: ProfileTraits = {
  features: 0x1ffff,
  foreignUnregister: false,
  replacesPoison: true,
  emptyPoolErrno: EEXIST,
  continueBeyondEndErrno: EINVAL,
  keepsWriteProtection: false,
  detectsReplacedArea: false,
}

const TRAITS: Readonly<Record<KernelProfile, ProfileTraits>> = {
  '6.12': { ...TRAITS_6_18, foreignUnregister: true, emptyPoolErrno: ENOMEM },
  '6.18': TRAITS_6_18,
  // 7.2 adds read-write protection (feature bits 17 and 18): offered here as there, but the mode itself is not modelled.
  '7.3': {
    ...TRAITS_6_18,
    features: 0x7ffff,
    replacesPoison: false,
    continueBeyondEndErrno: EFAULT,
    keepsWriteProtection: true,
    detectsReplacedArea: true,
  },
}

export function traitsOf(profile: KernelProfile): ProfileTraits {
  return TRAITS[profile]
}
