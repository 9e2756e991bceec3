/**
 * The threads that install pages: handlers, which answer fault messages, and workers, which carry out what the policy wants
 * before the VM runs and in the background. All work alike: claim a batch of the plan, read it, install it run by run.
 */
import { nextClearBit, nextSetBit } from '../core/bitmap.ts'
import { Batch } from '../engine/batch.ts'
import type { Mechanism, Policy } from '../policy/policy.ts'
import { OP_ZEROPAGE } from '../resolver/resolver.ts'
import type { ActorClock } from './agenda.ts'
import { Carrier, CarrierLegacy, type CarrierSetup } from './carrier.ts'
import { readSnapshot, readWorkingSet } from './carrier-reads.ts'
import type { UffdLocks } from './fault-path.ts'
import type { FaultQueues } from './fault-queues.ts'
import type { HostCosts } from './host-profile.ts'
import { installCallNs, wakeCallNs } from './install-costs.ts'
import type { FaultHandlers } from './vcpu.ts'
import type { Vcpus } from './vcpus.ts'
import type { Waiters } from './waiters.ts'

const IDLE = 0 // no event
const MESSAGE = 1 // a handler was woken, or has read a message that needs nothing installed
const PULL = 2 // a worker asks the policy
const CLAIM = 3 // a worker may claim its next batch
const READ = 4 // a read, or the CPU work before one, is done
const INSTALL = 5 // an install call has put its pages there
const WAKE = 6 // … and has had the userfaultfd's lock to wake who waits

export class Carriers implements FaultHandlers {
  /** What these carriers and those before them have done. */
  readonly legacy: CarrierLegacy
  readonly #setup: CarrierSetup
  readonly #policy: Policy
  readonly #mechanism: Mechanism
  readonly #costs: HostCosts
  readonly #agenda: ActorClock
  readonly #carriers: readonly Carrier[]
  readonly #handlerCount: number
  /** Actors, and readers of the page cache, before these. */
  readonly #firstActor: number
  readonly #firstReader: number
  readonly #faults: FaultQueues
  readonly #locks: UffdLocks
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
    const { policy, vcpuCount, layout, claims, cache, costs, locks, agenda } = setup
    const { mechanism } = policy
    const count = mechanism.handlers + mechanism.workers
    const legacy = before?.legacy ?? new CarrierLegacy(vcpuCount, locks)
    this.#setup = setup
    this.#policy = policy
    this.#mechanism = mechanism
    this.#costs = costs
    this.#agenda = agenda
    this.#before = before
    this.#handlerCount = mechanism.handlers
    this.#firstActor = agenda.addActors(count, mechanism.handlers)
    this.#firstReader = cache.addReaders(count)
    this.#carriers = Array.from(
      { length: count },
      (_, index) => new Carrier(this.#firstActor + index, index, new Batch(layout, claims, mechanism)),
    )
    this.legacy = legacy
    this.#faults = legacy.faults
    this.#locks = locks
    this.#waiters = legacy.faults.waiters
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
    this.#faults.readBy(this.#handlerCount)
    if (this.#faults.hasMessages) {
      for (let index = 0; index < this.#handlerCount; index++) this.#wakeHandler(this.#carriers[index])
    }
    this.#begin(vcpus, now, () => this.vmRuns(this.#agenda.now))
  }

  /** Carries out what must be resident before vCPUs run, from `atNs` on; calls `onBegun` when it is. */
  begin(vcpus: Vcpus, atNs: number, onBegun: () => void): void {
    this.#faults.readBy(this.#handlerCount)
    this.#begin(vcpus, atNs, onBegun)
  }

  #begin(vcpus: Vcpus, atNs: number, onBegun: () => void): void {
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
    const uffd = this.#faults.post(vcpu, page)
    for (let index = 0; index < this.#handlerCount; index++) {
      const handler = this.#carriers[index]
      if (handler.phase === IDLE && this.#faults.serves(index, uffd)) return this.#wakeHandler(handler)
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
        return this.#placed(carrier)
      case WAKE:
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
    this.#agenda.startKernelBurst(carrier.actor, carrier.debtNs)
    carrier.debtNs = 0
  }

  #wakeHandler(handler: Carrier): void {
    const { handlerWakeRemoteNs, handlerWakeLocalNs, busyWakeNs, tlbInterruptNs } = this.#costs
    const localNs = this.#agenda.interrupts(handler.actor) ? handlerWakeLocalNs + busyWakeNs : handlerWakeLocalNs
    const delayNs = this.#agenda.wake(handler.actor, tlbInterruptNs) ? handlerWakeRemoteNs : localNs
    this.#schedule(handler, MESSAGE, this.#agenda.now + delayNs)
  }

  #takeMessage(handler: Carrier): void {
    const vcpu = this.#retired ? -1 : this.#faults.next(handler.index)
    if (vcpu < 0) {
      handler.phase = IDLE
      return
    }
    handler.debtNs = this.#costs.messageReadNs
    if (this.#locks.contended) handler.debtNs += this.#faults.readNs(handler.index, this.#agenda.now)
    const page = this.#waiters.pageOf[vcpu]
    // Somebody else has claimed the page, and will wake the vCPU.
    if (this.#setup.claims.isClaimed(page)) return this.#burst(handler, MESSAGE)
    const { batch } = handler
    batch.plan.clear()
    this.#policy.onFault(page, batch.plan)
    batch.startPlan()
    handler.isAnswering = true
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
    const { now } = this.#agenda
    const standsBack = this.#mechanism.yieldToFaults && this.#waiters.count > 0
    if (!standsBack && now >= worker.notBeforeNs) return false
    this.#schedule(worker, CLAIM, standsBack ? now + this.#costs.standBackNs : worker.notBeforeNs)
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
        this.legacy.bytesRead += (end - first) * pageSize
        const readyNs = readSnapshot(this.#setup, carrier, this.#firstReader + carrier.index, first, end)
        if (readyNs > this.#agenda.now) return this.#schedule(carrier, READ, readyNs)
      }
    }
    this.#install(carrier)
  }

  /** The batch's read of the working-set file. */
  #readFile(carrier: Carrier): void {
    this.legacy.bytesRead += carrier.batch.fileBytes
    const readyNs = readWorkingSet(this.#setup, carrier)
    if (readyNs < 0) this.#install(carrier)
    else this.#schedule(carrier, READ, readyNs)
  }

  /** Starts the install call for the batch's next run. */
  #install(carrier: Carrier): void {
    // What a mapping's loader has read is in the page cache, and that is all.
    if (this.#mechanism.install === 'map') return this.#burst(carrier, CLAIM)
    const { batch } = carrier
    const run = batch.runs[batch.installed]
    carrier.debtNs += installCallNs(this.#setup, run, batch.fromFile)
    if (!carrier.isAnswering) carrier.debtNs += this.#costs.runNs
    carrier.isAnswering = false
    if (!this.#locks.contended && this.#waiters.count > 0) carrier.debtNs += this.#wakeNs(run.first, run.count)
    this.#burst(carrier, INSTALL)
  }

  /** CPU to wake those who wait for a page of `[first, first + count)`. */
  #wakeNs(first: number, count: number): number {
    const waiters = this.#waiters.find(first, first + count, this.#woken)
    let ns = 0
    for (let i = 0; i < waiters; i++) ns += wakeCallNs(this.#agenda, this.#costs, this.#woken[i])
    return ns
  }

  /** The run's pages are resident. If anyone waits on their userfaultfd, the call goes on to wake who waits for them. */
  #placed(carrier: Carrier): void {
    const { memory, blockCosts, observer } = this.#setup
    const { batch } = carrier
    const { op, block, first, count } = batch.runs[batch.installed]
    const writable = op !== OP_ZEROPAGE || !blockCosts[block.index].zeroPageSharesFrame
    this.legacy.bytesInstalled += memory.install(block, first, count, writable, this.#agenda.now)
    this.legacy.pagesInstalled[op] += count
    observer?.installed(op, first, count)
    const uffd = this.#locks.uffdOf(first)
    if (!this.#locks.contended || !this.#locks.anyWaiting(uffd)) return this.#installed(carrier)
    carrier.debtNs += this.#locks.wake(uffd, this.#agenda.now, this.#wakeNs(first, count))
    this.#burst(carrier, WAKE)
  }

  /** An install call has ended: whoever waits for one of its pages wakes. */
  #installed(carrier: Carrier): void {
    const { batch } = carrier
    const { first, count } = batch.runs[batch.installed]
    if (this.#waiters.count > 0) this.#wakeWaiters(first, first + count)
    this.#policy.onInstalled?.(first, count)
    batch.installed++
    if (batch.installed < batch.runCount) this.#install(carrier)
    else if (carrier.index < this.#handlerCount) this.#answer(carrier)
    else this.#carryOn(carrier)
  }

  #wakeWaiters(first: number, end: number): void {
    const { vcpuWakeRemoteNs, vcpuWakeLocalNs, tlbInterruptNs } = this.#costs
    const { now } = this.#agenda
    const count = this.#faults.take(first, end, this.#woken)
    for (let i = 0; i < count; i++) {
      const vcpu = this.#woken[i]
      this.#vcpus!.wake(vcpu, now + (this.#agenda.wake(vcpu, tlbInterruptNs) ? vcpuWakeRemoteNs : vcpuWakeLocalNs))
    }
  }
}
