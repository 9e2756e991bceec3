/**
 * The threads that install pages: handlers, which answer fault messages, and workers, which carry out what the policy wants
 * before the VM runs and in the background. All work alike: claim a batch of the plan, read it, install it run by run.
 */
import { nextClearBit, nextSetBit } from '../core/bitmap.ts'
import { Batch } from '../engine/batch.ts'
import type { Mechanism, Policy } from '../policy/policy.ts'
import { OP_ZEROPAGE } from '../resolver/resolver.ts'
import type { Agenda } from './agenda.ts'
import { Carrier, CarrierLegacy, type CarrierSetup } from './carrier.ts'
import type { HostCosts } from './host-profile.ts'
import { installCallNs } from './install-costs.ts'
import type { MessageQueue } from './message-queue.ts'
import { directReadNs, fetchNs } from './read-costs.ts'
import type { FaultHandlers } from './vcpu.ts'
import type { Vcpus } from './vcpus.ts'
import type { Waiters } from './waiters.ts'

const IDLE = 0 // no event
const MESSAGE = 1 // a handler was woken, or has read a message that needs nothing installed
const PULL = 2 // a worker asks the policy
const CLAIM = 3 // a worker may claim its next batch
const READ = 4 // a read, or the CPU work before one, is done
const INSTALL = 5 // an install call is done

export class Carriers implements FaultHandlers {
  /** What these carriers and those before them have done. */
  readonly legacy: CarrierLegacy
  readonly #setup: CarrierSetup
  readonly #policy: Policy
  readonly #mechanism: Mechanism
  readonly #costs: HostCosts
  readonly #agenda: Agenda
  readonly #carriers: readonly Carrier[]
  readonly #handlerCount: number
  /** Actors, and readers of the page cache, before these. */
  readonly #firstActor: number
  readonly #firstReader: number
  readonly #messages: MessageQueue
  readonly #waiters: Waiters
  readonly #woken: Int32Array
  /** Those that worked by the policy before this one; null: it is the first. */
  readonly #before: Carriers | null
  /** Others have taken over: what was claimed is installed, a fault whose message was read is answered, and that is all. */
  #retired = false
  #vcpus: Vcpus | null = null
  #vmRuns = false
  #beginning = 0
  #onBegun: (() => void) | null = null

  /** @param before those from which these take over */
  constructor(setup: CarrierSetup, before: Carriers | null = null) {
    const { policy, vcpuCount, layout, claims, cache, costs, agenda } = setup
    const { mechanism } = policy
    const count = mechanism.handlers + mechanism.workers
    const legacy = before?.legacy ?? new CarrierLegacy(vcpuCount)
    this.#setup = setup
    this.#policy = policy
    this.#mechanism = mechanism
    this.#costs = costs
    this.#agenda = agenda
    this.#before = before
    this.#handlerCount = mechanism.handlers
    this.#firstActor = agenda.addActors(count)
    this.#firstReader = cache.addReaders(count)
    this.#carriers = Array.from(
      { length: count },
      (_, index) => new Carrier(this.#firstActor + index, index, new Batch(layout, claims, mechanism)),
    )
    this.legacy = legacy
    this.#messages = legacy.messages
    this.#waiters = legacy.waiters
    this.#woken = legacy.woken
  }

  get pagesInstalled(): readonly number[] {
    return this.legacy.pagesInstalled
  }

  get bytesRead(): number {
    return this.legacy.bytesRead
  }

  get bytesInstalled(): number {
    return this.legacy.bytesInstalled
  }

  /**
   * Takes over while the VM runs: what the policy wants before it would run comes first, but nobody waits for all of it;
   * then comes its background work. Messages that nobody has read are these handlers'.
   */
  takeOver(vcpus: Vcpus, before: Carriers): void {
    const { now } = this.#agenda
    before.#retired = true
    this.legacy.yielding.length = 0
    if (!this.#messages.isEmpty) {
      for (let index = 0; index < this.#handlerCount; index++) this.#wakeHandler(this.#carriers[index])
    }
    this.begin(vcpus, now, () => this.vmRuns(this.#agenda.now))
  }

  /** Carries out what must be resident before vCPUs run, from `atNs` on; calls `onBegun` when it is. */
  begin(vcpus: Vcpus, atNs: number, onBegun: () => void): void {
    this.#vcpus = vcpus
    this.#onBegun = onBegun
    this.#beginning = this.#carriers.length - this.#handlerCount
    this.#startWorkers(atNs)
    if (this.#beginning === 0) onBegun()
  }

  /** vCPUs run from `atNs` on: background work may start. */
  vmRuns(atNs: number): void {
    this.#vmRuns = true
    if (this.#policy.next !== undefined) this.#startWorkers(atNs)
  }

  faultPosted(vcpu: number, page: number): void {
    this.#waiters.add(vcpu, page)
    this.#messages.push(vcpu)
    for (let index = 0; index < this.#handlerCount; index++) {
      const handler = this.#carriers[index]
      if (handler.phase === IDLE) return this.#wakeHandler(handler)
    }
  }

  /** The carrier's burst or timer has ended. */
  step(actor: number): void {
    if (actor < this.#firstActor) return this.#before!.step(actor)
    const carrier = this.#carriers[actor - this.#firstActor]
    switch (carrier.phase) {
      case MESSAGE:
        return this.#takeMessage(carrier)
      case PULL:
        return this.#pull(carrier)
      case CLAIM:
        return this.#carryOn(carrier)
      case READ:
        return this.#read(carrier)
      case INSTALL:
        return this.#installed(carrier)
    }
  }

  #startWorkers(atNs: number): void {
    for (const worker of this.#carriers.slice(this.#handlerCount)) this.#schedule(worker, PULL, atNs)
  }

  #schedule(carrier: Carrier, phase: number, atNs: number): void {
    carrier.phase = phase
    this.#agenda.startTimer(carrier.actor, atNs)
  }

  /** Does the work that is due; then `phase`. */
  #burst(carrier: Carrier, phase: number): void {
    carrier.phase = phase
    this.#agenda.startBurst(carrier.actor, carrier.debtNs)
    carrier.debtNs = 0
  }

  /** A core beside the waker's own is idle; the scheduler puts the woken thread there (Linux select_idle_sibling). */
  #wakesRemotely(): boolean {
    return this.#agenda.active + 1 < this.#agenda.cores
  }

  #wakeHandler(handler: Carrier): void {
    const { handlerWakeRemoteNs, handlerWakeLocalNs } = this.#costs
    const delayNs = this.#wakesRemotely() ? handlerWakeRemoteNs : handlerWakeLocalNs
    this.#schedule(handler, MESSAGE, this.#agenda.now + delayNs)
  }

  #takeMessage(handler: Carrier): void {
    const vcpu = this.#retired ? -1 : this.#messages.shift()
    if (vcpu < 0) {
      handler.phase = IDLE
      return
    }
    handler.debtNs = this.#costs.messageReadNs
    const page = this.#waiters.pageOf[vcpu]
    // Somebody else has claimed the page, and will wake the vCPU.
    if (this.#setup.claims.isClaimed(page)) return this.#burst(handler, MESSAGE)
    const { batch } = handler
    batch.plan.clear()
    this.#policy.onFault(page, batch.plan)
    batch.startPlan()
    this.#answer(handler)
  }

  /** Reads and installs the next batch of the answer to a fault; turns to the next message when it is done. */
  #answer(handler: Carrier): void {
    if (handler.batch.claimNext()) this.#read(handler)
    else this.#takeMessage(handler)
  }

  /** Asks the policy for work until it has some that is not claimed yet, or none at all. */
  #pull(worker: Carrier): void {
    if (this.#retired) {
      worker.phase = IDLE
      return
    }
    const { batch } = worker
    do {
      batch.plan.clear()
      if (this.#vmRuns) this.#policy.next?.(batch.plan)
      else this.#policy.begin?.(batch.plan)
      if (batch.plan.length === 0) {
        worker.phase = IDLE
        if (!this.#vmRuns && --this.#beginning === 0) this.#onBegun!()
        return
      }
      batch.startPlan()
    } while (!this.#startBatch(worker))
  }

  #carryOn(worker: Carrier): void {
    if (this.#retired || !this.#startBatch(worker)) this.#pull(worker)
  }

  /** A worker claims the next batch of its plan and starts to read it, or waits to do so; false when the plan is done. */
  #startBatch(worker: Carrier): boolean {
    if (this.#vmRuns && this.#mustWait(worker)) return true
    const { batch } = worker
    if (!batch.claimNext()) return false
    if (this.#vmRuns) this.#limitRate(worker, batch.bytes)
    this.#read(worker)
    return true
  }

  #mustWait(worker: Carrier): boolean {
    if (this.#mechanism.yieldToFaults && this.#waiters.count > 0) {
      worker.phase = IDLE
      this.legacy.yielding.push(worker)
      return true
    }
    if (this.#agenda.now >= worker.notBeforeNs) return false
    this.#schedule(worker, CLAIM, worker.notBeforeNs)
    return true
  }

  #limitRate(worker: Carrier, bytes: number): void {
    const { rateBytesPerS } = this.#mechanism
    if (rateBytesPerS === null) return
    const start = Math.max(this.#agenda.now, worker.notBeforeNs)
    worker.notBeforeNs = start + Math.round((bytes * 1e9) / rateBytesPerS)
  }

  /** Reads what is left to read of the batch, then installs its first run. */
  #read(carrier: Carrier): void {
    const { batch } = carrier
    if (batch.fileBytes > 0) return this.#readFile(carrier)
    if (batch.readCursor < batch.readEnd) {
      const { bitmap, pageSize } = batch.runs[0].block.block
      while (batch.readCursor < batch.readEnd) {
        const { readEnd } = batch
        const first = nextSetBit(bitmap, batch.readCursor, readEnd)
        let end = readEnd
        if (end - first > 1) {
          const pagesPerRead = Math.max(1, Math.floor(this.#mechanism.readBytes / pageSize))
          end = nextClearBit(bitmap, first, Math.min(readEnd, first + pagesPerRead))
        }
        batch.readCursor = end
        if (first === end) break
        const readyNs = this.#readPages(carrier, first, end)
        if (readyNs > this.#agenda.now) return this.#schedule(carrier, READ, readyNs)
      }
    }
    this.#install(carrier)
  }

  /** One read of the snapshot, target pages [first, end) of the batch's block; returns when its bytes are there. */
  #readPages(carrier: Carrier, first: number, end: number): number {
    const { cache, device, readCosts } = this.#setup
    const { block } = carrier.batch.runs[0]
    const { now } = this.#agenda
    const bytes = (end - first) * block.block.pageSize
    this.legacy.bytesRead += bytes
    if (this.#mechanism.direct) {
      carrier.debtNs += directReadNs(readCosts, bytes)
      return device.submit(now, bytes)
    }
    const { firstTargetPage } = block
    const reader = this.#firstReader + carrier.index
    const readyNs = cache.read(reader, block, firstTargetPage + first, firstTargetPage + end, now)
    carrier.debtNs += this.#costs.readCallNs + (bytes / 4096) * this.#costs.read4kNs
    if (cache.fetchedBytes > 0) carrier.debtNs += fetchNs(readCosts, cache.fetchedBytes, cache.fetchedAhead)
    return readyNs
  }

  /** The batch's read of the working-set file. */
  #readFile(carrier: Carrier): void {
    const { batch } = carrier
    const { device, readCosts, cacheWarm } = this.#setup
    const { workingSetDirect: direct } = this.#mechanism
    const bytes = batch.fileBytes
    batch.fileBytes = 0
    batch.fromFile = true
    this.legacy.bytesRead += bytes
    if (!direct) carrier.debtNs += this.#costs.readCallNs + (bytes / 4096) * this.#costs.read4kNs
    if (cacheWarm && !direct) return this.#install(carrier)
    carrier.debtNs += direct ? directReadNs(readCosts, bytes) : fetchNs(readCosts, bytes, true)
    this.#schedule(carrier, READ, device.submit(this.#agenda.now, bytes))
  }

  /** Starts the install call for the batch's next run. */
  #install(carrier: Carrier): void {
    // What a mapping's loader has read is in the page cache, and that is all.
    if (this.#mechanism.install === 'map') return this.#burst(carrier, CLAIM)
    const { batch } = carrier
    const run = batch.runs[batch.installed]
    carrier.debtNs += installCallNs(this.#setup, run, batch.fromFile)
    const waiters = this.#waiters.countIn(run.first, run.first + run.count)
    if (waiters > 0) {
      const { wakeCallRemoteNs, wakeCallLocalNs } = this.#costs
      carrier.debtNs += waiters * (this.#wakesRemotely() ? wakeCallRemoteNs : wakeCallLocalNs)
    }
    this.#burst(carrier, INSTALL)
  }

  /** An install call has ended: its pages are resident, and whoever waits for one of them wakes. */
  #installed(carrier: Carrier): void {
    const { memory, blockCosts, observer } = this.#setup
    const { batch } = carrier
    const { op, block, first, count } = batch.runs[batch.installed]
    const writable = op !== OP_ZEROPAGE || !blockCosts[block.index].zeroPageSharesFrame
    this.legacy.bytesInstalled += memory.install(block, first, count, writable, this.#agenda.now)
    this.legacy.pagesInstalled[op] += count
    observer?.installed(op, first, count)
    if (this.#waiters.count > 0) this.#wakeWaiters(first, first + count)
    this.#policy.onInstalled?.(first, count)
    batch.installed++
    if (batch.installed < batch.runCount) this.#install(carrier)
    else if (carrier.index < this.#handlerCount) this.#answer(carrier)
    else this.#carryOn(carrier)
  }

  #wakeWaiters(first: number, end: number): void {
    const { vcpuWakeRemoteNs, vcpuWakeLocalNs } = this.#costs
    const { now } = this.#agenda
    const runsAtNs = now + (this.#wakesRemotely() ? vcpuWakeRemoteNs : vcpuWakeLocalNs)
    const count = this.#waiters.take(first, end, this.#woken)
    for (let i = 0; i < count; i++) {
      this.#messages.remove(this.#woken[i])
      this.#vcpus!.wake(this.#woken[i], runsAtNs)
    }
    if (this.#waiters.count > 0) return
    const { yielding } = this.legacy
    while (yielding.length > 0) this.#schedule(yielding.pop()!, CLAIM, now)
  }
}
