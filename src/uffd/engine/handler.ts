/** Answers fault messages: reads those that are there, and installs each page with what the policy wants beside it. */
import { constants } from 'node:os'
import { testBit } from '../../core/bitmap.ts'
import { setSharedBits } from '../../core/shared-bitmap.ts'
import { blockOfHostPage } from '../../destination/layout.ts'
import { errnoName, UFFD_EVENT_PAGEFAULT, UFFD_EVENT_REMOVE } from '../constants.ts'
import type { FaultChannel } from '../kernel.ts'
import { createMessageBuffer } from '../message-buffer.ts'
import { NO_PAGE } from './address-map.ts'
import type { AnswerChain } from './answer-chain.ts'
import { Carrier, type CarrierSetup } from './carrier.ts'
import { ReadFirst } from './read-first.ts'
import { isAlone } from './restore-state.ts'

/** Told of faults, in the order of their answers. */
export interface FaultObserver {
  /** A message has been read: it asks for an address in `hostPage`. */
  asked(hostPage: number, address: number, flags: number): void
  /** The handler is done with the message that has waited longest. */
  answered(): void
}

const { EAGAIN, EINTR } = constants.errno

/** Messages of one read, where one handler answers them all; several take them one by one. */
const MESSAGES = 64
/** How often one page may be asked for after its install, before it is clear that it is not there. */
const MOST_STALE = 1000

export class Handler {
  readonly carrier: Carrier
  /** Messages read, page faults and events. */
  messages = 0
  readonly #setup: CarrierSetup
  readonly #channel: FaultChannel
  readonly #buffer
  readonly #log: FaultObserver | null
  /** Pages that were asked for, in order: those from `#nextAsked` to `#askedCount` have no answer yet, and are there once. Few, as each has a thread that waits. */
  readonly #asked: number[] = []
  #askedCount = 0
  #nextAsked = 0
  /** Workers want to know of open faults; that which is being answered is one. */
  readonly #isWatched: boolean
  #isOpen = false
  /** How often each page was asked for after its install. */
  readonly #stale = new Map<number, number>()
  readonly #readFirst = new ReadFirst()

  /** @param log told of each page that is asked for; null: nobody wants to know */
  constructor(setup: CarrierSetup, channel: FaultChannel, log: FaultObserver | null = null) {
    this.#setup = setup
    this.#log = log
    this.#channel = channel
    const { handlers, workers, yieldToFaults } = setup.policy.mechanism
    this.#buffer = createMessageBuffer(handlers > 1 ? 1 : MESSAGES)
    this.#isWatched = workers > 0 && yieldToFaults
    // Other carriers look at what is installed, and an observer wants to know when.
    const delays = isAlone(setup.policy.mechanism) && log === null
    const beforeInstall = this.#isWatched ? () => this.#close() : null
    this.carrier = new Carrier(setup, () => this.readEvent(), delays, beforeInstall)
  }

  /** Waits for messages, at most `waitMs`, reads them and answers. What it throws has failed the restore before. */
  step(waitMs: number): void {
    try {
      this.#step(waitMs)
    } catch (error) {
      this.carrier.fail(`handler: ${(error as Error).message}`, 1)
      throw error
    }
  }

  /** Nothing stays put off. To be called at the end. */
  finish(): void {
    this.carrier.finish()
  }

  #step(waitMs: number): void {
    if (this.#setup.answers) this.#awaitChained(this.#setup.answers, waitMs)
    else this.#await(waitMs)
    const { state } = this.#setup
    // More may come meanwhile.
    while (this.#nextAsked < this.#askedCount) {
      const page = this.#asked[this.#nextAsked++]
      // Before the vCPU goes on, which looks there.
      state.faulted(page)
      this.#isOpen = this.#isWatched
      this.#answer(page)
      this.#close()
      this.#log?.answered()
    }
    this.#nextAsked = 0
    this.#askedCount = 0
  }

  /** The fault that is being answered is none any more for which a worker would stand back. */
  #close(): void {
    if (this.#isOpen) this.#setup.state.faultClosed()
    this.#isOpen = false
  }

  #await(waitMs: number): void {
    const readsFirst = this.#readFirst.isDue
    const wasThere = readsFirst && this.#readMessages() > 0
    this.#readFirst.learn(wasThere)
    if (wasThere) return
    if (this.#channel.poll(waitMs)) this.#readMessages()
    else this.#checkWait(this.#channel.errno)
  }

  #awaitChained(answers: AnswerChain, waitMs: number): void {
    const count = answers.await(waitMs, this.#buffer, this.#readFirst.isDue)
    this.#readFirst.learn(answers.wasThere)
    this.carrier.settle()
    if (count === 0) return this.#checkWait(answers.errno)
    this.#takeAll(count)
  }

  /** No message: time was up, or there will never be one again and whoever waits goes on with zeros. */
  #checkWait(errno: number): void {
    if (errno === EAGAIN || errno === EINTR || this.#setup.state.failed) return
    this.carrier.fail(`userfaultfd: poll: found ${errnoName(errno)}, expected to wait for a message`, 1)
  }

  #readMessages(): number {
    const { state, events } = this.#setup
    if (events && !state.lockEvents(1000)) return 0
    const count = this.#channel.read(this.#buffer)
    this.#takeAll(count)
    if (events) state.unlockEvents()
    return count
  }

  #takeAll(count: number): void {
    this.messages += count
    for (let i = 0; i < count; i++) this.#take(i)
  }

  #take(i: number): void {
    const { event, address, end, flags } = this.#buffer
    const { map, state } = this.#setup
    if (event[i] === UFFD_EVENT_PAGEFAULT) {
      const page = map.pageAt(address[i])
      if (page === NO_PAGE) return this.#fail(`userfaultfd: found a fault at 0x${address[i].toString(16)}`)
      if (this.#isAsked(page)) return
      this.#asked[this.#askedCount++] = page
      this.#log?.asked(page, address[i], flags[i])
      if (this.#isWatched) state.addFaults(1)
    } else if (event[i] === UFFD_EVENT_REMOVE) this.#remove(address[i], end[i])
    else this.#fail(`userfaultfd: found event 0x${event[i].toString(16)}`)
  }

  #isAsked(page: number): boolean {
    for (let i = this.#nextAsked; i < this.#askedCount; i++) if (this.#asked[i] === page) return true
    return false
  }

  /** From now on, what the snapshot has for these pages is void. */
  #remove(address: number, end: number): void {
    const { map, state } = this.#setup
    for (const { index, block, firstHostPage, endHostPage, hostPageSize } of map.layout.blocks) {
      const start = map.blockAddress[index]
      const from = Math.max(address - start, 0)
      const to = Math.min(end - start, block.usedLength)
      if (from >= to) continue
      const first = firstHostPage + from / hostPageSize
      const past = to === block.usedLength ? endHostPage : firstHostPage + to / hostPageSize
      const part = [first, past].find(page => !Number.isInteger(page))
      if (part === undefined) setSharedBits(state.shared.removed, first, past - first)
      else {
        const found = `found a removal of part of host page ${Math.floor(part)}`
        this.carrier.fail(`userfaultfd: ${found}, expected whole host pages`, 1)
      }
    }
  }

  #answer(page: number): void {
    const { state, claims, policy, map } = this.#setup
    const { installed, removed } = state.shared
    if (testBit(removed, page)) return this.carrier.installRemoved(blockOfHostPage(map.layout, page), page)
    if (claims.isClaimed(page)) {
      // Somebody is at it, and will wake the vCPU; or was at it before the message was read, and has.
      if (testBit(installed, page)) this.#wakeStale(page)
      return
    }
    const { batch } = this.carrier
    batch.plan.clear()
    policy.onFault(page, batch.plan)
    batch.startPlan()
    while (batch.claimNext()) this.carrier.carryOut()
  }

  #wakeStale(page: number): void {
    const { map } = this.#setup
    const block = blockOfHostPage(map.layout, page)
    const times = (this.#stale.get(page) ?? 0) + 1
    this.#stale.set(page, times)
    if (times <= MOST_STALE) this.#channel.wake(map.addressOf(page), block.hostPageSize)
    else
      this.carrier.breakPages(block, page, 1, `host page ${page}: found it missing again and again after its install`)
  }

  /** The kernel holds installs up until an event is read and its thread has run again. */
  readEvent(): void {
    if (this.#readMessages() === 0 && this.#channel.poll(1)) this.#readMessages()
  }

  #fail(found: string): void {
    this.carrier.fail(`${found}, expected a fault in the snapshot's memory`, 1)
  }
}
