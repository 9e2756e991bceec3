/**
 * Installs bytes at an address of registered memory and makes sense of what the kernel answers: goes on behind a partial
 * COPY, wakes after EEXIST, tries again for a bounded time when there is no memory. Every call ends: with all bytes there,
 * with an event to be read first, or with the reason why it cannot be done.
 */
import { constants } from 'node:os'
import { OP_ZEROPAGE, type Operation } from '../../resolver/resolver.ts'
import { errnoName } from '../constants.ts'
import type { FaultChannel } from '../kernel.ts'

const { EEXIST, ENOMEM } = constants.errno

/** Waits of 1 ms for memory before an install is given up. */
const MEMORY_WAITS = 50

/** What the installer needs to know of the host beside userfaultfd. */
export interface InstallHost {
  /** Whether the page at the address is mapped; asked only after EEXIST, which on hugetlb also means an empty pool. */
  isPresent(address: number): boolean
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
   * @param source address of the bytes; not used by ZEROPAGE
   * @returns 'event': the kernel wants an event to be read first (EAGAIN); go on at `bytesDone` then
   */
  install(
    op: Operation,
    destination: number,
    source: number,
    length: number,
    hostPageSize: number,
  ): 'done' | 'event' | 'failed' {
    const channel = this.#channel
    this.bytesDone = 0
    let waits = 0
    while (this.bytesDone < length) {
      const at = destination + this.bytesDone
      const left = length - this.bytesDone
      const outcome =
        op === OP_ZEROPAGE ? channel.zeropage(at, left, 0) : channel.copy(at, source + this.bytesDone, left, 0)
      switch (outcome) {
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
          if (this.#host.isPresent(at)) {
            // Its waiters may have come before it did: EEXIST wakes nobody.
            channel.wake(at, hostPageSize)
            this.bytesDone = Math.min(length, this.bytesDone + hostPageSize)
          } else if (!this.#waitForMemory(++waits)) return this.#fail(op, at, EEXIST)
          break
        case 'failed':
          if (channel.errno !== ENOMEM || !this.#waitForMemory(++waits)) return this.#fail(op, at, channel.errno)
      }
    }
    return 'done'
  }

  #waitForMemory(waits: number): boolean {
    if (waits > MEMORY_WAITS) return false
    this.#host.sleepMs(1)
    return true
  }

  #fail(op: Operation, address: number, errno: number): 'failed' {
    const call = op === OP_ZEROPAGE ? 'UFFDIO_ZEROPAGE' : 'UFFDIO_COPY'
    const found = errno === EEXIST ? 'EEXIST for a page that is missing: no free huge page' : errnoName(errno)
    this.reason = `${call} at 0x${address.toString(16)}: found ${found}, expected the page to be installed`
    return 'failed'
  }
}
