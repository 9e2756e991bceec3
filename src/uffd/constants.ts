/**
 * The numbers of the userfaultfd interface, under the kernel's names: ioctl_userfaultfd(2), userfaultfd(2),
 * include/uapi/linux/userfaultfd.h. The requests hold on every architecture of Linux that encodes ioctls generically
 * (x86-64, arm64, riscv64); system call numbers do not, so those are by architecture.
 */
import { getSystemErrorName } from 'node:util'

/** What `api` shakes hands on. */
export const UFFD_API = 0xaa

/** Requests: direction, size of the struct, type 0xAA and number in one word (ioctl(2)). */
export const UFFDIO_API = 0xc018aa3f
export const UFFDIO_REGISTER = 0xc020aa00
export const UFFDIO_UNREGISTER = 0x8010aa01
export const UFFDIO_WAKE = 0x8010aa02
export const UFFDIO_COPY = 0xc028aa03
export const UFFDIO_ZEROPAGE = 0xc020aa04
export const UFFDIO_MOVE = 0xc028aa05
export const UFFDIO_WRITEPROTECT = 0xc018aa06
export const UFFDIO_CONTINUE = 0xc020aa07
export const UFFDIO_POISON = 0xc020aa08
/** On /dev/userfaultfd; the argument is the flags, the answer a descriptor. */
export const USERFAULTFD_IOC_NEW = 0xaa00

/** Creation flags, userfaultfd(2). The first two are O_CLOEXEC and O_NONBLOCK of x86-64 and arm64. */
export const O_CLOEXEC = 0o2000000
export const O_NONBLOCK = 0o4000
/** Only faults in user mode are handled: not those of system calls, nor of KVM. Needs no privilege. */
export const UFFD_USER_MODE_ONLY = 1

/** The number of userfaultfd(2), by `process.arch`. */
export const SYS_USERFAULTFD: Readonly<Record<string, number>> = { x64: 323, arm64: 282, riscv64: 282 }

/** Modes of `register`. */
export const UFFDIO_REGISTER_MODE_MISSING = 1
export const UFFDIO_REGISTER_MODE_WP = 2
export const UFFDIO_REGISTER_MODE_MINOR = 4

/** Modes of the range operations. One of DONTWAKE's own value would do, were it not for WRITEPROTECT. */
export const UFFDIO_COPY_MODE_DONTWAKE = 1
export const UFFDIO_COPY_MODE_WP = 2
export const UFFDIO_ZEROPAGE_MODE_DONTWAKE = 1
export const UFFDIO_CONTINUE_MODE_DONTWAKE = 1
export const UFFDIO_CONTINUE_MODE_WP = 2
export const UFFDIO_POISON_MODE_DONTWAKE = 1
export const UFFDIO_MOVE_MODE_DONTWAKE = 1
export const UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES = 2
export const UFFDIO_WRITEPROTECT_MODE_WP = 1
export const UFFDIO_WRITEPROTECT_MODE_DONTWAKE = 2

/** Bits of the mask that `register` answers: 1 << the request's number. */
export const IOCTL_BIT_WAKE = 1 << 2
export const IOCTL_BIT_COPY = 1 << 3
export const IOCTL_BIT_ZEROPAGE = 1 << 4
export const IOCTL_BIT_MOVE = 1 << 5
export const IOCTL_BIT_WRITEPROTECT = 1 << 6
export const IOCTL_BIT_CONTINUE = 1 << 7
export const IOCTL_BIT_POISON = 1 << 8

/** Features of `api`. Those without a word behind them only tell that the kernel can; asking for them changes nothing. */
export const UFFD_FEATURE_PAGEFAULT_FLAG_WP = 1 << 0
/** Needs CAP_SYS_PTRACE. */
export const UFFD_FEATURE_EVENT_FORK = 1 << 1
/** This and the two below it: messages about changes of the mapping, during which operations answer 'retry'. */
export const UFFD_FEATURE_EVENT_REMAP = 1 << 2
export const UFFD_FEATURE_EVENT_REMOVE = 1 << 3
export const UFFD_FEATURE_MISSING_HUGETLBFS = 1 << 4
export const UFFD_FEATURE_MISSING_SHMEM = 1 << 5
export const UFFD_FEATURE_EVENT_UNMAP = 1 << 6
/** SIGBUS at the toucher, no message. */
export const UFFD_FEATURE_SIGBUS = 1 << 7
/** Messages name the thread. */
export const UFFD_FEATURE_THREAD_ID = 1 << 8
export const UFFD_FEATURE_MINOR_HUGETLBFS = 1 << 9
export const UFFD_FEATURE_MINOR_SHMEM = 1 << 10
/** Messages name the byte, not the page. */
export const UFFD_FEATURE_EXACT_ADDRESS = 1 << 11
export const UFFD_FEATURE_WP_HUGETLBFS_SHMEM = 1 << 12
/** Write protection holds for pages that are not there yet. */
export const UFFD_FEATURE_WP_UNPOPULATED = 1 << 13
export const UFFD_FEATURE_POISON = 1 << 14
/** The kernel lifts write protection by itself. */
export const UFFD_FEATURE_WP_ASYNC = 1 << 15
export const UFFD_FEATURE_MOVE = 1 << 16

/** The first byte of a message. */
export const UFFD_EVENT_PAGEFAULT = 0x12
export const UFFD_EVENT_FORK = 0x13
export const UFFD_EVENT_REMAP = 0x14
export const UFFD_EVENT_REMOVE = 0x15
export const UFFD_EVENT_UNMAP = 0x16

/** Flags of a page fault; neither WP nor MINOR means missing. */
export const UFFD_PAGEFAULT_FLAG_WRITE = 1
export const UFFD_PAGEFAULT_FLAG_WP = 2
export const UFFD_PAGEFAULT_FLAG_MINOR = 4

/** Bytes of struct uffd_msg. */
export const UFFD_MSG_BYTES = 32

/** `EINVAL` for 22; `errno 133` for what the platform has no name for. */
export function errnoName(errno: number): string {
  const name = errno > 0 ? getSystemErrorName(-errno) : ''
  return /^E[A-Z0-9]+$/.test(name) ? name : `errno ${errno}`
}
