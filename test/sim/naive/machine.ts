/**
 * What all actors of the naive simulator share: the clock, the state of every page as sets, who waits for what, and the
 * tallies. The actors are generators that yield whenever they have a burst or a timer pending, or nothing at all.
 */
import type { Policy } from '../../../src/policy/policy.ts'
import { FaultFeed } from '../../../src/policy/policy-host.ts'
import { type FaultPath, FREE_FAULT_PATH } from '../../../src/sim/fault-path.ts'
import type { HostCosts } from '../../../src/sim/host-profile.ts'
import type { Workload } from '../../../src/workload/workload.ts'
import { Clock, type NaiveClock } from './clock.ts'
import { NaivePageCache, type Request } from './disk.ts'
import { blockOf, bytesUnder, hostPageCount, type NaiveBlock } from './memory.ts'
import { RunQueueClock } from './run-queues.ts'
import { NaiveStorage, type NaiveStorageInput } from './storage.ts'

export interface NaiveInput extends NaiveStorageInput {
  readonly blocks: readonly NaiveBlock[]
  readonly policy: Policy
  readonly workload: Workload
  /** Host page of each access. */
  readonly hostPage: ArrayLike<number>
  readonly costs: HostCosts
  readonly fixedNs: number
  readonly seed: number
  /** Bursts do not run on through accessible pages: each access has one of its own. */
  readonly burstPerAccess?: boolean
  /** The vCPUs are those of a KVM guest. */
  readonly guest?: boolean
  /** All memory is there from the start. */
  readonly allResident?: boolean
  readonly faultPath?: FaultPath
}

/** One actor's life. */
export type Life = Generator<void, void, void>

export interface VcpuState {
  /** The host page of the message that it sent last. */
  waitsFor: number
  /** When its last fault was over; 0: it has had none. */
  resumedAtNs: number
  stallNs: number
  /** A guest's vCPU that has posted its message and works on; and when it may run, if it was woken already, else -1. */
  fallsAsleep: boolean
  wakeAtNs: number
}

export class Machine {
  readonly input: NaiveInput
  readonly clock: NaiveClock
  readonly device: NaiveStorage
  readonly cache: NaivePageCache
  readonly resident = new Set<number>()
  readonly writable = new Set<number>()
  readonly mapped = new Set<number>()
  readonly faulted = new Set<number>()
  readonly claimed = new Set<number>()
  readonly vcpus: VcpuState[]
  /** vCPUs that wait for an install; those of them whose message is unread; both in order of arrival. */
  waiting: number[] = []
  messages: number[] = []
  readonly idleHandlers = new Set<number>()
  /** Workers that have not finished `begin`. */
  beginning: number
  vmRuns = false
  resumeNs = 0
  firstAccessNs = -1
  workDoneNs = 0
  residentNs = -1
  faults = 0
  minorFaults = 0
  bytesRead = 0
  bytesInstalled = 0
  readonly latencies: number[] = []
  readonly faultPath: FaultPath
  /** When the last taker of each userfaultfd's lock has it, and is done with it. */
  readonly lockStart: number[]
  readonly lockFree: number[]
  readonly installs: [operation: number, first: number, count: number][] = []
  /** Rules of the model that this run made use of, for tests that must not be vacuous. */
  readonly rules = new Set<string>()

  constructor(input: NaiveInput) {
    const { costs, seed, cacheWarm, workload, policy } = input
    const note = (rule: string) => void this.rules.add(rule)
    this.input = input
    this.faultPath = input.faultPath ?? FREE_FAULT_PATH
    this.lockStart = new Array(this.faultPath.uffds).fill(0)
    this.lockFree = new Array(this.faultPath.uffds).fill(0)
    this.clock =
      costs.runQueues === 1 || costs.cores === 1
        ? new Clock(costs)
        : new RunQueueClock(costs, workload.vcpus, policy.mechanism.handlers, note)
    this.device = new NaiveStorage(input, seed, note)
    this.cache = new NaivePageCache(this.device, cacheWarm, costs.readaheadPages, note)
    this.vcpus = Array.from({ length: workload.vcpus }, () => ({
      waitsFor: -1,
      stallNs: 0,
      resumedAtNs: 0,
      fallsAsleep: false,
      wakeAtNs: -1,
    }))
    this.beginning = policy.mechanism.workers
    policy.start?.({ nowNs: () => this.clock.now, faults: new FaultFeed() })
    if (!input.allResident) return
    for (let page = 0; page < hostPageCount(input.blocks); page++) this.becomeResident(page, true)
  }

  blockOf(page: number): NaiveBlock {
    return blockOf(this.input.blocks, page)
  }

  /** Handlers come behind the vCPUs, and workers behind them. */
  get firstHandler(): number {
    return this.vcpus.length
  }

  get firstWorker(): number {
    return this.vcpus.length + this.input.policy.mechanism.handlers
  }

  /** Registering or mapping memory. */
  get setupNs(): number {
    const { blocks, policy, costs } = this.input
    if (policy.mechanism.install === 'load') return 0
    if (policy.mechanism.install === 'uffd') return blocks.length * costs.registerNs
    let regions = blocks.length
    for (const { hasData } of blocks) regions += hasData.filter((data, page) => data && !hasData[page - 1]).length
    return regions * costs.mapRegionNs
  }

  /** CPU of requests to the device. */
  requestsNs(requests: readonly Request[]): number {
    const { cpuPerReadNs, cpuPerRead4kNs } = this.input.device
    const { cacheFill4kNs, readaheadFill4kNs } = this.input.costs
    const page4kNs = { direct: cpuPerRead4kNs, alone: cacheFill4kNs, ahead: readaheadFill4kNs }
    const costs = requests.map(
      ({ bytes, way, extraCpuNs }) => cpuPerReadNs + (bytes / 4096) * page4kNs[way] + extraCpuNs,
    )
    return costs.reduce((sum, ns) => sum + ns, 0)
  }

  /** Where the working-set file begins: at the next GiB behind the snapshot. */
  get workingSetPlace(): number {
    const ends = this.input.blocks.map(({ pagesOffset, hasData, pageSize }) => pagesOffset + hasData.length * pageSize)
    let place = 2 ** 30
    while (place <= Math.max(...ends)) place += 2 ** 30
    return place
  }

  /** `begin` is done: the VM resumes, and workers take plans from `next`. */
  begun(): void {
    const { policy, fixedNs } = this.input
    if (policy.mechanism.install === 'load') this.residentNs = this.clock.now
    this.resumeNs = Math.max(this.clock.now, this.setupNs) + fixedNs
    this.workDoneNs = this.resumeNs
    this.vmRuns = true
    for (let vcpu = 0; vcpu < this.firstHandler; vcpu++) this.clock.timer(vcpu, this.resumeNs)
    if (policy.next === undefined) return
    for (let i = 0; i < policy.mechanism.workers; i++) this.clock.timer(this.firstWorker + i, this.resumeNs)
  }

  /** The page is there now; the last byte that needs a restore ends it. */
  becomeResident(page: number, writable: boolean): void {
    this.resident.add(page)
    if (writable) this.writable.add(page)
    const { blocks, policy } = this.input
    if (policy.mechanism.install === 'load' || this.residentNs >= 0) return
    if (this.resident.size === hostPageCount(blocks)) this.residentNs = this.clock.now
  }

  /** A vCPU's message arrives: the first idle handler wakes. */
  postMessage(vcpu: number): void {
    this.waiting.push(vcpu)
    this.messages.push(vcpu)
    const uffd = this.uffdOf(this.vcpus[vcpu].waitsFor)
    const handler = Math.min(...[...this.idleHandlers].filter(actor => this.uffdsOf(actor).includes(uffd)))
    if (handler === Number.POSITIVE_INFINITY) return
    this.idleHandlers.delete(handler)
    const { handlerWakeRemoteNs, handlerWakeLocalNs, busyWakeNs, tlbInterruptNs } = this.input.costs
    const interruptNs = this.clock.interrupts(handler) ? busyWakeNs : 0
    const isRemote = this.clock.wake(handler, tlbInterruptNs)
    this.clock.timer(handler, this.clock.now + (isRemote ? handlerWakeRemoteNs : handlerWakeLocalNs + interruptNs))
  }

  /** Equal parts of the host pages. */
  uffdOf(page: number): number {
    return Math.floor((page * this.faultPath.uffds) / hostPageCount(this.input.blocks))
  }

  /** The userfaultfds that a handler serves. */
  uffdsOf(actor: number): number[] {
    const { handlers } = this.input.policy.mechanism
    const { uffds } = this.faultPath
    const handler = actor - this.firstHandler
    const all = Array.from({ length: uffds }, (_, uffd) => uffd)
    return handlers < uffds ? all.filter(uffd => uffd % handlers === handler) : [handler % uffds]
  }

  get isContended(): boolean {
    const { lockNs, handoverNs, scanNs } = this.faultPath
    return lockNs > 0 || handoverNs > 0 || scanNs > 0
  }

  /** CPU until the userfaultfd's lock is had and given back, after `moreNs` beside its own time. */
  lockedNs(uffd: number, moreNs: number): number {
    if (!this.isContended) return 0
    const { lockNs, handoverNs } = this.faultPath
    const { now } = this.clock
    const start = Math.max(now, this.lockFree[uffd])
    const lined = this.lockStart[uffd] > now
    if (start > now) this.rules.add('a lock is waited for')
    if (lined) this.rules.add('a lock is waited for in line')
    this.lockStart[uffd] = start
    this.lockFree[uffd] = start + lockNs + moreNs + (lined ? handoverNs : 0)
    return this.lockFree[uffd] - now
  }

  waitingOn(uffd: number): number {
    return this.waiting.filter(vcpu => this.uffdOf(this.vcpus[vcpu].waitsFor) === uffd).length
  }

  waitersFor(first: number, count: number): number[] {
    return this.waiting.filter(vcpu => {
      const { waitsFor } = this.vcpus[vcpu]
      return waitsFor >= first && waitsFor < first + count
    })
  }

  /** An install call has put its pages there. */
  placed(operation: number, first: number, count: number): void {
    const block = this.blockOf(first)
    this.installs.push([operation, first, count])
    for (let page = first; page < first + count; page++) {
      this.becomeResident(page, !(operation === 1 && block.kind === 'anon'))
      this.bytesInstalled += bytesUnder(block, page)
    }
  }

  /** An install call has ended. */
  installed(first: number, count: number): void {
    const { costs, policy } = this.input
    const { clock } = this
    const woken = this.waitersFor(first, count)
    if (woken.length > 1) this.rules.add('one install wakes several')
    for (const vcpu of woken.toSorted((a, b) => a - b)) {
      if (this.messages.includes(vcpu)) this.rules.add('a message disappears unread')
      const atNs = clock.now + (clock.wake(vcpu, costs.tlbInterruptNs) ? costs.vcpuWakeRemoteNs : costs.vcpuWakeLocalNs)
      if (this.vcpus[vcpu].fallsAsleep) this.vcpus[vcpu].wakeAtNs = atNs
      else clock.timer(vcpu, atNs)
    }
    this.waiting = this.waiting.filter(vcpu => !woken.includes(vcpu))
    this.messages = this.messages.filter(vcpu => !woken.includes(vcpu))
    policy.onInstalled?.(first, count)
  }
}
