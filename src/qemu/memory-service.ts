/**
 * The memory of one restore: what of it is claimed, asked for and sent; which part of the policy's work is under way; and when
 * all of it is done. A migration has to end, so what a policy without a fill leaves is sent once nobody has asked for a while.
 *
 * Zero pages that only a fill wants are not sent: the destination's memory was emptied, and what was never sent reads as zeros
 * when the migration has ended. A request for one before that is answered.
 */
import { LazyRestoreError } from '../core/error.ts'
import { MIB } from '../core/units.ts'
import { Claims } from '../destination/claims.ts'
import type { Layout, LayoutBlock } from '../destination/layout.ts'
import type { Plan } from '../policy/plan.ts'
import type { Policy } from '../policy/policy.ts'
import { FaultFeed } from '../policy/policy-host.ts'
import { Sweep } from '../policy/sweep.ts'
import { bitmapByteLength } from '../snapshot/stream-format.ts'
import type { Channel } from './channel.ts'
import type { PageFile } from './page-file.ts'
import type { ReadBytes } from './page-group.ts'
import { PageLedger } from './page-ledger.ts'
import { PageSender } from './page-sender.ts'

export interface MemoryServiceSetup {
  readonly layout: Layout
  readonly policy: Policy
  readonly ramSectionId: number
  readonly file: PageFile
  readonly readWorkingSet: ReadBytes | null
  readonly completeAfterMs: number
  /** What must be there before the VM runs is handed over. */
  onBeforeDone(): void
  /** All memory is handed over, or needs not be. */
  onAllDone(): void
  onError(error: unknown): void
  onWorkingSetError(error: unknown): void
}

type Phase = 'closed' | 'before' | 'waiting' | 'serving' | 'done'

export class MemoryService {
  readonly ledger: PageLedger
  readonly #setup: MemoryServiceSetup
  readonly #claims: Claims
  readonly #blocks: ReadonlyMap<string, LayoutBlock>
  #sender: PageSender | null = null
  #phase: Phase = 'closed'
  #hasUrgent = false
  #mayEnd = false
  /** What the policy leaves is being sent. */
  #isCompleting = false
  #lastRequestMs = 0
  #quietTimer: NodeJS.Timeout | null = null

  constructor(setup: MemoryServiceSetup) {
    const { layout } = setup
    this.#setup = setup
    this.ledger = new PageLedger(layout)
    this.#claims = new Claims(layout.hostPageCount)
    this.#blocks = new Map(layout.blocks.map(block => [block.block.name, block]))
  }

  /** @param urgent the connection for requested pages alone, if there is one */
  open(main: Channel, urgent: Channel | null): void {
    const { file, policy, onError } = this.#setup
    this.#hasUrgent = urgent !== null
    policy.start?.({ nowNs: () => performance.now() * 1e6, faults: new FaultFeed() })
    this.#phase = 'waiting'
    this.#sender = new PageSender({
      ...this.#setup,
      claims: this.#claims,
      ledger: this.ledger,
      main,
      urgent,
      readSnapshot: (offset, target, at, length) => file.read(offset, target, at, length),
      parallelReads: () => file.parallelReads,
      checkSource: () => file.checkUnchanged(),
      onIdle: () => this.#onIdle(),
      onError,
    })
  }

  /** Sends what must be there before the VM runs; `onBeforeDone` follows. */
  sendBefore(): void {
    const { policy } = this.#setup
    this.#phase = 'before'
    this.#sender!.startBackground(plan => policy.begin?.(plan))
  }

  /** Answers requests and does the policy's background work; `onAllDone` follows after `allowEnd`. The main channel must be free. */
  serve(): void {
    const { policy } = this.#setup
    this.#phase = 'serving'
    this.#lastRequestMs = performance.now()
    this.#sender!.startBackground(plan => policy.next?.(plan))
  }

  /** Length of the bitmap that a destination sends of a block, in 64-bit words. @throws LazyRestoreError `format` */
  receivedBitmapBytes(blockName: string): number {
    return bitmapByteLength(this.#block(blockName).block.pageCount)
  }

  /** The destination has these target pages of a block from before: bit p of the little-endian bitmap is page p. */
  markReceived(blockName: string, bitmap: Uint8Array): void {
    const { firstHostPage, endHostPage, pageShift, block } = this.#block(blockName)
    for (let hostPage = firstHostPage; hostPage < endHostPage; hostPage++) {
      // Host pages are received as a whole.
      const page = (hostPage - firstHostPage) * 2 ** pageShift
      if ((bitmap[Math.floor(page / 8)] & (1 << (page % 8))) === 0) continue
      this.ledger.markReceived(hostPage, Math.min(2 ** pageShift, block.pageCount - page))
      this.#claims.claim(hostPage, 1)
    }
  }

  /** The destination misses bytes `[start, start + length)` of a block. @throws LazyRestoreError `format` */
  request(blockName: string, start: number, length: number): void {
    const { block, hostPageSize, firstHostPage, endHostPage } = this.#block(blockName)
    const first = firstHostPage + Math.floor(start / hostPageSize)
    const last = firstHostPage + Math.floor((start + length - 1) / hostPageSize)
    if (length === 0 || last >= endHostPage) {
      throw new LazyRestoreError(
        'format',
        `page request: found [${start}, ${start + length}) of block ${blockName}, expected a range inside its ${block.usedLength} bytes`,
      )
    }
    if (this.#sender === null) {
      throw new LazyRestoreError('format', 'page request: found one before the destination was told to listen')
    }
    this.#lastRequestMs = performance.now()
    for (let hostPage = first; hostPage <= last; hostPage++) {
      this.#sender.request(hostPage, this.#lastRequestMs * 1e6)
    }
  }

  /** From now on it may be said that all is done: the destination can take the end of the stream. */
  allowEnd(): void {
    this.#mayEnd = true
    this.pump()
  }

  /** Goes on with whatever can be done. */
  pump(): void {
    if (this.#phase === 'serving' || (this.#phase === 'done' && this.#hasUrgent)) this.#sender!.pump()
  }

  /** Leaves the main channel. Requests are still answered if they have a channel of their own. */
  leaveMain(): void {
    this.#phase = 'done'
    if (!this.#hasUrgent) this.stop()
  }

  stop(): void {
    if (this.#quietTimer !== null) clearTimeout(this.#quietTimer)
    this.#sender?.stop()
  }

  #block(name: string): LayoutBlock {
    const block = this.#blocks.get(name)
    if (block !== undefined) return block
    const known = [...this.#blocks.keys()].join(', ')
    throw new LazyRestoreError('format', `return path: found block "${name}", expected one of ${known}`)
  }

  #onIdle(): void {
    if (this.#phase === 'before') {
      this.#phase = 'waiting'
      this.#setup.onBeforeDone()
    } else if (this.#phase === 'serving') {
      if (this.#claims.claimedCount < this.#claims.pageCount) this.#completeWhenQuiet()
      else if (this.#mayEnd) this.#setup.onAllDone()
    }
  }

  #completeWhenQuiet(): void {
    if (this.#isCompleting || this.#quietTimer !== null) return
    const leftMs = this.#lastRequestMs + this.#setup.completeAfterMs - performance.now()
    if (leftMs > 0) {
      this.#quietTimer = setTimeout(() => {
        this.#quietTimer = null
        this.#completeWhenQuiet()
      }, leftMs)
      return
    }
    this.#isCompleting = true
    const rest = new Sweep(this.#setup.layout, MIB)
    this.#sender!.startBackground((plan: Plan) => rest.next(plan))
  }
}
