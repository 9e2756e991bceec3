/**
 * Carries out what a policy planned, on the kernel: claims a batch, reads it, installs it run by run. Handlers and workers
 * are carriers; the simulator's twin is src/sim/carriers.ts. Synchronous, because the thread has nothing else to do, and over
 * interfaces, so that it runs on the model kernel as well.
 *
 * Two promises: whoever waits for a page that this carrier has claimed is woken in the end, and memory never holds bytes that
 * a reader could take for the snapshot's when they are not. A page that cannot be read is *broken*.
 */
import { nextClearBit, nextSetBit } from '../../core/bitmap.ts'
import { BoundedSeries } from '../../core/bounded-series.ts'
import type { Claims } from '../../destination/claims.ts'
import { type LayoutBlock, runBytes } from '../../destination/layout.ts'
import { Batch } from '../../engine/batch.ts'
import type { Policy } from '../../policy/policy.ts'
import type { InstallRun } from '../../resolver/install-run.ts'
import {
  createResolution,
  OP_COPY,
  OP_ZEROPAGE,
  type Operation,
  type Resolution,
  resolve,
  zeroOperationOf,
} from '../../resolver/resolver.ts'
import type { FaultChannel } from '../kernel.ts'
import type { AddressMap } from './address-map.ts'
import type { AnswerChain } from './answer-chain.ts'
import { monotonicNs } from './clock.ts'
import { Installer, type InstallHost, OP_POISON, type Placement } from './installer.ts'
import { LateRuns } from './late-runs.ts'
import type { PageReader } from './page-reader.ts'
import { PHASE_STOP, type RestoreState } from './restore-state.ts'

const RESIDENCY_POINTS = 512
const SMALL_PAGE = 4096
/** Longest wait for an event to be read, or for its lock. */
const EVENT_LIMIT_MS = 5000

/** What a page gets: what the snapshot has, unless it was removed; zeros after it was removed; what stands for broken. */
type Content = 'snapshot' | 'removed' | 'broken'

/** Memory that is never registered: where batches are read to, and zeros to copy from. */
export interface Scratch {
  readonly address: number
  readonly bytes: Uint8Array
  /** As many zeros as the largest host page has bytes. */
  readonly zeroAddress: number
}

export interface CarrierSetup {
  readonly policy: Policy
  readonly map: AddressMap
  readonly state: RestoreState
  readonly claims: Claims
  /** Null: the memory is not registered; it is read into as it is, or mapped. */
  readonly channel: FaultChannel | null
  readonly host: InstallHost
  readonly snapshot: PageReader
  /** The contents of the recorded working set, from its first byte on; null when the policy has none. */
  readonly workingSet: PageReader | null
  readonly scratch: Scratch
  /**
   * What becomes of a page that cannot be read: UFFDIO_POISON, so that a touch is SIGBUS or a KVM exit; or zeros, for vCPUs
   * that look at `RestoreState.failed` before they use what they got.
   */
  readonly broken: 'poison' | 'zero'
  /** REMOVE events are on: installs are held against them. */
  readonly events: boolean
  /** For a handler of memory without events; else it asks the kernel step by step. */
  readonly answers?: AnswerChain | null
  /**
   * Longest that an install waits for an event to be over, which it is once the thread that caused it has run again; 5 s when
   * not given. Another process may be stopped meanwhile.
   */
  readonly eventLimitMs?: number
  /** Told at once of the first page that is broken, and why. */
  onFailure(reason: string): void
}

export class Carrier {
  readonly batch: Batch
  /** Host pages installed, by operation. */
  readonly pagesInstalled = [0, 0, 0]
  bytesRead = 0
  bytesInstalled = 0
  /** Pages that could not be restored, and why the first one could not. */
  errors = 0
  failure: string | null = null
  /** (CLOCK_MONOTONIC ns, bytes installed over all threads) after each of this carrier's installs. */
  readonly residency = new BoundedSeries(RESIDENCY_POINTS)
  readonly installer: Installer | null
  /** Why the last page that could not be installed could not. */
  #obstacle = ''
  readonly #setup: CarrierSetup
  readonly #resolution: Resolution
  /** Reads straight into the memory; else into the bounce buffer. */
  readonly #readsInPlace: boolean
  /** Reads the event that the kernel wants to be read, or gives another thread the time to. */
  readonly #awaitEvent: () => void
  readonly #delays: boolean
  readonly #beforeInstall: (() => void) | null
  /** Null: nothing is put off. */
  readonly #late: LateRuns | null

  /**
   * @param delays nobody needs to know when an install is made: it may stay put off until `settle`, which is then to be called,
   *   unless the policy wants to know
   * @param beforeInstall told when bytes are there
   */
  constructor(setup: CarrierSetup, awaitEvent: () => void, delays = false, beforeInstall: (() => void) | null = null) {
    const { map, claims, policy, channel, host, answers, scratch } = setup
    const { layout } = map
    const { readBytes, install } = policy.mechanism
    this.#readsInPlace = install === 'load'
    this.#setup = setup
    this.#awaitEvent = awaitEvent
    this.#delays = delays && policy.onInstalled === undefined
    this.#late = answers ? new LateRuns(answers, map, scratch) : null
    this.#beforeInstall = beforeInstall
    this.batch = new Batch(layout, claims, policy.mechanism)
    this.installer = channel === null ? null : new Installer(channel, host)
    const smallest = Math.min(...layout.blocks.map(({ hostPageSize }) => hostPageSize))
    const mostPages = Math.max(1, Math.floor(readBytes / smallest))
    this.#resolution = createResolution(layout, mostPages, readBytes)
  }

  /** Reads and installs the batch that was claimed last. */
  carryOut(): void {
    const { batch } = this
    const late = this.#late
    if (late?.isFull) this.settle()
    if (late !== null && batch.fileBytes === 0 && batch.runCount === 1 && late.putOff(batch.runs[0])) {
      // The time of the last page is the restore's own.
      const isLast = this.bytesInstalled + late.bytes === this.#setup.map.layout.byteLength
      if (!this.#delays || isLast) this.settle()
      return
    }
    this.settle()
    if (batch.fileBytes > 0) return this.#carryOutFileRuns()
    for (let i = 0; i < batch.runCount; i++) this.#carryOutRun(batch.runs[i])
  }

  /** Nothing stays put off. To be called at the end. */
  finish(): void {
    this.settle()
    const { byteLength } = this.#setup.map.layout
    if (this.#delays && this.bytesInstalled < byteLength) this.residency.add(monotonicNs(), this.bytesInstalled)
  }

  /** Comes back to what was put off, if anything: it is made now if it was not, and step by step where it did not go well. */
  settle(): void {
    const late = this.#late
    if (late === null || late.count === 0) return
    const { count } = late
    const well = late.settle(this.#beforeInstall)
    for (let i = 0; i < count; i++) {
      const run = late.at(i)
      if (i >= well) this.#carryOutRun(run)
      else {
        this.#account(run.op, run.block, run.first, run.count)
        if (run.op === OP_COPY) this.bytesRead += runBytes(run.block, run.first, run.count)
      }
    }
  }

  #carryOutRun(run: InstallRun): void {
    const { op, block, first, count } = run
    if (op !== OP_COPY) this.#installZeros(op, block, first, count, 'snapshot')
    else if (!this.#restore(block, first, count)) this.#restoreOneByOne(run)
  }

  /** Installs zeros in place of what the snapshot has: the page was removed (MADV_DONTNEED and the like) and is asked for again. */
  installRemoved(block: LayoutBlock, page: number): void {
    this.#installZeros(zeroOperationOf(block), block, page, 1, 'removed')
  }

  /** Gives host pages up, what is there of them aside; whoever waits for them wakes. */
  breakPages(block: LayoutBlock, first: number, count: number, reason: string): void {
    const { channel, map, broken, scratch } = this.#setup
    this.fail(reason, count)
    if (channel === null) return
    const op = broken === 'poison' ? OP_POISON : zeroOperationOf(block)
    let page = first
    // When not even that can be done, the restore's end lets them go.
    while (page < first + count && this.#place(op, block, page, page + 1, scratch.zeroAddress, 'broken') > page) page++
    channel.wake(map.addressOf(first), count * block.hostPageSize)
  }

  fail(reason: string, errors: number): void {
    this.errors += errors
    if (this.failure !== null) return
    this.failure = reason
    this.#setup.state.fail()
    this.#setup.onFailure(reason)
  }

  /** False when a page cannot be read. */
  #restore(block: LayoutBlock, first: number, count: number): boolean {
    const { map, policy, channel, snapshot, scratch } = this.#setup
    const resolution = resolve(map.layout, first, count, policy.mechanism.readBytes, this.#resolution)
    const target = this.#readsInPlace ? map.addressOf(first) : scratch.address
    try {
      this.#read(resolution, snapshot, target)
    } catch (error) {
      if (count === 1) this.breakPages(block, first, 1, (error as Error).message)
      return count === 1
    }
    if (this.#readsInPlace) this.#account(OP_COPY, block, first, count)
    // Of a mapping nothing is installed: what was read is in the page cache now.
    else if (channel !== null) this.#install(OP_COPY, block, first, count, scratch.address, 'snapshot')
    return true
  }

  /** A page among them cannot be read: only that one is to be broken. */
  #restoreOneByOne({ block, first, count }: InstallRun): void {
    for (let page = first; page < first + count; page++) this.#restore(block, page, 1)
  }

  #read(
    { runCount, origin, fileOffset, bufferOffset, length, byteLength }: Resolution,
    reader: PageReader,
    target: number,
  ) {
    const { channel, scratch } = this.#setup
    let filled = 0
    for (let run = 0; run < runCount; run++) {
      // Fresh memory is zero between the runs by itself.
      if (channel !== null && filled < bufferOffset[run]) scratch.bytes.fill(0, filled, bufferOffset[run])
      reader.read(fileOffset[run], target + bufferOffset[run], length[run], origin[run])
      filled = bufferOffset[run] + length[run]
      this.bytesRead += length[run]
    }
    if (channel !== null && filled < byteLength) scratch.bytes.fill(0, filled, byteLength)
  }

  #carryOutFileRuns(): void {
    const { batch } = this
    const { workingSet, scratch } = this.#setup
    const { runs, runCount, fileRunOffset, fileOffset, fileBytes } = batch
    try {
      workingSet!.read(fileOffset, scratch.address, fileBytes, 0)
      this.bytesRead += fileBytes
    } catch {
      // The snapshot has the same bytes, if in another order.
      for (let i = 0; i < runCount; i++) this.#restoreOneByOne(runs[i])
      return
    }
    for (let i = 0; i < runCount; i++) {
      const { block, first, count } = runs[i]
      this.#install(OP_COPY, block, first, count, scratch.address + fileRunOffset[i], 'snapshot')
    }
  }

  #installZeros(op: Operation, block: LayoutBlock, first: number, count: number, content: Content): void {
    const { zeroAddress } = this.#setup.scratch
    if (op === OP_ZEROPAGE) return this.#install(op, block, first, count, 0, content)
    for (let page = first; page < first + count; page++) this.#install(op, block, page, 1, zeroAddress, content)
  }

  /** Installs host pages whose bytes lie at `source`, however often the kernel has to be asked, or breaks them. */
  #install(op: Operation, block: LayoutBlock, first: number, count: number, source: number, content: Content): void {
    this.#beforeInstall?.()
    const end = first + count
    const past = this.#place(op, block, first, end, source, content)
    if (past === end || this.#setup.state.phase === PHASE_STOP) return // once it is stopped nobody waits
    this.breakPages(block, past, end - past, this.#obstacle)
  }

  /** The same, up to the first page that cannot be installed, which it returns; `#obstacle` says why. */
  #place(op: Placement, block: LayoutBlock, first: number, end: number, source: number, content: Content): number {
    const { map, state } = this.#setup
    const { eventLimitMs = EVENT_LIMIT_MS } = this.#setup
    const holdsEvents = this.#setup.events && content === 'snapshot'
    const { kind, hostPageSize } = block
    const installer = this.installer!
    const pageSize = kind === 'hugetlb' ? hostPageSize : SMALL_PAGE
    let heldUpSinceNs = 0
    for (let page = first; page < end; ) {
      if (holdsEvents && !state.lockEvents(EVENT_LIMIT_MS)) {
        this.#obstacle = 'userfaultfd events: found their lock held for 5 s'
        return page
      }
      const start = holdsEvents ? this.#skipRemoved(block, page, end) : page
      const stop = holdsEvents ? nextSetBit(state.shared.removed, start, end) : end
      const outcome =
        start === end
          ? 'done'
          : installer.install(
              op,
              map.addressOf(start),
              source + (start - first) * hostPageSize,
              runBytes(block, start, stop - start),
              pageSize,
            )
      if (holdsEvents) state.unlockEvents()
      const done = outcome === 'done' ? stop - start : Math.floor(installer.bytesDone / hostPageSize)
      if (done > 0 && content !== 'broken') this.#account(op, block, start, done)
      page = start + done
      if (outcome === 'gone') {
        // Nobody waits any more, and nothing can be installed.
        state.enter(PHASE_STOP)
        return page
      }
      if (outcome === 'failed') {
        this.#obstacle = installer.reason
        return page
      }
      if (outcome === 'event') {
        if (done > 0 || heldUpSinceNs === 0) heldUpSinceNs = monotonicNs()
        if (state.phase === PHASE_STOP || monotonicNs() - heldUpSinceNs > eventLimitMs * 1e6) {
          this.#obstacle = `userfaultfd event: found installs held up for ${eventLimitMs / 1000} s`
          return page
        }
        this.#awaitEvent()
      }
    }
    return end
  }

  /** The first page in [page, end) that was not removed; who waits for one that was asks again, and gets zeros. */
  #skipRemoved(block: LayoutBlock, page: number, end: number): number {
    const { map, state, channel } = this.#setup
    const start = nextClearBit(state.shared.removed, page, end)
    if (start > page) channel!.wake(map.addressOf(page), (start - page) * block.hostPageSize)
    return start
  }

  #account(op: Placement, block: LayoutBlock, first: number, count: number): void {
    const bytes = runBytes(block, first, count)
    this.pagesInstalled[op] += count
    this.bytesInstalled += bytes
    const total = this.#setup.state.installed(first, count, Math.ceil(bytes / SMALL_PAGE))
    // A look at the clock is the dearest part of it.
    const isLast = this.bytesInstalled === this.#setup.map.layout.byteLength
    if (!this.#delays || this.residency.isDue || isLast) this.residency.add(monotonicNs(), total * SMALL_PAGE)
    else this.residency.leaveOut()
    this.#setup.policy.onInstalled?.(first, count)
  }
}
