/**
 * One userfaultfd inside the kernel: what was asked for, and two queues of sleeping threads. Faults are a queue of threads,
 * not a log: a thread that leaves takes its message along. Events hold the thread that caused them until they are read.
 */

import { UFFD_EVENT_PAGEFAULT, UFFD_FEATURE_EXACT_ADDRESS, UFFD_FEATURE_THREAD_ID } from '../constants.ts'
import type { AddressSpace } from './address-space.ts'
import type { ModelThread } from './thread.ts'

/** Which of several woken threads runs first. A real kernel says nothing about it; running both ways shows what depends. */
export type WakeOrder = 'oldest first' | 'latest first'

/** A message, in the columns of `MessageBuffer`. */
export interface Message {
  readonly event: number
  readonly flags: number
  readonly address: number
  readonly end: number
  readonly extra: number
  readonly threadId: number
}

interface Waiter {
  readonly thread: ModelThread
  readonly message: Message
}

interface EventWaiter extends Waiter {
  /** FORK: the child's userfaultfd. */
  readonly child: Context | null
}

export interface ReadEvent {
  readonly message: Message
  readonly child: Context | null
}

export class Context {
  readonly mm: AddressSpace
  readonly userModeOnly: boolean
  initialised = false
  features = 0
  closed = false
  /** Changes of the address space that are under way and have, or will have, an event each. */
  changes = 0
  #unread: Waiter[] = []
  /** Read, and still asleep. */
  #seen: Waiter[] = []
  readonly #events: EventWaiter[] = []
  /** Threads whose event was read and that did not run since. */
  readonly #delivered: ModelThread[] = []

  readonly wakeOrder: WakeOrder

  constructor(mm: AddressSpace, userModeOnly: boolean, wakeOrder: WakeOrder) {
    this.mm = mm
    this.userModeOnly = userModeOnly
    this.wakeOrder = wakeOrder
  }

  hasFeature(feature: number): boolean {
    return (this.features & feature) !== 0
  }

  /** @param address of the access; @param base of its page */
  queueFault(thread: ModelThread, address: number, base: number, flags: number): void {
    const message: Message = {
      event: UFFD_EVENT_PAGEFAULT,
      flags,
      address: this.hasFeature(UFFD_FEATURE_EXACT_ADDRESS) ? address : base,
      end: 0,
      extra: 0,
      threadId: this.hasFeature(UFFD_FEATURE_THREAD_ID) ? thread.id : 0,
    }
    this.#unread.push({ thread, message })
  }

  queueEvent(
    thread: ModelThread,
    event: number,
    address: number,
    end: number,
    extra = 0,
    child: Context | null = null,
  ) {
    this.#events.push({ thread, message: { event, flags: 0, address, end, extra, threadId: 0 }, child })
  }

  get readable(): boolean {
    return this.#unread.length > 0 || this.#events.length > 0
  }

  /** Events that nobody has read. */
  get hasUnreadEvent(): boolean {
    return this.#events.length > 0
  }

  /** Sleeping threads as fdinfo counts them: unread, and all. */
  get counters(): { readonly pending: number; readonly total: number } {
    return { pending: this.#unread.length, total: this.#unread.length + this.#seen.length }
  }

  /** The next message: faults come before events, even older ones. */
  read(): ReadEvent | undefined {
    const fault = this.#unread.shift()
    if (fault !== undefined) {
      this.#seen.push(fault)
      return { message: fault.message, child: null }
    }
    const event = this.#events.shift()
    if (event !== undefined) this.#delivered.push(event.thread)
    return event
  }

  /** Wakes the threads whose recorded address lies in `[start, start + length)`. */
  wake(start: number, length: number): void {
    const within = ({ message: { address } }: Waiter) => address >= start && address < start + length
    this.#wakeThose(within)
  }

  /** Lets the threads whose event was read go on. */
  runDelivered(): void {
    this.#resume(this.#delivered.splice(0))
  }

  get hasDelivered(): boolean {
    return this.#delivered.length > 0
  }

  /** A signal hits a thread, the longest-sleeping one whose message was read unless told: it faults again, with a new message. */
  disturb(thread = this.#seen[0]?.thread): void {
    this.#wakeThose(waiter => waiter.thread === thread)
  }

  /** The last descriptor went: everybody runs on, without userfaultfd. */
  release(): void {
    this.closed = true
    const waiters = [...this.#seen.splice(0), ...this.#unread.splice(0)].map(({ thread }) => thread)
    const announcers = [...this.#delivered.splice(0), ...this.#events.splice(0).map(({ thread }) => thread)]
    this.#resume([...waiters, ...announcers])
  }

  #wakeThose(condition: (waiter: Waiter) => boolean): void {
    const woken = [...this.#seen, ...this.#unread].filter(condition)
    if (woken.length === 0) return
    this.#seen = this.#seen.filter(waiter => !woken.includes(waiter))
    this.#unread = this.#unread.filter(waiter => !woken.includes(waiter))
    this.#resume(woken.map(({ thread }) => thread))
  }

  #resume(threads: readonly ModelThread[]): void {
    for (const thread of this.wakeOrder === 'oldest first' ? threads : [...threads].reverse()) thread.resume()
  }
}
