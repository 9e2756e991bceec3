/**
 * The threads that install pages: handlers, which answer fault messages, and workers, which carry out what the policy wants
 * before the VM runs and in the background. All work alike: claim a batch of the plan, read it, install it run by run.
 */
import { nextClearBit, nextSetBit } from '../core/bitmap.ts'
import type { Claims } from '../destination/claims.ts'
import { blockOfHostPage, type Layout } from '../destination/layout.ts'
import type { Policy } from '../policy/policy.ts'
import { OP_ZEROPAGE, type Operation, operationOf } from '../resolver/resolver.ts'
import type { Agenda } from './agenda.ts'
import { Batch } from './batch.ts'
import type { DeviceQueue } from './device-queue.ts'
import type { HostCosts } from './host-profile.ts'
import { type BlockCosts, installCallNs } from './install-costs.ts'
import type { MemoryState } from './memory-state.ts'
import { MessageQueue } from './message-queue.ts'
import type { PageCache } from './page-cache.ts'
import type { FaultHandlers, Vcpus } from './vcpus.ts'

const IDLE = 0 // no event
const MESSAGE = 1 // a handler was woken, or has read a message that needs nothing installed
const PULL = 2 // a worker asks the policy
const CLAIM = 3 // a worker may claim its next batch
const READ = 4 // a read, or the CPU work before one, is done
const INSTALL = 5 // an install call is done

/** Told of every install call; how tests follow the memory's content. */
export interface InstallObserver {
  installed(operation: Operation, first: number, count: number): void
}

export interface CarrierSetup {
  readonly layout: Layout
  readonly policy: Policy
  readonly vcpuCount: number
  readonly agenda: Agenda
  readonly memory: MemoryState
  readonly claims: Claims
  readonly cache: PageCache
  readonly device: DeviceQueue
  readonly costs: HostCosts
  readonly blockCosts: readonly BlockCosts[]
  /** CPU of a read that reaches the device. */
  readonly cpuPerReadNs: number
  /** The working-set file is in the page cache at the start. */
  readonly cacheWarm: boolean
  readonly observer: InstallObserver | null
}

interface Carrier {
  readonly actor: number
  readonly isHandler: boolean
  readonly batch: Batch
  phase: number
  /** CPU work that is due before the carrier next waits for something else. */
  debtNs: number
  /** A rate-limited worker claims nothing before. */
  notBeforeNs: number
}

export class Carriers implements FaultHandlers {
  /** Host pages installed, by operation. */
  readonly pagesInstalled = [0, 0, 0]
  bytesRead = 0
  bytesInstalled = 0
  readonly #setup: CarrierSetup
  readonly #handlers: readonly Carrier[]
  readonly #workers: readonly Carrier[]
  readonly #messages: MessageQueue
  /** vCPUs that wait for an install, in order of arrival. */
  readonly #waiting: number[] = []
  /** Workers that stand back while a fault waits. */
  readonly #yielding: Carrier[] = []
  #vcpus: Vcpus | null = null
  #vmRuns = false
  #beginning = 0
  #onBegun: (() => void) | null = null

  constructor(setup: CarrierSetup) {
    const { policy, vcpuCount, layout, claims } = setup
    const { handlers, workers } = policy.mechanism
    const all = Array.from({ length: handlers + workers }, (_, i): Carrier => {
      const batch = new Batch(layout, claims, policy.mechanism)
      return { actor: vcpuCount + i, isHandler: i < handlers, batch, phase: IDLE, debtNs: 0, notBeforeNs: 0 }
    })
    this.#setup = setup
    this.#handlers = all.slice(0, handlers)
    this.#workers = all.slice(handlers)
    this.#messages = new MessageQueue(vcpuCount)
  }

  /** Carries out what must be resident before vCPUs run, from `atNs` on; calls `onBegun` when it is. */
  begin(vcpus: Vcpus, atNs: number, onBegun: () => void): void {
    this.#vcpus = vcpus
    this.#onBegun = onBegun
    this.#beginning = this.#workers.length
    for (const worker of this.#workers) this.#schedule(worker, PULL, atNs)
    if (this.#beginning === 0) onBegun()
  }

  /** vCPUs run from `atNs` on: background work may start. */
  vmRuns(atNs: number): void {
    this.#vmRuns = true
    if (this.#setup.policy.next === undefined) return
    for (const worker of this.#workers) this.#schedule(worker, PULL, atNs)
  }

  faultPosted(vcpu: number): void {
    this.#waiting.push(vcpu)
    this.#messages.push(vcpu)
    const handler = this.#handlers.find(({ phase }) => phase === IDLE)
    if (handler === undefined) return
    const { handlerWakeRemoteNs, handlerWakeLocalNs } = this.#setup.costs
    const delayNs = this.#wakesRemotely() ? handlerWakeRemoteNs : handlerWakeLocalNs
    this.#schedule(handler, MESSAGE, this.#setup.agenda.now + delayNs)
  }

  /** The carrier's burst or timer has ended. */
  step(actor: number): void {
    const index = actor - this.#setup.vcpuCount
    const handlers = this.#handlers.length
    const carrier = index < handlers ? this.#handlers[index] : this.#workers[index - handlers]
    switch (carrier.phase) {
      case MESSAGE:
        return this.#takeMessage(carrier)
      case PULL:
        return this.#pull(carrier)
      case CLAIM:
        return this.#continue(carrier)
      case READ:
        return this.#read(carrier)
      case INSTALL:
        return this.#installed(carrier)
    }
  }

  #schedule(carrier: Carrier, phase: number, atNs: number): void {
    carrier.phase = phase
    this.#setup.agenda.startTimer(carrier.actor, atNs)
  }

  #burst(carrier: Carrier, phase: number): void {
    carrier.phase = phase
    this.#setup.agenda.startBurst(carrier.actor, carrier.debtNs)
    carrier.debtNs = 0
  }

  /** A core beside the waker's own is idle; the scheduler puts the woken thread there (Linux select_idle_sibling). */
  #wakesRemotely(): boolean {
    return this.#setup.agenda.active + 1 < this.#setup.agenda.cores
  }

  #takeMessage(handler: Carrier): void {
    const vcpu = this.#messages.shift()
    if (vcpu < 0) {
      handler.phase = IDLE
      return
    }
    handler.debtNs = this.#setup.costs.messageReadNs
    const page = this.#vcpus!.waitsFor[vcpu]
    // Somebody else has claimed the page, and will wake the vCPU.
    if (this.#setup.claims.isClaimed(page)) return this.#burst(handler, MESSAGE)
    const { batch } = handler
    batch.plan.clear()
    this.#setup.policy.onFault(page, batch.plan)
    batch.startPlan()
    this.#continue(handler)
  }

  /** Asks the policy for work until it has some that is not claimed yet, or none at all. */
  #pull(worker: Carrier): void {
    const { policy } = this.#setup
    const { batch } = worker
    do {
      batch.plan.clear()
      if (this.#vmRuns) policy.next?.(batch.plan)
      else policy.begin?.(batch.plan)
      if (batch.plan.length === 0) {
        worker.phase = IDLE
        if (!this.#vmRuns && --this.#beginning === 0) this.#onBegun!()
        return
      }
      batch.startPlan()
    } while (!this.#startBatch(worker))
  }

  #continue(carrier: Carrier): void {
    if (this.#startBatch(carrier)) return
    if (carrier.isHandler) this.#takeMessage(carrier)
    else this.#pull(carrier)
  }

  /** Claims the next batch of the plan and starts to read it, or waits to do so; false when the plan is done. */
  #startBatch(carrier: Carrier): boolean {
    if (!carrier.isHandler && this.#vmRuns && this.#mustWait(carrier)) return true
    if (!carrier.batch.claimNext()) return false
    this.#limitRate(carrier)
    this.#read(carrier)
    return true
  }

  #mustWait(worker: Carrier): boolean {
    if (this.#setup.policy.mechanism.yieldToFaults && this.#waiting.length > 0) {
      worker.phase = IDLE
      this.#yielding.push(worker)
      return true
    }
    if (this.#setup.agenda.now >= worker.notBeforeNs) return false
    this.#schedule(worker, CLAIM, worker.notBeforeNs)
    return true
  }

  #limitRate(carrier: Carrier): void {
    const { rateBytesPerS } = this.#setup.policy.mechanism
    if (rateBytesPerS === null || carrier.isHandler || !this.#vmRuns) return
    const start = Math.max(this.#setup.agenda.now, carrier.notBeforeNs)
    carrier.notBeforeNs = start + Math.round((carrier.batch.bytes * 1e9) / rateBytesPerS)
  }

  /** Reads what is left to read of the batch, then installs its first run. */
  #read(carrier: Carrier): void {
    const { batch } = carrier
    if (batch.fileBytes > 0) return this.#readFile(carrier)
    if (batch.readCursor < batch.readEnd) {
      const { block, firstTargetPage } = blockOfHostPage(this.#setup.layout, batch.first[0])
      const pagesPerRead = Math.max(1, Math.floor(this.#setup.policy.mechanism.readBytes / block.pageSize))
      while (batch.readCursor < batch.readEnd) {
        const first = nextSetBit(block.bitmap, batch.readCursor, batch.readEnd)
        const end = nextClearBit(block.bitmap, first, Math.min(batch.readEnd, first + pagesPerRead))
        batch.readCursor = end
        if (first === end) break
        const readyNs = this.#readPages(carrier, firstTargetPage + first, firstTargetPage + end)
        if (readyNs > this.#setup.agenda.now) return this.#schedule(carrier, READ, readyNs)
      }
    }
    this.#install(carrier)
  }

  /** One read of the snapshot, target pages [first, end); returns when its bytes are there. */
  #readPages(carrier: Carrier, first: number, end: number): number {
    const { policy, agenda, cache, device, costs, cpuPerReadNs, layout } = this.#setup
    const block = blockOfHostPage(layout, carrier.batch.first[0])
    const bytes = (end - first) * block.block.pageSize
    this.bytesRead += bytes
    if (policy.mechanism.direct) {
      carrier.debtNs += cpuPerReadNs
      return device.submit(agenda.now, bytes)
    }
    const readyNs = cache.read(carrier.actor, block, first, end, agenda.now)
    carrier.debtNs += costs.readCallNs + (bytes / 4096) * costs.read4kNs
    if (readyNs > agenda.now) carrier.debtNs += cpuPerReadNs
    return readyNs
  }

  /** The batch's read of the working-set file. */
  #readFile(carrier: Carrier): void {
    const { policy, agenda, device, costs, cpuPerReadNs, cacheWarm } = this.#setup
    const { direct } = policy.mechanism
    const bytes = carrier.batch.fileBytes
    carrier.batch.fileBytes = 0
    carrier.batch.fromFile = true
    this.bytesRead += bytes
    if (!direct) carrier.debtNs += costs.readCallNs + (bytes / 4096) * costs.read4kNs
    if (cacheWarm && !direct) return this.#install(carrier)
    carrier.debtNs += cpuPerReadNs
    this.#schedule(carrier, READ, device.submit(agenda.now, bytes))
  }

  /** Starts the install call for the batch's next run. */
  #install(carrier: Carrier): void {
    const { batch } = carrier
    const first = batch.first[batch.installed]
    const count = batch.count[batch.installed]
    carrier.debtNs += installCallNs(this.#setup, first, count, batch.fromFile)
    const waiters = this.#countWaiters(first, first + count)
    if (waiters > 0) {
      const { wakeCallRemoteNs, wakeCallLocalNs } = this.#setup.costs
      carrier.debtNs += waiters * (this.#wakesRemotely() ? wakeCallRemoteNs : wakeCallLocalNs)
    }
    this.#burst(carrier, INSTALL)
  }

  #countWaiters(first: number, end: number): number {
    let count = 0
    for (const vcpu of this.#waiting) {
      const page = this.#vcpus!.waitsFor[vcpu]
      if (page >= first && page < end) count++
    }
    return count
  }

  /** An install call has ended: its pages are resident, and whoever waits for one of them wakes. */
  #installed(carrier: Carrier): void {
    const { layout, agenda, memory, blockCosts, policy, observer } = this.#setup
    const { batch } = carrier
    const first = batch.first[batch.installed]
    const count = batch.count[batch.installed]
    const block = blockOfHostPage(layout, first)
    const op = operationOf(layout, first, block)
    const writable = op !== OP_ZEROPAGE || !blockCosts[block.index].zeroPageSharesFrame
    this.bytesInstalled += memory.install(block, first, count, writable, agenda.now)
    this.pagesInstalled[op] += count
    observer?.installed(op, first, count)
    if (this.#waiting.length > 0) this.#wakeWaiters(first, first + count)
    policy.onInstalled?.(first, count)
    batch.installed++
    if (batch.installed < batch.first.length) this.#install(carrier)
    else this.#continue(carrier)
  }

  #wakeWaiters(first: number, end: number): void {
    const waiting = this.#waiting
    const { vcpuWakeRemoteNs, vcpuWakeLocalNs } = this.#setup.costs
    const { now } = this.#setup.agenda
    const runsAtNs = now + (this.#wakesRemotely() ? vcpuWakeRemoteNs : vcpuWakeLocalNs)
    let kept = 0
    for (const vcpu of waiting) {
      const page = this.#vcpus!.waitsFor[vcpu]
      if (page < first || page >= end) waiting[kept++] = vcpu
      else {
        this.#messages.remove(vcpu)
        this.#vcpus!.wake(vcpu, runsAtNs)
      }
    }
    waiting.length = kept
    if (kept > 0) return
    for (const worker of this.#yielding) this.#schedule(worker, CLAIM, now)
    this.#yielding.length = 0
  }
}
