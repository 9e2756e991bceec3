/** Numbers of Linux that conformance cases need (system calls: x86-64), and what wraps more than one call. */
import { LazyRestoreError } from '../../../core/error.ts'
import { errnoName } from '../../constants.ts'
import { addressOf, libc } from '../../native.ts'

export const SYS_MMAP = 9
export const SYS_MUNMAP = 11
export const SYS_RT_SIGACTION = 13
export const SYS_PREAD64 = 17
export const SYS_PWRITE64 = 18
export const SYS_MREMAP = 25
export const SYS_MADVISE = 28
export const SYS_LSEEK = 8
export const SYS_ALARM = 37
export const SYS_CLONE = 56
export const SYS_WAIT4 = 61
export const SYS_TGKILL = 234
export const SYS_MLOCK2 = 325
const SYS_FSOPEN = 430
const SYS_FSCONFIG = 431
const SYS_FSMOUNT = 432

export const PROT_READ = 1
export const PROT_WRITE = 2
export const PROT_EXEC = 4
export const MAP_SHARED = 0x01
export const MAP_PRIVATE = 0x02
export const MAP_FIXED = 0x10
export const MAP_ANONYMOUS = 0x20
export const MAP_NORESERVE = 0x4000
export const MAP_POPULATE = 0x8000
export const MAP_HUGETLB = 0x40000
export const MAP_FIXED_NOREPLACE = 0x100000
export const MAP_HUGE_SHIFT = 26
export const MREMAP_MAYMOVE = 1
export const MREMAP_FIXED = 2
export const MADV_DONTNEED = 4
export const MADV_FREE = 8
export const MADV_REMOVE = 9
export const MADV_HUGEPAGE = 14
export const MLOCK_ONFAULT = 1
export const MFD_CLOEXEC = 1
export const MFD_HUGETLB = 4
export const FALLOC_FL_KEEP_SIZE = 1
export const FALLOC_FL_PUNCH_HOLE = 2
export const SEEK_DATA = 3
export const CLONE_FILES = 0x400
export const SIGBUS = 7
export const SIGSEGV = 11
export const SIGUSR2 = 12
export const SIGCHLD = 17
export const SA_SIGINFO = 4
export const SA_RESTORER = 0x04000000
export const SA_NODEFER = 0x40000000
const FSCONFIG_SET_STRING = 1
const FSCONFIG_CMD_CREATE = 6

/** syscall(2); what is not given is 0. */
export function systemCall(nr: number, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0): number {
  return libc().syscall(nr, a, b, c, d, e, f)
}

/** @throws LazyRestoreError `io` when `result` says that the call failed */
export function must(what: string, result: number): number {
  if (result >= 0) return result
  throw new LazyRestoreError('io', `${what}: found ${errnoName(libc().errno())}, expected success`)
}

/** `ok`, or the name of the errno. */
export function answerOf(result: number): string {
  return result < 0 ? errnoName(libc().errno()) : 'ok'
}

/** A memfd; 2 MiB or 1 GiB pages when asked for. */
export function createMemoryFile(hugePageSize = 0): number {
  const huge = hugePageSize === 0 ? 0 : MFD_HUGETLB | (Math.log2(hugePageSize) << MAP_HUGE_SHIFT)
  return must('memfd_create', libc().memfd_create('lazyrestore-conform', MFD_CLOEXEC | huge))
}

/** A file system mounted nowhere, as a descriptor; null where that is not allowed. */
export function mountDetached(type: string, options: Readonly<Record<string, string>>): number | null {
  const kept: Buffer[] = []
  const text = (value: string): number => {
    const bytes = Buffer.from(`${value}\0`)
    kept.push(bytes)
    return addressOf(bytes)
  }
  const context = systemCall(SYS_FSOPEN, text(type))
  if (context < 0) return null
  const settings = Object.entries(options).map(([key, value]) => [FSCONFIG_SET_STRING, text(key), text(value)] as const)
  const refused = [...settings, [FSCONFIG_CMD_CREATE, 0, 0] as const].some(
    ([command, key, value]) => systemCall(SYS_FSCONFIG, context, command, key, value) < 0,
  )
  const mount = refused ? -1 : systemCall(SYS_FSMOUNT, context)
  libc().close(context)
  return mount < 0 || kept.length === 0 ? null : mount
}
