/**
 * The threads that install pages: handlers, which answer fault messages, and workers, which carry out what the policy wants
 * before the VM runs and in the background. All work alike: claim a batch of the plan, read it, install it run by run.
 */
import { nextClearBit, nextSetBit } from '../core/bitmap.ts'
import type { Claims } from '../destination/claims.ts'
import type { Layout } from '../destination/layout.ts'
import type { Policy } from '../policy/policy.ts'
import { OP_ZEROPAGE, type Operation } from '../resolver/resolver.ts'
import type { Agenda } from './agenda.ts'
import { Batch } from './batch.ts'
import type { DeviceQueue } from './device-queue.ts'
import type { HostCosts } from './host-profile.ts'
import { type BlockCosts, installCallNs } from './install-costs.ts'
import type { MemoryState } from './memory-state.ts'
import { MessageQueue } from './message-queue.ts'
import type { PageCache } from './page-cache.ts'
import type { FaultHandlers, Vcpus } from './vcpus.ts'
import { Waiters } from './waiters.ts'

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

/** Carriers are numbered, the handlers first; carrier `c` is actor `vcpuCount + c`. */
export class Carriers implements FaultHandlers {
  /** Host pages installed, by operation. */
  readonly pagesInstalled = new Float64Array(3)
  bytesRead = 0
  bytesInstalled = 0
  readonly #setup: CarrierSetup
  readonly #agenda: Agenda
  readonly #handlers: number
  readonly #carriers: number
  readonly #phase: Uint8Array
  /** CPU work that is due before the carrier next waits for something else. */
  readonly #debtNs: Float64Array
  /** A rate-limited worker claims nothing before. */
  readonly #notBeforeNs: Float64Array
  readonly #batches: readonly Batch[]
  readonly #messages: MessageQueue
  readonly #waiters: Waiters
  readonly #woken: Int32Array
  /** Workers that stand back while a fault waits. */
  readonly #yielding: number[] = []
  #vcpus: Vcpus | null = null
  #vmRuns = false
  #beginning = 0
  #onBegun: (() => void) | null = null

  constructor(setup: CarrierSetup) {
    const { policy, vcpuCount, layout, claims } = setup
    const { mechanism } = policy
    this.#setup = setup
    this.#agenda = setup.agenda
    this.#handlers = mechanism.handlers
    this.#carriers = mechanism.handlers + mechanism.workers
    this.#phase = new Uint8Array(this.#carriers)
    this.#debtNs = new Float64Array(this.#carriers)
    this.#notBeforeNs = new Float64Array(this.#carriers)
    this.#batches = Array.from({ length: this.#carriers }, () => new Batch(layout, claims, mechanism))
    this.#messages = new MessageQueue(vcpuCount)
    this.#waiters = new Waiters(vcpuCount)
    this.#woken = new Int32Array(vcpuCount)
  }

  /** Carries out what must be resident before vCPUs run, from `atNs` on; calls `onBegun` when it is. */
  begin(vcpus: Vcpus, atNs: number, onBegun: () => void): void {
    this.#vcpus = vcpus
    this.#onBegun = onBegun
    this.#beginning = this.#carriers - this.#handlers
    this.#startWorkers(atNs)
    if (this.#beginning === 0) onBegun()
  }

  /** vCPUs run from `atNs` on: background work may start. */
  vmRuns(atNs: number): void {
    this.#vmRuns = true
    if (this.#setup.policy.next !== undefined) this.#startWorkers(atNs)
  }

  faultPosted(vcpu: number, page: number): void {
    this.#waiters.add(vcpu, page)
    this.#messages.push(vcpu)
    for (let handler = 0; handler < this.#handlers; handler++) {
      if (this.#phase[handler] !== IDLE) continue
      const { handlerWakeRemoteNs, handlerWakeLocalNs } = this.#setup.costs
      const delayNs = this.#wakesRemotely() ? handlerWakeRemoteNs : handlerWakeLocalNs
      return this.#schedule(handler, MESSAGE, this.#agenda.now + delayNs)
    }
  }

  /** The carrier's burst or timer has ended. */
  step(actor: number): void {
    const carrier = actor - this.#setup.vcpuCount
    switch (this.#phase[carrier]) {
      case MESSAGE:
        return this.#takeMessage(carrier)
      case PULL:
        return this.#pull(carrier)
      case CLAIM:
        return this.#continue(carrier)
      case READ:
        return this.#read(carrier, this.#batches[carrier])
      case INSTALL:
        return this.#installed(carrier)
    }
  }

  #startWorkers(atNs: number): void {
    for (let worker = this.#handlers; worker < this.#carriers; worker++) this.#schedule(worker, PULL, atNs)
  }

  #schedule(carrier: number, phase: number, atNs: number): void {
    this.#phase[carrier] = phase
    this.#agenda.startTimer(this.#setup.vcpuCount + carrier, atNs)
  }

  /** Does the work that is due; then `phase`. */
  #burst(carrier: number, phase: number): void {
    this.#phase[carrier] = phase
    this.#agenda.startBurst(this.#setup.vcpuCount + carrier, this.#debtNs[carrier])
    this.#debtNs[carrier] = 0
  }

  /** A core beside the waker's own is idle; the scheduler puts the woken thread there (Linux select_idle_sibling). */
  #wakesRemotely(): boolean {
    return this.#agenda.active + 1 < this.#agenda.cores
  }

  #takeMessage(handler: number): void {
    const vcpu = this.#messages.shift()
    if (vcpu < 0) {
      this.#phase[handler] = IDLE
      return
    }
    this.#debtNs[handler] = this.#setup.costs.messageReadNs
    const page = this.#waiters.page[vcpu]
    // Somebody else has claimed the page, and will wake the vCPU.
    if (this.#setup.claims.isClaimed(page)) return this.#burst(handler, MESSAGE)
    const batch = this.#batches[handler]
    batch.plan.clear()
    this.#setup.policy.onFault(page, batch.plan)
    batch.startPlan()
    this.#continue(handler)
  }

  /** Asks the policy for work until it has some that is not claimed yet, or none at all. */
  #pull(worker: number): void {
    const { policy } = this.#setup
    const batch = this.#batches[worker]
    do {
      batch.plan.clear()
      if (this.#vmRuns) policy.next?.(batch.plan)
      else policy.begin?.(batch.plan)
      if (batch.plan.length === 0) {
        this.#phase[worker] = IDLE
        if (!this.#vmRuns && --this.#beginning === 0) this.#onBegun!()
        return
      }
      batch.startPlan()
    } while (!this.#startBatch(worker))
  }

  #continue(carrier: number): void {
    if (this.#startBatch(carrier)) return
    if (carrier < this.#handlers) this.#takeMessage(carrier)
    else this.#pull(carrier)
  }

  /** Claims the next batch of the plan and starts to read it, or waits to do so; false when the plan is done. */
  #startBatch(carrier: number): boolean {
    const inBackground = carrier >= this.#handlers && this.#vmRuns
    if (inBackground && this.#mustWait(carrier)) return true
    const batch = this.#batches[carrier]
    if (!batch.claimNext()) return false
    if (inBackground) this.#limitRate(carrier, batch.bytes)
    this.#read(carrier, batch)
    return true
  }

  #mustWait(worker: number): boolean {
    if (this.#setup.policy.mechanism.yieldToFaults && this.#waiters.count > 0) {
      this.#phase[worker] = IDLE
      this.#yielding.push(worker)
      return true
    }
    if (this.#agenda.now >= this.#notBeforeNs[worker]) return false
    this.#schedule(worker, CLAIM, this.#notBeforeNs[worker])
    return true
  }

  #limitRate(worker: number, bytes: number): void {
    const { rateBytesPerS } = this.#setup.policy.mechanism
    if (rateBytesPerS === null) return
    const start = Math.max(this.#agenda.now, this.#notBeforeNs[worker])
    this.#notBeforeNs[worker] = start + Math.round((bytes * 1e9) / rateBytesPerS)
  }

  /** Reads what is left to read of the batch, then installs its first run. */
  #read(carrier: number, batch: Batch): void {
    if (batch.fileBytes > 0) return this.#readFile(carrier, batch)
    if (batch.readCursor < batch.readEnd) {
      const { bitmap, pageSize } = batch.runs[0].block.block
      const pagesPerRead = Math.max(1, Math.floor(this.#setup.policy.mechanism.readBytes / pageSize))
      while (batch.readCursor < batch.readEnd) {
        const first = nextSetBit(bitmap, batch.readCursor, batch.readEnd)
        const end = nextClearBit(bitmap, first, Math.min(batch.readEnd, first + pagesPerRead))
        batch.readCursor = end
        if (first === end) break
        const readyNs = this.#readPages(carrier, batch, first, end)
        if (readyNs > this.#agenda.now) return this.#schedule(carrier, READ, readyNs)
      }
    }
    this.#install(carrier, batch)
  }

  /** One read of the snapshot, target pages [first, end) of the batch's block; returns when its bytes are there. */
  #readPages(carrier: number, batch: Batch, first: number, end: number): number {
    const { policy, cache, device, costs, cpuPerReadNs } = this.#setup
    const { block } = batch.runs[0]
    const { now } = this.#agenda
    const bytes = (end - first) * block.block.pageSize
    this.bytesRead += bytes
    if (policy.mechanism.direct) {
      this.#debtNs[carrier] += cpuPerReadNs
      return device.submit(now, bytes)
    }
    const readyNs = cache.read(carrier, block, block.firstTargetPage + first, block.firstTargetPage + end, now)
    this.#debtNs[carrier] += costs.readCallNs + (bytes / 4096) * costs.read4kNs
    if (readyNs > now) this.#debtNs[carrier] += cpuPerReadNs
    return readyNs
  }

  /** The batch's read of the working-set file. */
  #readFile(carrier: number, batch: Batch): void {
    const { policy, device, costs, cpuPerReadNs, cacheWarm } = this.#setup
    const { direct } = policy.mechanism
    const bytes = batch.fileBytes
    batch.fileBytes = 0
    batch.fromFile = true
    this.bytesRead += bytes
    if (!direct) this.#debtNs[carrier] += costs.readCallNs + (bytes / 4096) * costs.read4kNs
    if (cacheWarm && !direct) return this.#install(carrier, batch)
    this.#debtNs[carrier] += cpuPerReadNs
    this.#schedule(carrier, READ, device.submit(this.#agenda.now, bytes))
  }

  /** Starts the install call for the batch's next run. */
  #install(carrier: number, batch: Batch): void {
    const run = batch.runs[batch.installed]
    this.#debtNs[carrier] += installCallNs(this.#setup, run, batch.fromFile)
    const waiters = this.#waiters.countIn(run.first, run.first + run.count)
    if (waiters > 0) {
      const { wakeCallRemoteNs, wakeCallLocalNs } = this.#setup.costs
      this.#debtNs[carrier] += waiters * (this.#wakesRemotely() ? wakeCallRemoteNs : wakeCallLocalNs)
    }
    this.#burst(carrier, INSTALL)
  }

  /** An install call has ended: its pages are resident, and whoever waits for one of them wakes. */
  #installed(carrier: number): void {
    const { memory, blockCosts, policy, observer } = this.#setup
    const batch = this.#batches[carrier]
    const { op, block, first, count } = batch.runs[batch.installed]
    const writable = op !== OP_ZEROPAGE || !blockCosts[block.index].zeroPageSharesFrame
    this.bytesInstalled += memory.install(block, first, count, writable, this.#agenda.now)
    this.pagesInstalled[op] += count
    observer?.installed(op, first, count)
    if (this.#waiters.count > 0) this.#wakeWaiters(first, first + count)
    policy.onInstalled?.(first, count)
    batch.installed++
    if (batch.installed < batch.runCount) this.#install(carrier, batch)
    else this.#continue(carrier)
  }

  #wakeWaiters(first: number, end: number): void {
    const { vcpuWakeRemoteNs, vcpuWakeLocalNs } = this.#setup.costs
    const { now } = this.#agenda
    const runsAtNs = now + (this.#wakesRemotely() ? vcpuWakeRemoteNs : vcpuWakeLocalNs)
    const count = this.#waiters.take(first, end, this.#woken)
    for (let i = 0; i < count; i++) {
      this.#messages.remove(this.#woken[i])
      this.#vcpus!.wake(this.#woken[i], runsAtNs)
    }
    if (this.#waiters.count > 0) return
    while (this.#yielding.length > 0) this.#schedule(this.#yielding.pop()!, CLAIM, now)
  }
}
