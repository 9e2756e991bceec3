/**
 * The kernel's userfaultfd as a FaultChannel: userfaultfd(2), ioctl_userfaultfd(2). Each method is one ioctl with a struct
 * that was allocated once, so the resolver's loop makes no garbage. Failures are outcomes, not exceptions: most are the
 * daily bread of a handler.
 *
 * A descriptor belongs to the process. The thread that resolves takes it over by number (`fromDescriptor`).
 */
import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { LazyRestoreError } from '../core/error.ts'
import { CALL_IOCTL, CALL_POLL, CALL_READ, type CallChain, putUint64 } from './call-chain.ts'
import {
  O_CLOEXEC,
  O_NONBLOCK,
  UFFD_API,
  UFFD_MSG_BYTES,
  UFFD_USER_MODE_ONLY,
  UFFDIO_API,
  UFFDIO_CONTINUE,
  UFFDIO_COPY,
  UFFDIO_MOVE,
  UFFDIO_POISON,
  UFFDIO_REGISTER,
  UFFDIO_UNREGISTER,
  UFFDIO_WAKE,
  UFFDIO_WRITEPROTECT,
  UFFDIO_ZEROPAGE,
} from './constants.ts'
import type { FaultChannel, MessageBuffer, Outcome } from './kernel.ts'
import { createRawMessages, decodeMessages } from './message-buffer.ts'
import { addressOf, type Libc, libc } from './native.ts'
import { describeDescriptor, isUserfaultfd, openDescriptor } from './userfaultfd-descriptor.ts'

const { EAGAIN, EBADF, EEXIST, EIO } = constants.errno

const F_GETFL = 3
const F_SETFL = 4
const POLLIN = 1
/** Longest struct: UFFDIO_COPY and MOVE, five 64-bit fields. */
const STRUCT_WORDS = 10
/** Where the out field is, in 32-bit words: behind three 64-bit fields or behind four. */
const FIELD_3 = 6
const FIELD_4 = 8
const NO_FIELD = -1

export interface UserfaultfdOptions {
  /** Handle faults of user mode only; needs no privilege, but cannot serve system calls or KVM. */
  readonly userModeOnly?: boolean
}

export class Userfaultfd implements FaultChannel {
  bytesDone = 0
  errno = 0
  features = 0
  ioctls = 0
  readonly #libc: Libc
  readonly #struct = new Uint32Array(STRUCT_WORDS)
  readonly #pollFd = new Int32Array(2)
  #raw = createRawMessages(1)
  // As numbers, they reach the kernel with less work than as the arrays that they are.
  readonly #structAddress = addressOf(this.#struct)
  readonly #pollFdAddress = addressOf(this.#pollFd)
  #rawAddress = addressOf(this.#raw)
  #descriptor: number

  /**
   * A new one, close-on-exec and non-blocking: out of /dev/userfaultfd if this user may open it, else by the system call.
   * @throws LazyRestoreError `unsupported`: one line that says what is missing and how to get it.
   */
  static open(options: UserfaultfdOptions = {}): Userfaultfd {
    const c = libc()
    return new Userfaultfd(c, openDescriptor(O_CLOEXEC | O_NONBLOCK | (options.userModeOnly ? UFFD_USER_MODE_ONLY : 0)))
  }

  /**
   * One that exists: made by another thread, or received over a socket. It is made non-blocking, as `poll` reports nothing but
   * an error on a blocking one; `api` has been called on it or not. This object now owns it, if it is the one that is closed.
   * @throws LazyRestoreError `io` when it is none; `unsupported` without koffi.
   */
  static fromDescriptor(descriptor: number): Userfaultfd {
    const c = libc()
    if (!isUserfaultfd(descriptor)) {
      const found = describeDescriptor(descriptor)
      throw new LazyRestoreError('io', `descriptor ${descriptor}: found ${found}, expected a userfaultfd`)
    }
    c.fcntl(descriptor, F_SETFL, c.fcntl(descriptor, F_GETFL, 0) | O_NONBLOCK)
    return new Userfaultfd(c, descriptor)
  }

  /** Use {@link Userfaultfd.open} or {@link Userfaultfd.fromDescriptor}. */
  private constructor(c: Libc, descriptor: number) {
    this.#libc = c
    this.#descriptor = descriptor
  }

  /** For another thread's `fromDescriptor`; -1 once closed. */
  get descriptor(): number {
    return this.#descriptor
  }

  /** Threads that sleep in a fault: those whose message was not read yet, and all (proc_pid_fdinfo(5), fs/userfaultfd.c). */
  get counters(): { readonly pending: number; readonly total: number } {
    if (this.#descriptor < 0) return { pending: 0, total: 0 }
    const text = readFileSync(`/proc/self/fdinfo/${this.#descriptor}`, 'latin1')
    const counter = (name: string) => Number(new RegExp(`^${name}:\\s*(\\d+)$`, 'm').exec(text)?.[1])
    return { pending: counter('pending'), total: counter('total') }
  }

  /** UFFDIO_API(2const). EINVAL: an unknown feature, or a second time; EPERM: EVENT_FORK without CAP_SYS_PTRACE. */
  api(features: number): Outcome {
    this.#put(0, UFFD_API)
    this.#put(2, features)
    const outcome = this.#call(UFFDIO_API, NO_FIELD)
    if (outcome === 'done') this.features = this.#take(2)
    return outcome
  }

  /**
   * UFFDIO_REGISTER(2const). EINVAL: unaligned, nothing mapped there, or memory that cannot do the mode; EBUSY: another
   * userfaultfd's; EPERM: a shared file mapping without write permission.
   */
  register(start: number, length: number, mode: number): Outcome {
    this.#put(4, mode)
    const outcome = this.#range(UFFDIO_REGISTER, start, length, NO_FIELD)
    if (outcome === 'done') this.ioctls = this.#take(FIELD_3)
    return outcome
  }

  /** UFFDIO_UNREGISTER(2const). Wakes those who wait for missing pages, and no others. EINVAL as with `register`. */
  unregister(start: number, length: number): Outcome {
    return this.#range(UFFDIO_UNREGISTER, start, length, NO_FIELD)
  }

  /** UFFDIO_COPY(2const). ENOENT: not inside one registered mapping; ESRCH: the process is gone; EFAULT: no such source. */
  copy(destination: number, source: number, length: number, mode: number): Outcome {
    return this.#transfer(UFFDIO_COPY, destination, source, length, mode)
  }

  /** UFFDIO_ZEROPAGE(2const). EINVAL on hugetlb, always; else as `copy`. */
  zeropage(start: number, length: number, mode: number): Outcome {
    this.#put(4, mode)
    return this.#range(UFFDIO_ZEROPAGE, start, length, FIELD_3)
  }

  /** UFFDIO_CONTINUE(2const): maps what is in the page cache. EFAULT: not in it; EINVAL: anonymous memory. */
  continue(start: number, length: number, mode: number): Outcome {
    this.#put(4, mode)
    return this.#range(UFFDIO_CONTINUE, start, length, FIELD_3)
  }

  /** UFFDIO_MOVE(2const), anonymous private memory only. ENOENT: a hole in the source; EBUSY: pinned or shared by fork. */
  move(destination: number, source: number, length: number, mode: number): Outcome {
    return this.#transfer(UFFDIO_MOVE, destination, source, length, mode)
  }

  /** UFFDIO_POISON(2const): a touch is SIGBUS from now on. */
  poison(start: number, length: number, mode: number): Outcome {
    this.#put(4, mode)
    return this.#range(UFFDIO_POISON, start, length, FIELD_3)
  }

  /** UFFDIO_WRITEPROTECT(2const). ENOENT: not registered for it. `bytesDone` is not known and 0. */
  writeprotect(start: number, length: number, mode: number): Outcome {
    this.#put(4, mode)
    return this.#range(UFFDIO_WRITEPROTECT, start, length, NO_FIELD)
  }

  /** UFFDIO_WAKE(2const). Goes well anywhere, whether somebody waits there or not; EINVAL: unaligned or empty. */
  wake(start: number, length: number): Outcome {
    return this.#range(UFFDIO_WAKE, start, length, NO_FIELD)
  }

  /** poll(2). Also false, with `errno`, when there is nothing to wait for: before `api` (EIO), after `close` (EBADF), EINTR; EAGAIN: time is up. */
  poll(timeoutMs: number): boolean {
    this.errno = this.#wait(timeoutMs)
    return this.errno === 0
  }

  /** read(2). 0 also, with `errno`, when it fails: EAGAIN: nothing there; EINVAL: before `api`; EBADF: after `close`. */
  read(into: MessageBuffer): number {
    const wanted = this.#makeRoom(into)
    const bytes = this.#libc.read(this.#descriptor, this.#rawAddress, wanted)
    if (bytes >= 0) return this.#decode(bytes, into)
    this.errno = this.#libc.errno()
    return 0
  }

  /** Makes a row of a chain `copy`, which the chain goes on after when all of it is done; one of these at a time. */
  chainCopy(chain: CallChain, row: number, destination: number, source: number, length: number): void {
    chain.fillStruct(row, destination, source, length, 0)
    chain.set(row, CALL_IOCTL, 0, this.#descriptor, UFFDIO_COPY, chain.structAddress(row))
  }

  /** The same with `zeropage`. */
  chainZeropage(chain: CallChain, row: number, start: number, length: number): void {
    chain.fillStruct(row, start, length, 0, 0)
    chain.set(row, CALL_IOCTL, 0, this.#descriptor, UFFDIO_ZEROPAGE, chain.structAddress(row))
  }

  /** Makes a row of a chain `poll`. */
  chainPoll(chain: CallChain, row: number, timeoutMs: number): void {
    this.#pollFd[0] = this.#descriptor
    this.#pollFd[1] = POLLIN
    chain.set(row, CALL_POLL, 1, this.#pollFdAddress, 1, timeoutMs)
  }

  /** What `poll` returns, with its `errno`, after such a row was made. */
  chainedPoll(chain: CallChain, row: number): boolean {
    const ready = chain.answer(row)
    if (ready !== 1) this.errno = ready === 0 ? EAGAIN : -ready
    else if (((this.#pollFd[1] >>> 16) & POLLIN) === 0) this.errno = EIO
    else return true
    return false
  }

  /**
   * Makes a row of a chain `read`: the last one, as fewer messages may be there than there is room for.
   * @param goesOnAfter the errno after which the chain goes on, in place of a read that filled the room
   */
  chainRead(chain: CallChain, row: number, into: MessageBuffer, goesOnAfter = 0): void {
    const bytes = this.#makeRoom(into)
    const expected = goesOnAfter > 0 ? -goesOnAfter : bytes
    chain.set(row, CALL_READ, expected, this.#descriptor, this.#rawAddress, bytes)
  }

  /** What `read` returns, with its `errno`, after such a row was made. */
  chainedRead(chain: CallChain, row: number, into: MessageBuffer): number {
    const bytes = chain.answer(row)
    if (bytes >= 0) return this.#decode(bytes, into)
    this.errno = -bytes
    return 0
  }

  /** The last close of it unregisters everything and wakes all who wait. May be called twice. */
  close(): void {
    if (this.#descriptor < 0) return
    this.#libc.close(this.#descriptor)
    this.#descriptor = -1
  }

  /** Room for as many messages, as the kernel writes them; in bytes. */
  #makeRoom({ capacity }: MessageBuffer): number {
    const bytes = capacity * UFFD_MSG_BYTES
    if (this.#raw.byteLength < bytes) {
      this.#raw = createRawMessages(capacity)
      this.#rawAddress = addressOf(this.#raw)
    }
    return bytes
  }

  #decode(bytes: number, into: MessageBuffer): number {
    this.errno = 0
    const count = bytes / UFFD_MSG_BYTES
    decodeMessages(this.#raw, count, into)
    return count
  }

  #wait(timeoutMs: number): number {
    if (this.#descriptor < 0) return EBADF // poll(2) would skip it and sleep
    this.#pollFd[0] = this.#descriptor
    this.#pollFd[1] = POLLIN
    const ready = this.#libc.poll(this.#pollFdAddress, 1, timeoutMs)
    if (ready <= 0) return ready < 0 ? this.#libc.errno() : EAGAIN
    return ((this.#pollFd[1] >>> 16) & POLLIN) === 0 ? EIO : 0
  }

  /** `start, length, mode` and then the out field, if there is one; the mode is put by the caller. */
  #range(request: number, start: number, length: number, field: number): Outcome {
    this.#put(0, start)
    this.#put(2, length)
    return this.#call(request, field)
  }

  #transfer(request: number, destination: number, source: number, length: number, mode: number): Outcome {
    this.#put(0, destination)
    this.#put(2, source)
    this.#put(4, length)
    this.#put(6, mode)
    return this.#call(request, FIELD_4)
  }

  /**
   * Bytes done above 0 are in the field whether the call answers 0 or EAGAIN; with none, the field has the negative errno
   * or is as it was. So EAGAIN is progress or not, by the field.
   */
  #call(request: number, field: number): Outcome {
    if (field !== NO_FIELD) this.#put(field, 0)
    const result = this.#libc.ioctlWithNumber(this.#descriptor, request, this.#structAddress)
    if (result >= 0) {
      this.errno = 0
      this.bytesDone = field === NO_FIELD ? 0 : this.#take(field)
      return 'done'
    }
    this.errno = this.#libc.errno()
    const none = field === NO_FIELD || (this.#struct[field + 1] | 0) < 0
    this.bytesDone = none ? 0 : this.#take(field)
    if (this.errno === EAGAIN) return this.bytesDone > 0 ? 'partial' : 'retry'
    return this.errno === EEXIST ? 'exists' : 'failed'
  }

  #put(word: number, value: number): void {
    putUint64(this.#struct, word, value)
  }

  #take(word: number): number {
    return this.#struct[word] + this.#struct[word + 1] * 2 ** 32
  }
}
