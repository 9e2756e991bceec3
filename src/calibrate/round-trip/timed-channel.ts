/**
 * A userfaultfd that takes the time of what a handler does with it, so that the engine's own handler is what is measured, from
 * outside: it polls, reads a message, and installs a page, again and again.
 */
import { monotonicNs } from '../../uffd/engine/clock.ts'
import type { FaultChannel, MessageBuffer, Outcome } from '../../uffd/kernel.ts'
import { libc } from '../../uffd/native.ts'
import { computeFor } from '../compute.ts'
import { type BlockKind, FAULTS_PER_BLOCK, type RoundTripColumns } from './schedule.ts'

/** By then the thread that touches sleeps, and its message is there. */
const PENDING_NS = 40_000

export class TimedChannel implements FaultChannel {
  /** Of the block under way. */
  kind: BlockKind = 'remote'
  /** Faults that are answered: the number of the next one. */
  faults = 0
  readonly #channel: FaultChannel
  readonly #columns: RoundTripColumns
  /** A poll has found a message that nobody has read. */
  #isFound = false

  constructor(channel: FaultChannel, columns: RoundTripColumns) {
    this.#channel = channel
    this.#columns = columns
  }

  copy(destination: number, source: number, length: number, mode: number): Outcome {
    const { installNs, installedNs, answerCpu } = this.#columns
    installNs[this.faults] = monotonicNs()
    const outcome = this.#channel.copy(destination, source, length, mode)
    installedNs[this.faults] = monotonicNs()
    if (this.kind === 'together') answerCpu[this.faults] = libc().sched_getcpu()
    this.faults++
    return outcome
  }

  poll(timeoutMs: number): boolean {
    if (this.faults % FAULTS_PER_BLOCK > 0) this.#columns.restNs[this.faults - 1] ||= monotonicNs()
    this.#isFound = this.#find(timeoutMs)
    return this.#isFound
  }

  #find(timeoutMs: number): boolean {
    switch (this.kind) {
      case 'spinning':
        return this.#spin(timeoutMs)
      case 'pending':
        return this.#wait(timeoutMs)
      default:
        return this.#channel.poll(timeoutMs)
    }
  }

  /** Looks until there is a message. */
  #spin(timeoutMs: number): boolean {
    const deadlineNs = monotonicNs() + timeoutMs * 1e6
    let beforeNs = monotonicNs()
    for (;;) {
      const startNs = monotonicNs()
      if (this.#channel.poll(0)) {
        // It came between the middle of the look before and that of this one.
        this.#columns.foundNs[this.faults] = (beforeNs + 2 * startNs + monotonicNs()) / 4
        return true
      }
      if (startNs > deadlineNs) return false
      beforeNs = startNs
    }
  }

  /** Sleeps until there is a message, computes until its sender sleeps, and only then polls as the handler wants. */
  #wait(timeoutMs: number): boolean {
    if (!this.#channel.poll(timeoutMs)) return false
    computeFor(PENDING_NS)
    this.#columns.foundNs[this.faults] = monotonicNs()
    return this.#channel.poll(0)
  }

  get bytesDone(): number {
    return this.#channel.bytesDone
  }

  get errno(): number {
    return this.#channel.errno
  }

  get features(): number {
    return this.#channel.features
  }

  get ioctls(): number {
    return this.#channel.ioctls
  }

  api(features: number): Outcome {
    return this.#channel.api(features)
  }

  register(start: number, length: number, mode: number): Outcome {
    return this.#channel.register(start, length, mode)
  }

  unregister(start: number, length: number): Outcome {
    return this.#channel.unregister(start, length)
  }

  zeropage(start: number, length: number, mode: number): Outcome {
    return this.#channel.zeropage(start, length, mode)
  }

  continue(start: number, length: number, mode: number): Outcome {
    return this.#channel.continue(start, length, mode)
  }

  move(destination: number, source: number, length: number, mode: number): Outcome {
    return this.#channel.move(destination, source, length, mode)
  }

  poison(start: number, length: number, mode: number): Outcome {
    return this.#channel.poison(start, length, mode)
  }

  writeprotect(start: number, length: number, mode: number): Outcome {
    return this.#channel.writeprotect(start, length, mode)
  }

  wake(start: number, length: number): Outcome {
    return this.#channel.wake(start, length)
  }

  /** None before a poll, which has the times to take: what a handler saves that reads first is in those of the chain. */
  read(into: MessageBuffer): number {
    if (!this.#isFound) return 0
    this.#isFound = false
    return this.#channel.read(into)
  }

  close(): void {
    this.#channel.close()
  }
}
