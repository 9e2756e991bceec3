/**
 * One restore of a stock QEMU out of a snapshot file: this side is the migration's source. It opens the stream, sends what must
 * be there before the VM runs as precopy, then the device state in one package with the order to run; it answers page
 * requests and fills memory as the policy wants, and ends when the destination says that all is well.
 *
 * The order of the stream is that of QEMU docs/devel/migration/postcopy.rst; docs/qemu.md has it, with what destinations of
 * several versions were seen to insist on.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { LazyRestoreError } from '../core/error.ts'
import { MIB } from '../core/units.ts'
import type { Layout } from '../destination/layout.ts'
import type { Policy } from '../policy/policy.ts'
import { type Address, addressText, Channel, type ChannelHandler } from './channel.ts'
import {
  openReturnPath,
  packageOf,
  ping,
  postcopyAdvise,
  postcopyListen,
  postcopyResume,
  postcopyRun,
  receivedBitmap,
} from './commands.ts'
import { Expectations } from './expectations.ts'
import { MemoryService } from './memory-service.ts'
import {
  discardAll,
  type Migratable,
  migratable,
  pageSizeSummary,
  ramSectionStart,
  streamEnd,
  streamHead,
  urgentEnd,
} from './opening.ts'
import type { PageFile } from './page-file.ts'
import type { ReadBytes } from './page-group.ts'
import { ReturnPath } from './return-path.ts'
import { likelyReason, type Stage, stateOfVm } from './stage.ts'

export interface SessionOptions {
  readonly layout: Layout
  readonly policy: Policy
  readonly address: Address
  /** Requested pages go on a connection of their own; the destination must have the capability postcopy-preempt. */
  readonly preempt: boolean
  /** The destination is paused in postcopy (QMP migrate-recover) and is taken up again. */
  readonly resume: boolean
  readonly file: PageFile
  /** Where recorded pages lie one behind the other; null: they are read from the snapshot. */
  readonly readWorkingSet: ReadBytes | null
  onWorkingSetError(error: unknown): void
  /** When the policy has nothing more to do and nobody asked for so long, what is left is sent, so that the migration ends. */
  readonly completeAfterMs: number
  /** Longest wait for an answer, and for a piece to be taken. */
  readonly limitMs: number
  /** Ends the restore with its reason, a LazyRestoreError. */
  readonly signal: AbortSignal | null
  readonly onStage: ((stage: Stage) => void) | null
}

/** Times in ns from the moment at which the connection was asked for. */
export interface SessionTimes {
  /** The destination has its device state, and the VM is to run; null when a paused one was taken up. */
  resumeNs: number | null
  allSentNs: number
  /** The destination has said that all is well. */
  completeNs: number
}

/** Values of PING, which come back in PONG. */
const AT_HEAD = 1
const AT_ADVISE = 2
const AT_BLOCKS = 3
const AT_DEVICES = 4

const PIECE_BYTES = MIB
const STALL_CHECK_MS = 1000
/** A QEMU that has not answered after so long waits for the second connection. */
const OLD_QEMU_MS = 200

export class Session {
  readonly memory: MemoryService
  readonly times: SessionTimes = { resumeNs: null, allSentNs: 0, completeNs: 0 }
  readonly #options: SessionOptions
  readonly #stream: Migratable
  readonly #expected = new Expectations()
  readonly #startNs = performance.now() * 1e6
  #stage: Stage = 'connect'
  #main: Channel | null = null
  #urgent: Channel | null = null
  #wantsUrgentEnd = false
  #isClosed = false

  /** @throws LazyRestoreError `unsupported` for a snapshot that cannot be sent */
  constructor(options: SessionOptions) {
    this.#options = options
    this.#stream = migratable(options.layout)
    this.memory = new MemoryService({
      ...options,
      ramSectionId: this.#stream.ramSectionId,
      onBeforeDone: () => this.#expected.meet('memory before the VM runs'),
      onAllDone: () => this.#expected.meet('all memory'),
      onError: error => this.#expected.fail(error),
    })
  }

  get bytesSent(): number {
    return (this.#main?.bytesSent ?? 0) + (this.#urgent?.bytesSent ?? 0)
  }

  /** When the restore began, in ns of performance.now. */
  get startNs(): number {
    return this.#startNs
  }

  /** Carries the restore out. @throws LazyRestoreError that says how far it came, what state the VM is in, and what to do */
  async run(): Promise<void> {
    const { signal } = this.#options
    const onAbort = (): void => this.#expected.fail(signal!.reason)
    signal?.addEventListener('abort', onAbort)
    const watch = setInterval(() => this.#checkStall(), STALL_CHECK_MS)
    try {
      if (signal?.aborted) throw signal.reason
      await this.#connect()
      if (this.#options.resume) await this.#takeUp()
      else await this.#begin()
      await this.#serve()
      await this.#finish()
    } catch (error) {
      throw this.#withState(error)
    } finally {
      clearInterval(watch)
      signal?.removeEventListener('abort', onAbort)
      this.#close()
    }
  }

  #enter(stage: Stage): void {
    this.#stage = stage
    this.#options.onStage?.(stage)
  }

  async #connect(): Promise<void> {
    const { address, limitMs } = this.#options
    this.#enter('connect')
    const returnPath = new ReturnPath({
      onShut: status => this.#expected.meet('the end of the migration', status),
      onPong: value => this.#expected.meet(`PONG ${value}`),
      onResumeAck: value => this.#expected.meet('RESUME_ACK', value),
      onRequest: (block, start, length) => this.memory.request(block, start, length),
      bitmapBytes: name => this.memory.receivedBitmapBytes(name),
      onBitmap: (block, bitmap) => {
        this.memory.markReceived(block, bitmap)
        this.#expected.meet(`the bitmap of ${block}`)
      },
    })
    this.#main = await Channel.open(
      address,
      this.#handler(bytes => returnPath.take(bytes)),
      limitMs,
    )
  }

  /** Some destinations wait for the second connection before they read the first, others want the first one's head before. */
  async #connectUrgent(): Promise<void> {
    const { address, limitMs, preempt } = this.#options
    const answer = this.#pong(AT_HEAD)
    // Also when the connection fails before anybody looks at the answer.
    answer.catch(() => {})
    if (preempt) {
      const isAnswered = await Promise.race([answer.then(() => true), sleep(OLD_QEMU_MS, false, { ref: false })])
      this.#wantsUrgentEnd = !isAnswered
      this.#urgent = await Channel.open(address, this.#urgentHandler(), limitMs)
    }
    await answer
    this.memory.open(this.#main!, this.#urgent)
  }

  #urgentHandler(): ChannelHandler {
    return {
      onBytes: () => {},
      onClosed: cause => {
        if (this.#stage !== 'end') this.#expected.fail(this.#closedBy(cause))
      },
    }
  }

  #handler(take: (bytes: Uint8Array) => void): ChannelHandler {
    return {
      onBytes: bytes => {
        try {
          take(bytes)
          this.memory.pump()
        } catch (error) {
          this.#expected.fail(error)
        }
      },
      onClosed: cause => this.#expected.fail(this.#closedBy(cause)),
    }
  }

  async #begin(): Promise<void> {
    this.#enter('head')
    await this.#write(await streamHead(this.#stream), openReturnPath(), ping(AT_HEAD))
    await this.#connectUrgent()
    this.#enter('advise')
    await this.#write(postcopyAdvise(pageSizeSummary(this.#stream), this.#stream.targetPageSize), ping(AT_ADVISE))
    await this.#pong(AT_ADVISE)
    this.#enter('blocks')
    await this.#write(ramSectionStart(this.#stream), discardAll(this.#stream), ping(AT_BLOCKS))
    await this.#pong(AT_BLOCKS)
    this.#enter('before')
    this.memory.sendBefore()
    await this.#expected.await('memory before the VM runs', null)
    this.#enter('devices')
    await this.#sendPackage()
  }

  /** LISTEN, the device state byte by byte as in the file, and RUN. */
  async #sendPackage(): Promise<void> {
    const { deviceState, snapshot } = this.#stream
    const before = postcopyListen()
    const after = [ping(AT_DEVICES), postcopyRun()]
    const length = before.length + deviceState.length + after.reduce((sum, bytes) => sum + bytes.length, 0)
    await this.#write(packageOf(length), before)
    for (let done = 0; done < deviceState.length; done += PIECE_BYTES) {
      const piece = new Uint8Array(Math.min(PIECE_BYTES, deviceState.length - done))
      await snapshot.source.read(deviceState.offset + done, piece)
      await this.#write(piece)
    }
    await this.#write(...after)
  }

  /** Asks a paused destination what it has, and lets it go on. */
  async #takeUp(): Promise<void> {
    const { layout, limitMs } = this.#options
    this.#enter('resume')
    await this.#write(ping(AT_HEAD))
    await this.#connectUrgent()
    for (const { block } of layout.blocks) {
      await this.#write(receivedBitmap(block.name))
      await this.#expected.await(`the bitmap of ${block.name}`, limitMs)
    }
    await this.#write(postcopyResume())
    await this.#expected.await('RESUME_ACK', limitMs)
    this.#enter('running')
  }

  /** Answers requests and fills memory until all of it is sent. */
  async #serve(): Promise<void> {
    this.memory.serve()
    if (!this.#options.resume) {
      await this.#pong(AT_DEVICES)
      this.times.resumeNs = this.#now()
      this.#enter('running')
    }
    this.memory.allowEnd()
    await this.#expected.await('all memory', null)
  }

  async #finish(): Promise<void> {
    this.#options.file.checkUnchanged(true)
    this.#enter('end')
    if (this.#wantsUrgentEnd) this.memory.stop()
    else this.memory.leaveMain()
    await this.#write(streamEnd(this.#stream))
    if (this.#wantsUrgentEnd) await this.#writeOn(this.#urgent!, urgentEnd())
    this.times.allSentNs = this.#now()
    const status = await this.#expected.await('the end of the migration', this.#options.limitMs)
    this.times.completeNs = this.#now()
    if (status === 0) return
    throw new LazyRestoreError('io', `${this.#name}: found status ${status} at the end of the migration, expected 0`)
  }

  #pong(value: number): Promise<number> {
    return this.#expected.await(`PONG ${value}`, this.#options.limitMs)
  }

  /** Writes on the main channel; nothing else may be on it. */
  #write(...parts: Uint8Array[]): Promise<void> {
    return this.#writeOn(this.#main!, Buffer.concat(parts))
  }

  async #writeOn(channel: Channel, bytes: Uint8Array): Promise<void> {
    const written = this.#expected.await('bytes to be taken', this.#options.limitMs)
    channel.write(bytes, () => this.#expected.meet('bytes to be taken'))
    await written
  }

  #now(): number {
    return performance.now() * 1e6 - this.#startNs
  }

  get #name(): string {
    return addressText(this.#options.address)
  }

  #closedBy(cause: Error | null): LazyRestoreError {
    const reason = likelyReason(this.#stage)
    const likely = reason === null ? '' : `; likely ${reason} (QEMU's own message says more)`
    const how = cause === null ? 'ended' : `broke (${cause.message})`
    return new LazyRestoreError('io', `${this.#name}: the connection ${how}${likely}`, { cause })
  }

  #checkStall(): void {
    const { limitMs } = this.#options
    const nowMs = performance.now()
    const stalledMs = Math.max(this.#main?.stalledMs(nowMs) ?? 0, this.#urgent?.stalledMs(nowMs) ?? 0)
    const waitedMs = nowMs - (this.memory.ledger.waitingSinceNs ?? nowMs * 1e6) / 1e6
    const fail = (found: string): void => {
      const what = `${this.#name}: found ${found} for ${limitMs / 1000} s`
      this.#expected.fail(new LazyRestoreError('limit', what))
    }
    if (stalledMs > limitMs) fail('that the destination takes no bytes')
    else if (waitedMs > limitMs) fail('a page request without an answer')
  }

  #withState(error: unknown): unknown {
    if (!(error instanceof LazyRestoreError)) return error
    return new LazyRestoreError(error.code, `${error.message}. ${stateOfVm(this.#stage)}`, { cause: error })
  }

  #close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.memory.stop()
    this.#expected.fail(new LazyRestoreError('io', `${this.#name}: closed`))
    // In order after the end; a failed one at once, so that the destination knows.
    if (this.times.completeNs > 0) {
      this.#urgent?.end()
      this.#main?.end()
      return
    }
    this.#urgent?.destroy()
    this.#main?.destroy()
  }
}
