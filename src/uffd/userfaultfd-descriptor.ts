/** Descriptors of userfaultfd: how one is had, and whether a number is one. */
import { readlinkSync } from 'node:fs'
import { constants } from 'node:os'
import { LazyRestoreError } from '../core/error.ts'
import { errnoName, O_CLOEXEC, SYS_USERFAULTFD, USERFAULTFD_IOC_NEW } from './constants.ts'
import { type Libc, libc } from './native.ts'

const { EACCES, ENOSYS, EPERM } = constants.errno

const DEVICE = '/dev/userfaultfd'
/** What /proc says that such a descriptor is. */
const LINK = 'anon_inode:[userfaultfd]'
const O_RDWR = 2

/**
 * A new one: out of /dev/userfaultfd if this user may open it, else by the system call.
 * @param flags creation flags, userfaultfd(2)
 * @throws LazyRestoreError `unsupported`: one line that says what is missing and how to get it
 */
export function openDescriptor(flags: number): number {
  const c = libc()
  const fromDevice = openDevice(c, flags)
  return fromDevice >= 0 ? fromDevice : openBySystemCall(c, flags)
}

/** Whether the descriptor is open, and one. */
export function isUserfaultfd(descriptor: number): boolean {
  return describeDescriptor(descriptor) === LINK
}

/** What an open descriptor is, as /proc says it. */
export function describeDescriptor(descriptor: number): string {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`)
  } catch {
    return 'nothing open'
  }
}

/** -1 when this user may not open the device, or there is none; the system call is the other way. */
function openDevice(c: Libc, flags: number): number {
  const device = c.open(DEVICE, O_RDWR | O_CLOEXEC)
  if (device < 0) return -1
  const descriptor = c.ioctlWithNumber(device, USERFAULTFD_IOC_NEW, flags)
  c.close(device)
  return descriptor
}

function openBySystemCall(c: Libc, flags: number): number {
  const nr = SYS_USERFAULTFD[process.arch]
  const descriptor = nr === undefined ? -1 : c.syscall(nr, flags, 0, 0, 0, 0, 0)
  if (descriptor >= 0) return descriptor
  const errno = nr === undefined ? ENOSYS : c.errno()
  throw new LazyRestoreError('unsupported', refusalReason(errno))
}

function refusalReason(errno: number): string {
  switch (errno) {
    case ENOSYS:
      return 'userfaultfd: this kernel does not have it; it needs Linux built with CONFIG_USERFAULTFD'
    case EPERM:
    case EACCES:
      return `userfaultfd: not permitted; run as root: setfacl -m u:$USER:rw ${DEVICE}, or sysctl vm.unprivileged_userfaultfd=1, or grant CAP_SYS_PTRACE`
    default:
      return `userfaultfd: found ${errnoName(errno)}, expected a descriptor`
  }
}
