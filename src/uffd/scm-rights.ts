/**
 * Descriptors that travel with bytes over a Unix stream socket: sendmsg(2) and recvmsg(2) with SCM_RIGHTS, unix(7), cmsg(3).
 * The structs are those of 64-bit little-endian Linux, glibc and musl alike:
 *
 *     struct msghdr   name 0, namelen 8, iov 16, iovlen 24, control 32, controllen 40, flags 48 (int)
 *     struct cmsghdr  len 0, level 8 (int), type 12 (int), data 16; each padded to 8
 */
import { constants } from 'node:os'
import { LazyRestoreError } from '../core/error.ts'
import { errnoName } from './constants.ts'
import { addressOf, libc } from './native.ts'
import { SOL_SOCKET } from './unix-socket.ts'

const { EAGAIN, EINTR } = constants.errno

const SCM_RIGHTS = 1
const MSG_CTRUNC = 0x8
const MSG_DONTWAIT = 0x40
const MSG_NOSIGNAL = 0x4000
const MSG_CMSG_CLOEXEC = 0x40000000
const MSGHDR_WORDS = 7
const CMSG_HEADER_BYTES = 16
/** Most that the kernel lets travel with one message (SCM_MAX_FD, include/net/scm.h). */
export const MAX_DESCRIPTORS = 253
const CONTROL_BYTES = CMSG_HEADER_BYTES + align(MAX_DESCRIPTORS * 4)

export interface Received {
  /** Bytes that came; 0: the peer has closed. */
  readonly byteLength: number
  /** Close-on-exec. Whoever gets them must close them. */
  readonly descriptors: readonly number[]
}

/**
 * Sends all bytes over a blocking socket, and duplicates of the descriptors with the first of them.
 * @throws LazyRestoreError `io` when the peer is gone or the kernel refuses; `usage` without a byte or with too many descriptors
 */
export function sendWithDescriptors(socketFd: number, bytes: Uint8Array, descriptors: readonly number[]): void {
  if (bytes.byteLength === 0 || descriptors.length > MAX_DESCRIPTORS) {
    const found = `found ${bytes.byteLength} bytes and ${descriptors.length} descriptors`
    throw new LazyRestoreError('usage', `sendmsg: ${found}, expected at least 1 byte and at most ${MAX_DESCRIPTORS}`)
  }
  const c = libc()
  const control = controlOf(descriptors)
  for (let sent = 0; sent < bytes.byteLength; ) {
    const rest = bytes.subarray(sent)
    const message = messageOf(rest, sent === 0 ? control : new Uint8Array())
    const count = c.sendmsg(socketFd, message.header, MSG_NOSIGNAL)
    if (count >= 0) sent += count
    else {
      const errno = c.errno()
      if (errno === EINTR) continue
      throw new LazyRestoreError('io', `sendmsg: found ${errnoName(errno)} after ${sent} of ${bytes.byteLength} bytes`)
    }
  }
}

/**
 * What the socket has now: bytes, written from `into`'s start on, and descriptors. Does not wait.
 * @returns null: nothing is there
 * @throws LazyRestoreError `io`; descriptors that came before are closed
 */
export function receiveWithDescriptors(socketFd: number, into: Uint8Array): Received | null {
  const c = libc()
  const control = new Uint8Array(CONTROL_BYTES)
  const message = messageOf(into, control)
  const byteLength = c.recvmsg(socketFd, message.header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)
  if (byteLength < 0) {
    const errno = c.errno()
    if (errno === EAGAIN || errno === EINTR) return null
    throw new LazyRestoreError('io', `recvmsg: found ${errnoName(errno)}, expected a message`)
  }
  const descriptors = descriptorsOf(control.subarray(0, Number(message.header[5])))
  if ((Number(message.header[6]) & MSG_CTRUNC) !== 0) {
    // Also when the process has no room for more: the kernel drops those that it cannot install.
    for (const fd of descriptors) c.close(fd)
    const found = `found more descriptors than could be received, got ${descriptors.length}`
    throw new LazyRestoreError('io', `recvmsg: ${found}; is the limit of open files (ulimit -n) reached?`)
  }
  return { byteLength, descriptors }
}

/** The arrays are part of it, so that they live as long as it does. */
interface Message {
  readonly header: BigUint64Array
  readonly vector: BigUint64Array
  readonly bytes: Uint8Array
  readonly control: Uint8Array
}

function messageOf(bytes: Uint8Array, control: Uint8Array): Message {
  const vector = new BigUint64Array([BigInt(addressOf(bytes)), BigInt(bytes.byteLength)])
  const header = new BigUint64Array(MSGHDR_WORDS)
  header[2] = BigInt(addressOf(vector))
  header[3] = 1n
  if (control.byteLength > 0) header[4] = BigInt(addressOf(control))
  header[5] = BigInt(control.byteLength)
  return { header, vector, bytes, control }
}

function controlOf(descriptors: readonly number[]): Uint8Array {
  if (descriptors.length === 0) return new Uint8Array()
  const control = new Uint8Array(CMSG_HEADER_BYTES + align(descriptors.length * 4))
  const view = new DataView(control.buffer)
  view.setBigUint64(0, BigInt(CMSG_HEADER_BYTES + descriptors.length * 4), true)
  view.setInt32(8, SOL_SOCKET, true)
  view.setInt32(12, SCM_RIGHTS, true)
  for (const [i, fd] of descriptors.entries()) view.setInt32(CMSG_HEADER_BYTES + i * 4, fd, true)
  return control
}

function descriptorsOf(control: Uint8Array): number[] {
  const view = new DataView(control.buffer, control.byteOffset, control.byteLength)
  const descriptors: number[] = []
  for (let at = 0; at + CMSG_HEADER_BYTES <= control.byteLength; ) {
    const length = Number(view.getBigUint64(at, true))
    if (length < CMSG_HEADER_BYTES || at + length > control.byteLength) break
    if (view.getInt32(at + 8, true) === SOL_SOCKET && view.getInt32(at + 12, true) === SCM_RIGHTS) {
      for (let i = at + CMSG_HEADER_BYTES; i + 4 <= at + length; i += 4) descriptors.push(view.getInt32(i, true))
    }
    at += align(length)
  }
  return descriptors
}

function align(length: number): number {
  return Math.ceil(length / 8) * 8
}
