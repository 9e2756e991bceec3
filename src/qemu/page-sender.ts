/**
 * Sends pages: requested ones first, the background when nobody waits. A few background groups are read ahead; each channel
 * has one piece at the kernel, and what goes next is decided when that is taken. With a channel of its own for requested
 * pages (QEMU's postcopy-preempt) they do not even wait for that piece.
 */
import { clearBit } from '../core/bitmap.ts'
import type { Claims } from '../destination/claims.ts'
import type { Layout } from '../destination/layout.ts'
import { Batch } from '../engine/batch.ts'
import type { Plan } from '../policy/plan.ts'
import type { Policy } from '../policy/policy.ts'
import type { Channel } from './channel.ts'
import { GroupPlanner } from './group-planner.ts'
import { Lane } from './lane.ts'
import type { ReadBytes } from './page-group.ts'
import type { PageLedger } from './page-ledger.ts'
import { PieceEncoder } from './piece-encoder.ts'

/** Background groups that are being read or wait to be sent. */
const BACKGROUND_GROUPS = 3
/** Requests whose pages are being read at a time. */
const URGENT_GROUPS = 16

export interface PageSenderSetup {
  readonly layout: Layout
  readonly policy: Policy
  readonly claims: Claims
  readonly ledger: PageLedger
  readonly ramSectionId: number
  readonly main: Channel
  /** For requested pages alone; null: they go on the main one. */
  readonly urgent: Channel | null
  readonly readSnapshot: ReadBytes
  /** Background reads at a time, now. */
  parallelReads(): number
  /** Null: recorded pages are read from the snapshot. */
  readonly readWorkingSet: ReadBytes | null
  /** Before a piece of pages that were read is handed over; throws when they must not be. */
  checkSource(): void
  onError(error: unknown): void
  /** A part of the working-set file could not be read, and came from the snapshot. */
  onWorkingSetError(error: unknown): void
  /** Nothing is planned, read or on its way to the kernel. Called whenever that becomes so. */
  onIdle(): void
}

export class PageSender {
  readonly #setup: PageSenderSetup
  readonly #targetPageSize: number
  readonly #mainEncoder: PieceEncoder
  readonly #urgentEncoder: PieceEncoder
  readonly #background: Lane
  readonly #urgent: Lane
  /** The lane of the piece that the main channel sent last: it goes on with it inside a host page. */
  #lastLane: Lane
  /** Host pages that were asked for and are not planned yet; the first `#requestsTaken` of them are. */
  #requests: number[] = []
  #requestsTaken = 0
  #planner: GroupPlanner | null = null
  /** The background starts no piece before (ms of performance.now). */
  #notBeforeMs = 0
  #timer: NodeJS.Timeout | null = null
  #isStopped = false

  constructor(setup: PageSenderSetup) {
    const { ledger, ramSectionId, urgent, policy, readSnapshot, readWorkingSet } = setup
    this.#setup = setup
    this.#targetPageSize = setup.layout.blocks[0].block.pageSize
    this.#mainEncoder = new PieceEncoder(ledger, ramSectionId)
    this.#urgentEncoder = urgent === null ? this.#mainEncoder : new PieceEncoder(ledger, null)
    const lane = (isFed: boolean, maxGroups: number, maxReads: () => number, read: ReadBytes): Lane =>
      new Lane({
        isFed,
        maxGroups,
        maxReads,
        readLimit: policy.mechanism.readBytes,
        readSnapshot: read,
        readWorkingSet,
        onProgress: () => this.pump(),
        onError: error => this.#fail(error),
        onWorkingSetError: setup.onWorkingSetError,
      })
    this.#background = lane(false, BACKGROUND_GROUPS, setup.parallelReads, readSnapshot)
    this.#urgent = lane(
      true,
      URGENT_GROUPS,
      () => URGENT_GROUPS,
      (...read) => this.#readUrgent(...read),
    )
    this.#lastLane = this.#background
    // A request is answered whatever the policy's way to install: also one for a zero page that a load leaves out.
    const batch = new Batch(setup.layout, setup.claims, { ...policy.mechanism, install: 'uffd' })
    const addToPlan = (plan: Plan): void => this.#planRequest(plan)
    this.#urgent.use(new GroupPlanner(batch, { addToPlan, packsPlans: false, hasWorkingSetFile: false }))
  }

  /** What is sent when nobody waits, from now on: what `addToPlan` wants, until it adds nothing. */
  startBackground(addToPlan: (plan: Plan) => void): void {
    const { layout, claims, policy, readWorkingSet } = this.#setup
    const batch = new Batch(layout, claims, policy.mechanism, true)
    this.#planner = new GroupPlanner(batch, { addToPlan, packsPlans: true, hasWorkingSetFile: readWorkingSet !== null })
    this.#background.use(this.#planner)
    this.pump()
  }

  /** A missing page that something waits for. */
  request(hostPage: number, nowNs: number): void {
    if (this.#setup.ledger.ask(hostPage, nowNs)) this.#requests.push(hostPage)
  }

  /** Sends nothing any more. */
  stop(): void {
    this.#isStopped = true
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  /** Goes on with whatever can be done. */
  pump(): void {
    if (this.#isStopped) return
    try {
      this.#urgent.refill()
      if (this.#backgroundMayGoOn()) this.#background.refill()
      const { main, urgent } = this.#setup
      if (urgent?.isIdle) this.#send(this.#urgent, urgent, this.#urgentEncoder)
      if (main.isIdle) this.#sendOnMain()
      if (this.isIdle) this.#setup.onIdle()
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Nothing is planned, read or on its way to the kernel, and there is nothing to plan. */
  get isIdle(): boolean {
    const { main, urgent } = this.#setup
    const isPlanned = this.#requestsTaken < this.#requests.length || (this.#planner !== null && !this.#planner.isDone)
    return !isPlanned && this.#background.isEmpty && this.#urgent.isEmpty && main.isIdle && (urgent?.isIdle ?? true)
  }

  #sendOnMain(): void {
    const { main, urgent } = this.#setup
    if (this.#mainEncoder.isInHostPage) {
      this.#send(this.#lastLane, main, this.#mainEncoder)
      return
    }
    if (urgent === null && this.#send(this.#urgent, main, this.#mainEncoder)) return
    if (this.#backgroundMayGoOn()) this.#send(this.#background, main, this.#mainEncoder)
  }

  /** Hands over the next piece of a lane; false when none is ready. */
  #send(lane: Lane, channel: Channel, encoder: PieceEncoder): boolean {
    for (let group = lane.head; group !== null; group = lane.head) {
      this.#setup.checkSource()
      const piece = encoder.encode(group)
      if (piece === null) {
        lane.dropHead()
        // Nothing is handed over, after which more would be planned.
        lane.refill()
        continue
      }
      if (channel === this.#setup.main) this.#lastLane = lane
      if (lane === this.#background) this.#limitRate(piece.length)
      channel.write(piece, () => {
        this.#handedOver(encoder)
        if (group.allSent) lane.dropHead()
        this.pump()
      })
      return true
    }
    return false
  }

  /** The encoder's last piece is at the kernel. */
  #handedOver({ answers, completed }: PieceEncoder): void {
    const { ledger, policy } = this.#setup
    const nowNs = performance.now() * 1e6
    ledger.residency.add(nowNs, (ledger.dataPages + ledger.zeroPages) * this.#targetPageSize)
    for (const entry of answers) ledger.log.answer(entry, nowNs)
    if (policy.onInstalled === undefined) return
    for (let i = 0; i < completed.length; i += 2) policy.onInstalled(completed[i], completed[i + 1])
  }

  /** What the background has read is not read again; nor what it is reading, where another read would have to go to the disk. */
  #readUrgent(offset: number, target: Uint8Array, at: number, length: number): Promise<void> | null {
    const { layout, readSnapshot, parallelReads } = this.#setup
    const block = layout.blocks.find(
      ({ block: { pagesOffset, usedLength } }) => offset >= pagesOffset && offset < pagesOffset + usedLength,
    )!
    const { pagesOffset, pageSize } = block.block
    const pages = { first: (offset - pagesOffset) / pageSize, count: length / pageSize }
    const copied = this.#background.copy(block, pages, target, at, parallelReads() > 1)
    return copied === undefined ? readSnapshot(offset, target, at, length) : copied
  }

  /** The next request into the plan. It takes its page back from whoever planned it and has not sent it. */
  #planRequest(plan: Plan): void {
    const { claims, ledger, policy } = this.#setup
    while (this.#requestsTaken < this.#requests.length) {
      const page = this.#requests[this.#requestsTaken++]
      if (this.#requestsTaken === this.#requests.length) {
        this.#requests = []
        this.#requestsTaken = 0
      }
      if (ledger.isSent(page)) continue
      if (claims.isClaimed(page)) {
        clearBit(claims.bitmap, page)
        claims.claimedCount--
      }
      policy.onFault(page, plan)
      return
    }
  }

  #backgroundMayGoOn(): boolean {
    const { policy, ledger } = this.#setup
    // Nobody's page can be sent before the host page that the channel is in the middle of.
    if (this.#mainEncoder.isInHostPage) return true
    if (policy.mechanism.yieldToFaults && ledger.waitingCount > 0) return false
    const leftMs = this.#notBeforeMs - performance.now()
    if (leftMs <= 0) return true
    this.#timer ??= setTimeout(() => {
      this.#timer = null
      this.pump()
    }, leftMs)
    return false
  }

  #limitRate(bytes: number): void {
    const { rateBytesPerS } = this.#setup.policy.mechanism
    if (rateBytesPerS === null) return
    this.#notBeforeMs = Math.max(performance.now(), this.#notBeforeMs) + (bytes * 1000) / rateBytesPerS
  }

  #fail(error: unknown): void {
    if (this.#isStopped) return
    this.stop()
    this.#setup.onError(error)
  }
}
