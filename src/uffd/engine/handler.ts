/** Answers fault messages: reads those that are there, and installs each page with what the policy wants beside it. */
import { testBit } from '../../core/bitmap.ts'
import { setSharedBits } from '../../core/shared-bitmap.ts'
import { blockOfHostPage } from '../../destination/layout.ts'
import { UFFD_EVENT_PAGEFAULT, UFFD_EVENT_REMOVE } from '../constants.ts'
import type { FaultChannel } from '../kernel.ts'
import { createMessageBuffer } from '../message-buffer.ts'
import { NO_PAGE } from './address-map.ts'
import { Carrier, type CarrierSetup } from './carrier.ts'
import type { FaultLog } from './fault-log.ts'

/** Messages of one read, where one handler answers them all; several take them one by one. */
const MESSAGES = 64
/** Answers of a fault on a page that is said to be there, in a row, before it is clear that it is not. */
const MOST_STALE = 100_000

export class Handler {
  readonly carrier: Carrier
  /** Messages read, page faults and events. */
  messages = 0
  readonly #setup: CarrierSetup
  readonly #channel: FaultChannel
  readonly #buffer
  readonly #log: FaultLog | null
  /** Pages that were asked for and not answered yet, each once, in order. */
  readonly #asked = new Set<number>()
  #stale = 0
  /** Messages of the last read. */
  #lastCount = 0

  /** @param log told of each page that is asked for; null: nobody wants to know */
  constructor(setup: CarrierSetup, channel: FaultChannel, log: FaultLog | null = null) {
    this.#setup = setup
    this.#log = log
    this.#channel = channel
    this.#buffer = createMessageBuffer(setup.policy.mechanism.handlers > 1 ? 1 : MESSAGES)
    this.carrier = new Carrier(setup, () => this.#readEvent())
  }

  /** Waits for messages, at most `waitMs`, reads them and answers. */
  step(waitMs: number): void {
    // Where one message came alone the next one is hardly there yet: a read before the wait would be a call for nothing.
    if (this.#lastCount < 2 || this.#readMessages() === 0) {
      this.#lastCount = 0
      if (!this.#channel.poll(waitMs)) return
      this.#readMessages()
    }
    for (const page of this.#asked) {
      this.#asked.delete(page)
      this.#answer(page)
      this.#log?.answered()
      this.#setup.state.faultAnswered()
    }
  }

  #readMessages(): number {
    const { state, events } = this.#setup
    if (events && !state.lockEvents(1000)) return 0
    const count = this.#channel.read(this.#buffer)
    for (let i = 0; i < count; i++) this.#take(i)
    if (events) state.unlockEvents()
    this.messages += count
    this.#lastCount = count
    return count
  }

  #take(i: number): void {
    const { event, address, end, flags } = this.#buffer
    const { map, state } = this.#setup
    if (event[i] === UFFD_EVENT_PAGEFAULT) {
      const page = map.pageAt(address[i])
      if (page === NO_PAGE) return this.#fail(`userfaultfd: found a fault at 0x${address[i].toString(16)}`)
      if (this.#asked.has(page)) return
      this.#asked.add(page)
      this.#log?.asked(page, address[i], flags[i])
      state.addFaults(1)
    } else if (event[i] === UFFD_EVENT_REMOVE) this.#remove(address[i], end[i])
    else this.#fail(`userfaultfd: found event 0x${event[i].toString(16)}`)
  }

  /** From now on, what the snapshot has for these pages is void. A page that was removed in part cannot be told apart. */
  #remove(address: number, end: number): void {
    const { map, state } = this.#setup
    for (const { index, firstHostPage, endHostPage, hostPageSize } of map.layout.blocks) {
      const start = map.blockAddress[index]
      const first = firstHostPage + Math.ceil((Math.max(address, start) - start) / hostPageSize)
      const past = Math.min(endHostPage, firstHostPage + Math.floor((end - start) / hostPageSize))
      if (past > first) setSharedBits(state.shared.removed, first, past - first)
    }
  }

  #answer(page: number): void {
    const { state, claims, policy, map } = this.#setup
    const { installed, removed, faulted } = state.shared
    const block = blockOfHostPage(map.layout, page)
    setSharedBits(faulted, page, 1)
    if (testBit(removed, page)) return this.carrier.installRemoved(block, page)
    if (claims.isClaimed(page)) {
      // Somebody is at it, and will wake the vCPU; or was at it before the message was read, and has.
      if (testBit(installed, page) || state.failed) this.#wakeStale(page)
      return
    }
    this.#stale = 0
    const { batch } = this.carrier
    batch.plan.clear()
    policy.onFault(page, batch.plan)
    batch.startPlan()
    while (batch.claimNext()) this.carrier.carryOut()
  }

  #wakeStale(page: number): void {
    const { map } = this.#setup
    const block = blockOfHostPage(map.layout, page)
    this.#stale++
    if (this.#stale <= MOST_STALE) this.#channel.wake(map.addressOf(page), block.hostPageSize)
    else
      this.carrier.breakPages(block, page, 1, `host page ${page}: found it missing again and again after its install`)
  }

  /** The kernel holds installs up until an event is read and its thread has run again. */
  #readEvent(): void {
    if (this.#readMessages() === 0 && this.#channel.poll(1)) this.#readMessages()
  }

  #fail(found: string): void {
    this.carrier.fail(`${found}, expected a fault in the snapshot's memory`, 1)
  }
}
