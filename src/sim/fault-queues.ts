/** The faults that wait for an install, and their unread messages, by userfaultfd; and which handler reads which. */
import type { UffdLocks } from './fault-path.ts'
import { MessageQueue } from './message-queue.ts'
import { Waiters } from './waiters.ts'

export class FaultQueues {
  readonly waiters: Waiters
  readonly #locks: UffdLocks
  #handlers = 0
  /** By userfaultfd. */
  readonly #messages: readonly MessageQueue[]
  /** The one of the only userfaultfd, which is the case that must be quick; null: there are several. */
  readonly #only: MessageQueue | null
  /** The userfaultfd that each handler has read last. */
  #lastRead = new Int32Array(0)

  constructor(vcpus: number, locks: UffdLocks) {
    this.waiters = new Waiters(vcpus)
    this.#locks = locks
    this.#messages = Array.from({ length: locks.uffds }, () => new MessageQueue(vcpus))
    this.#only = locks.uffds === 1 ? this.#messages[0] : null
  }

  /** So many handlers read messages from now on. */
  readBy(handlers: number): void {
    const { uffds } = this.#locks
    this.#handlers = handlers
    // Of several the last, so that the first comes next.
    this.#lastRead = Int32Array.from({ length: handlers }, (_, index) =>
      uffds > handlers ? index + Math.floor((uffds - 1 - index) / handlers) * handlers : index % uffds,
    )
  }

  get hasMessages(): boolean {
    return this.#messages.some(({ isEmpty }) => !isEmpty)
  }

  /** `vcpu` waits for `page`, and leaves a message; returns the userfaultfd. */
  post(vcpu: number, page: number): number {
    this.waiters.add(vcpu, page)
    if (this.#only !== null) {
      this.#locks.addWaiting(0, 1)
      this.#only.push(vcpu)
      return 0
    }
    const uffd = this.#locks.uffdOf(page)
    this.#locks.addWaiting(uffd, 1)
    this.#messages[uffd].push(vcpu)
    return uffd
  }

  /** Handlers are shared out among userfaultfds, or userfaultfds among handlers, of whichever there are more. */
  serves(handler: number, uffd: number): boolean {
    if (this.#only !== null) return true
    const uffds = this.#messages.length
    return uffds > this.#handlers ? uffd % this.#handlers === handler : handler % uffds === uffd
  }

  /** The oldest message of a userfaultfd that the handler serves, of several in turn; -1: there is none. */
  next(handler: number): number {
    if (this.#only !== null) return this.#only.shift()
    const uffds = this.#messages.length
    const last = this.#lastRead[handler]
    if (uffds <= this.#handlers) return this.#messages[last].shift()
    let uffd = last
    do {
      uffd += this.#handlers
      if (uffd >= uffds) uffd = handler
      const vcpu = this.#messages[uffd].shift()
      if (vcpu >= 0) {
        this.#lastRead[handler] = uffd
        return vcpu
      }
    } while (uffd !== last)
    return -1
  }

  /** CPU of the handler that has just read a message, until it gives the lock back. */
  readNs(handler: number, now: number): number {
    return this.#locks.take(this.#lastRead[handler], now)
  }

  /** Takes out those who wait for a page of `[first, end)`, with their messages, and writes them into `taken`; returns how many. */
  take(first: number, end: number, taken: Int32Array): number {
    const count = this.waiters.take(first, end, taken)
    if (this.#only !== null) {
      for (let i = 0; i < count; i++) this.#only.remove(taken[i])
      this.#locks.addWaiting(0, -count)
      return count
    }
    for (let i = 0; i < count; i++) {
      const uffd = this.#locks.uffdOf(this.waiters.pageOf[taken[i]])
      this.#messages[uffd].remove(taken[i])
      this.#locks.addWaiting(uffd, -1)
    }
    return count
  }
}
