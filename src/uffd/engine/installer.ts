/**
 * Installs bytes at an address of registered memory and makes sense of what the kernel answers: goes on behind a partial
 * COPY, wakes after EEXIST, tries again for a bounded time when there is no memory. Every call ends: with all bytes there,
 * with an event to be read first, with the process gone whose memory it is, or with the reason why it cannot be done.
 */
import { constants } from 'node:os'
import { OP_ZEROPAGE, type Operation } from '../../resolver/resolver.ts'
import { errnoName } from '../constants.ts'
import type { FaultChannel, Outcome } from '../kernel.ts'

const { EEXIST, ENOMEM, ESRCH } = constants.errno

/** UFFDIO_POISON instead of an install: who touches the page is told so, by SIGBUS or a KVM exit. */
export const OP_POISON = 3
export type Placement = Operation | typeof OP_POISON

const CALL_NAMES = ['UFFDIO_COPY', 'UFFDIO_ZEROPAGE', 'UFFDIO_COPY', 'UFFDIO_POISON'] as const

/** Waits of 1 ms for memory before an install is given up. */
const MEMORY_WAITS = 50

/** What the installer needs to know of the host beside userfaultfd. */
export interface InstallHost {
  /**
   * Whether the page of `pageSize` bytes at the address is mapped; asked only after EEXIST, which on hugetlb also means an
   * empty pool.
   */
  isPresent(address: number, pageSize: number): boolean
  sleepMs(ms: number): void
}

export class Installer {
  eexist = 0
  eagain = 0
  /** Bytes, from the destination on, that the last call has dealt with. */
  bytesDone = 0
  /** Why the last call that returned 'failed' did. */
  reason = ''
  readonly #channel: FaultChannel
  readonly #host: InstallHost

  constructor(channel: FaultChannel, host: InstallHost) {
    this.#channel = channel
    this.#host = host
  }

  /**
   * @param source address of the bytes; not used by ZEROPAGE and POISON
   * @param pageSize what the kernel installs at a time there: small pages, or the huge ones of hugetlb
   * @returns 'event': the kernel wants an event to be read first (EAGAIN); go on at `bytesDone` then; 'gone': another
   * process's memory, and it has ended (ESRCH)
   */
  install(
    op: Placement,
    destination: number,
    source: number,
    length: number,
    pageSize: number,
  ): 'done' | 'event' | 'gone' | 'failed' {
    const channel = this.#channel
    this.bytesDone = 0
    let waits = 0
    while (this.bytesDone < length) {
      const at = destination + this.bytesDone
      const left = length - this.bytesDone
      switch (this.#call(op, at, source + this.bytesDone, left)) {
        case 'done':
          this.bytesDone = length
          break
        case 'partial':
          this.bytesDone += channel.bytesDone
          waits = 0
          break
        case 'retry':
          this.eagain++
          return 'event'
        case 'exists':
          this.eexist++
          if (op === OP_POISON || this.#host.isPresent(at, pageSize)) {
            // Its waiters may have come before it did: EEXIST wakes nobody.
            channel.wake(at, pageSize)
            this.bytesDone = Math.min(length, this.bytesDone + pageSize)
          } else if (!this.#waitForMemory(++waits)) return this.#fail(op, at, EEXIST)
          break
        case 'failed':
          if (channel.errno === ESRCH) return 'gone'
          if (channel.errno !== ENOMEM || !this.#waitForMemory(++waits)) return this.#fail(op, at, channel.errno)
      }
    }
    return 'done'
  }

  #call(op: Placement, at: number, source: number, length: number): Outcome {
    const channel = this.#channel
    switch (op) {
      case OP_ZEROPAGE:
        return channel.zeropage(at, length, 0)
      case OP_POISON:
        return channel.poison(at, length, 0)
      default:
        return channel.copy(at, source, length, 0)
    }
  }

  #waitForMemory(waits: number): boolean {
    if (waits > MEMORY_WAITS) return false
    this.#host.sleepMs(1)
    return true
  }

  #fail(op: Placement, address: number, errno: number): 'failed' {
    const found = errno === EEXIST ? 'EEXIST for a page that is missing: no free huge page' : errnoName(errno)
    this.reason = `${CALL_NAMES[op]} at 0x${address.toString(16)}: found ${found}, expected the page to be installed`
    return 'failed'
  }
}
