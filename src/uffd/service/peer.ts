/**
 * The process at the other end of a socket, so that it can be ended: by a pidfd (pidfd_open(2)), which never means another
 * process that has got its number since.
 */
import { constants } from 'node:os'
import { LazyRestoreError } from '../../core/error.ts'
import { errnoName } from '../constants.ts'
import { libc } from '../native.ts'
import { peerPid, peerPidfd } from '../unix-socket.ts'
import type { Userfaultfd } from '../userfaultfd.ts'
import type { GuestRegion } from './guest-regions.ts'

const { EINVAL, ENOPROTOOPT, ESRCH } = constants.errno

const SYS_PIDFD_SEND_SIGNAL = 424
const SYS_PIDFD_OPEN = 434
const SIGKILL = 9
const SMALL_PAGE = 4096

export class Peer {
  /** 0: of another pid namespace that this process does not see into. */
  readonly pid: number
  #pidfd: number

  /** Of a connected socket. @throws LazyRestoreError `io` */
  constructor(socketFd: number) {
    this.pid = peerPid(socketFd)
    this.#pidfd = openPidfd(socketFd, this.pid)
  }

  /** Readable once the process has ended; -1: cannot be watched. */
  get pidfd(): number {
    return this.#pidfd
  }

  /** SIGKILL. Null: it is on its way, or the process had ended; else why that cannot be done. */
  kill(): string | null {
    if (this.#pidfd < 0) return `found no process ${this.pid} to end: of another pid namespace, or no pidfd_open(2)`
    const c = libc()
    if (c.syscall(SYS_PIDFD_SEND_SIGNAL, this.#pidfd, SIGKILL, 0, 0, 0, 0) === 0) return null
    const errno = c.errno()
    return errno === ESRCH ? null : `pidfd_send_signal: found ${errnoName(errno)}`
  }

  /** May be called twice. */
  close(): void {
    if (this.#pidfd >= 0) libc().close(this.#pidfd)
    this.#pidfd = -1
  }
}

function openPidfd(socketFd: number, pid: number): number {
  const exact = peerPidfd(socketFd)
  if (typeof exact === 'number') return exact
  if (exact.errno !== ENOPROTOOPT && exact.errno !== EINVAL) {
    // As when the peer has ended already.
    if (exact.errno === ESRCH) return -1
    throw new LazyRestoreError('io', `SO_PEERPIDFD: found ${errnoName(exact.errno)}, expected the peer's process`)
  }
  // Before Linux 6.5. The peer is still connected, so hardly ended: the number is its own.
  return pid <= 0 ? -1 : libc().syscall(SYS_PIDFD_OPEN, pid, 0, 0, 0, 0, 0)
}

/**
 * Whether the address space that a userfaultfd belongs to is gone: its process has ended, or runs another program. Asked by an
 * install at an address that nothing is registered at, which does nothing: ESRCH or, as long as it is there, ENOENT.
 */
export function isMemoryGone(userfaultfd: Userfaultfd, regions: readonly GuestRegion[]): boolean {
  const lowest = Math.min(...regions.map(({ address }) => address))
  return userfaultfd.zeropage(lowest - SMALL_PAGE, SMALL_PAGE, 0) === 'failed' && userfaultfd.errno === ESRCH
}
