/**
 * Unix stream sockets by descriptor, for what node's own cannot do: descriptors that travel along (scm-rights.ts) and the
 * peer's process. unix(7). A descriptor that is returned is close-on-exec, and the caller's to close.
 */
import { rmSync, statSync } from 'node:fs'
import { constants } from 'node:os'
import { LazyRestoreError } from '../core/error.ts'
import { errnoName } from './constants.ts'
import { addressOf, libc } from './native.ts'

const { EADDRINUSE, EAGAIN, ECONNABORTED, ECONNREFUSED, EINTR, ENOENT } = constants.errno

const AF_UNIX = 1
const SOCK_STREAM = 1
const SOCK_NONBLOCK = 0o4000
const SOCK_CLOEXEC = 0o2000000
export const SOL_SOCKET = 1
const SO_PEERCRED = 17
/** Linux 6.5. */
const SO_PEERPIDFD = 77
/** sun_path with the zero at its end. */
const MAX_PATH_BYTES = 108
const BACKLOG = 128

export const POLLIN = 0x1
export const POLLERR = 0x8
export const POLLHUP = 0x10
/** The peer has closed, or ended its sending side. */
export const POLLRDHUP = 0x2000

/**
 * A non-blocking socket that listens at the path. A socket file there that nobody listens at any more is replaced.
 * @throws LazyRestoreError `usage` for a path that is too long; `io` when somebody listens there, or it is no socket
 */
export function listenAt(path: string): number {
  const c = libc()
  const address = unixAddress(path)
  const descriptor = newSocket(SOCK_NONBLOCK)
  const errnoOf = (result: number) => (result < 0 ? c.errno() : 0)
  let errno = errnoOf(c.bind(descriptor, address, address.byteLength))
  if (errno === EADDRINUSE && isAbandoned(path)) {
    rmSync(path, { force: true })
    errno = errnoOf(c.bind(descriptor, address, address.byteLength))
  }
  if (errno === 0) errno = errnoOf(c.listen(descriptor, BACKLOG))
  if (errno === 0) return descriptor
  c.close(descriptor)
  throw new LazyRestoreError('io', `${path}: cannot listen: found ${errnoName(errno)}`)
}

/** Blocking. @throws LazyRestoreError `io` when nobody listens there */
export function connectTo(path: string): number {
  const c = libc()
  const address = unixAddress(path)
  const descriptor = newSocket(0)
  if (c.connect(descriptor, address, address.byteLength) >= 0) return descriptor
  const errno = c.errno()
  c.close(descriptor)
  throw new LazyRestoreError('io', `${path}: cannot connect: found ${errnoName(errno)}`)
}

/** Two blocking sockets that are connected with each other. */
export function connectedPair(): readonly [number, number] {
  const pair = new Int32Array(2)
  const c = libc()
  if (c.socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
    throw new LazyRestoreError('io', `socketpair: found ${errnoName(c.errno())}`)
  }
  return [pair[0], pair[1]]
}

/** The next connection, non-blocking; null: none waits. @throws LazyRestoreError `io`, such as for want of descriptors */
export function acceptFrom(listener: number): number | null {
  const c = libc()
  const descriptor = c.accept4(listener, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC)
  if (descriptor >= 0) return descriptor
  const errno = c.errno()
  if (errno === EAGAIN || errno === ECONNABORTED || errno === EINTR) return null
  throw new LazyRestoreError('io', `accept: found ${errnoName(errno)}, expected a connection`)
}

/** The process that connected, or that made the pair (SO_PEERCRED, socket(7)). */
export function peerPid(socketFd: number): number {
  const c = libc()
  const credentials = new Int32Array(3) // struct ucred: pid, uid, gid
  if (c.getsockopt(socketFd, SOL_SOCKET, SO_PEERCRED, credentials, new Uint32Array([12])) < 0) {
    throw new LazyRestoreError('io', `SO_PEERCRED: found ${errnoName(c.errno())}, expected the peer's process`)
  }
  return credentials[0]
}

/** A pidfd of the same process (SO_PEERPIDFD); or errno, ENOPROTOOPT where the kernel has none. */
export function peerPidfd(socketFd: number): number | { readonly errno: number } {
  const c = libc()
  const pidfd = new Int32Array([-1])
  const result = c.getsockopt(socketFd, SOL_SOCKET, SO_PEERPIDFD, pidfd, new Uint32Array([4]))
  return result < 0 ? { errno: c.errno() } : pidfd[0]
}

/**
 * poll(2) for any number of descriptors. Returns what is the case for each: bits of `events`, POLLERR and POLLHUP;
 * all 0 when time was up or a signal came.
 */
export function pollAll(descriptors: readonly number[], events: number, timeoutMs: number): readonly number[] {
  const entries = new Int32Array(descriptors.length * 2)
  for (const [i, fd] of descriptors.entries()) {
    entries[2 * i] = fd
    entries[2 * i + 1] = events
  }
  const c = libc()
  const ready = c.poll(addressOf(entries), descriptors.length, timeoutMs)
  if (ready < 0 && c.errno() !== EINTR) {
    throw new LazyRestoreError('io', `poll: found ${errnoName(c.errno())}, expected to wait`)
  }
  return descriptors.map((_, i) => (ready <= 0 ? 0 : entries[2 * i + 1] >>> 16))
}

function newSocket(flags: number): number {
  const c = libc()
  const descriptor = c.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0)
  if (descriptor >= 0) return descriptor
  throw new LazyRestoreError('io', `socket: found ${errnoName(c.errno())}, expected a descriptor`)
}

/** struct sockaddr_un: family (u16), then the path with a zero behind it. */
function unixAddress(path: string): Uint8Array {
  const bytes = Buffer.from(path)
  if (bytes.byteLength === 0 || bytes.byteLength >= MAX_PATH_BYTES || bytes.includes(0)) {
    const expected = `expected 1 to ${MAX_PATH_BYTES - 1} bytes, none of them 0`
    throw new LazyRestoreError('usage', `socket path '${path}': found ${bytes.byteLength} bytes, ${expected}`)
  }
  const address = new Uint8Array(2 + bytes.byteLength + 1)
  address[0] = AF_UNIX
  address.set(bytes, 2)
  return address
}

/** A socket whose listener is gone refuses connections. */
function isAbandoned(path: string): boolean {
  if (!statSync(path, { throwIfNoEntry: false })?.isSocket()) return false
  const c = libc()
  const address = unixAddress(path)
  const probe = newSocket(SOCK_NONBLOCK)
  const result = c.connect(probe, address, address.byteLength)
  const errno = result < 0 ? c.errno() : 0
  c.close(probe)
  return errno === ECONNREFUSED || errno === ENOENT
}
