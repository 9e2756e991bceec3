/**
 * The guest: each vCPU runs its accesses one after the other and stands still in faults. A burst runs on through accesses
 * to pages that are accessible when it starts, since residency only grows: that is exact, and spares an event for each.
 */

import { setBit } from '../core/bitmap.ts'
import { LatencyHistogram } from '../core/latency-histogram.ts'
import { blockOfHostPage, PAGE_ZERO, pageContent } from '../destination/layout.ts'
import type { InstallMethod } from '../policy/policy.ts'
import { ACCESS_IDLE, ACCESS_WRITE, type Workload } from '../workload/workload.ts'
import type { Agenda } from './agenda.ts'
import type { HostCosts } from './host-profile.ts'
import type { BlockCosts } from './install-costs.ts'
import type { MemoryState } from './memory-state.ts'
import type { PageCache } from './page-cache.ts'

const THINK = 0 // a burst or idle time ends; the next access has yet to think
const ACCESS = 1 // a burst or idle time ends at an access
const TRAP = 2 // the kernel has caught the fault and queues a message
const WAITING = 3 // no event: an install will wake it
const WAKING = 4
const ZERO_FILL = 5 // kernel faults: anonymous memory …
const COPY_ON_WRITE = 6
const FILE_READ = 7 // … and file mappings
const FILE_MAP = 8

/** Who answers faults; the carriers. */
export interface FaultHandlers {
  /** vCPU `vcpu` waits for `page` with an unread message. */
  faultPosted(vcpu: number, page: number): void
}

export interface VcpuSetup {
  readonly workload: Workload
  /** Host page of each access. */
  readonly hostPage: Uint32Array
  readonly install: InstallMethod
  readonly agenda: Agenda
  readonly memory: MemoryState
  readonly cache: PageCache
  readonly costs: HostCosts
  readonly blockCosts: readonly BlockCosts[]
  /** CPU of a read that reaches the device. */
  readonly cpuPerReadNs: number
}

export class Vcpus {
  readonly latency = new LatencyHistogram()
  readonly stallNs: Float64Array
  faults = 0
  minorFaults = 0
  firstAccessNs = -1
  workDoneNs = 0
  running: number
  readonly #setup: VcpuSetup
  readonly #agenda: Agenda
  readonly #memory: MemoryState
  readonly #hostPage: Uint32Array
  readonly #flags: Uint8Array
  readonly #handlers: FaultHandlers
  readonly #phase: Uint8Array
  /** The next access, or the one that the vCPU is at. */
  readonly #cursor: Uint32Array
  readonly #faultStart: Float64Array
  readonly #major: Uint8Array

  constructor(setup: VcpuSetup, handlers: FaultHandlers) {
    const { vcpus, starts, flags } = setup.workload
    this.#setup = setup
    this.#agenda = setup.agenda
    this.#memory = setup.memory
    this.#hostPage = setup.hostPage
    this.#flags = flags
    this.#handlers = handlers
    this.running = vcpus
    this.stallNs = new Float64Array(vcpus)
    this.#phase = new Uint8Array(vcpus)
    this.#cursor = starts.slice(0, vcpus)
    this.#faultStart = new Float64Array(vcpus)
    this.#major = new Uint8Array(vcpus)
  }

  start(atNs: number): void {
    for (let vcpu = 0; vcpu < this.running; vcpu++) this.#agenda.startTimer(vcpu, atNs)
    this.workDoneNs = atNs
  }

  /** The vCPU's burst or timer has ended. */
  step(vcpu: number): void {
    switch (this.#phase[vcpu]) {
      case THINK:
        return this.#think(vcpu)
      case ACCESS:
        return this.#access(vcpu)
      case TRAP:
        return this.#trapped(vcpu)
      case WAKING:
        this.latency.record(this.#agenda.now - this.#faultStart[vcpu])
        return this.#resume(vcpu)
      case FILE_READ:
        return this.#mapFile(vcpu, this.#setup.cpuPerReadNs)
      default:
        return this.#kernelResolved(vcpu)
    }
  }

  /** The page that the vCPU waits for is there; it runs at `atNs`. */
  wake(vcpu: number, atNs: number): void {
    this.#phase[vcpu] = WAKING
    this.#agenda.startTimer(vcpu, atNs)
  }

  /** Starts the burst to the next access that has to be looked at. */
  #think(vcpu: number): void {
    const { starts, thinkNs } = this.#setup.workload
    const flags = this.#flags
    const end = starts[vcpu + 1]
    let access = this.#cursor[vcpu]
    if (access === end) {
      this.running--
      this.workDoneNs = this.#agenda.now
      return
    }
    this.#phase[vcpu] = ACCESS
    let work = thinkNs[access]
    if ((flags[access] & ACCESS_IDLE) !== 0) return this.#agenda.startTimer(vcpu, this.#agenda.now + work)
    if (access > starts[vcpu]) {
      while (this.#isAccessible(access)) {
        access++
        if (access === end || (flags[access] & ACCESS_IDLE) !== 0) {
          this.#phase[vcpu] = THINK
          break
        }
        work += thinkNs[access]
      }
      this.#cursor[vcpu] = access
    }
    this.#agenda.startBurst(vcpu, work)
  }

  #isAccessible(access: number): boolean {
    const page = this.#hostPage[access]
    return (this.#flags[access] & ACCESS_WRITE) !== 0 ? this.#memory.isWritable(page) : this.#memory.isResident(page)
  }

  #access(vcpu: number): void {
    const access = this.#cursor[vcpu]
    const { now } = this.#agenda
    if (this.#isAccessible(access)) {
      if (this.firstAccessNs < 0) this.firstAccessNs = now
      this.#cursor[vcpu] = access + 1
      return this.#think(vcpu)
    }
    const page = this.#hostPage[access]
    const { install, costs } = this.#setup
    this.#faultStart[vcpu] = now
    if (this.#memory.isResident(page)) return this.#copyOnWrite(vcpu, page)
    if (install === 'uffd') {
      this.#phase[vcpu] = TRAP
      return this.#agenda.startBurst(vcpu, costs.faultTrapNs)
    }
    if (pageContent(this.#memory.layout, page) === PAGE_ZERO) return this.#zeroFill(vcpu, page, this.#writes(vcpu))
    this.#readFile(vcpu, page)
  }

  /** The access that the vCPU is at writes. */
  #writes(vcpu: number): boolean {
    return (this.#flags[this.#cursor[vcpu]] & ACCESS_WRITE) !== 0
  }

  /** The trap is over: wait, unless the page was installed meanwhile. */
  #trapped(vcpu: number): void {
    const page = this.#hostPage[this.#cursor[vcpu]]
    if (this.#memory.isResident(page)) return this.#resume(vcpu)
    this.faults++
    setBit(this.#memory.faulted, page)
    this.#phase[vcpu] = WAITING
    this.#handlers.faultPosted(vcpu, page)
  }

  /** The fault is over; the access is tried again, as the CPU does. */
  #resume(vcpu: number): void {
    this.stallNs[vcpu] += this.#agenda.now - this.#faultStart[vcpu]
    this.#access(vcpu)
  }

  #zeroFill(vcpu: number, page: number, write: boolean): void {
    const { readFaultNs, writeFaultNs } = this.#blockCosts(page)
    this.minorFaults++
    this.#phase[vcpu] = ZERO_FILL
    this.#agenda.startBurst(vcpu, write ? writeFaultNs : readFaultNs)
  }

  #copyOnWrite(vcpu: number, page: number): void {
    const zero = pageContent(this.#memory.layout, page) === PAGE_ZERO
    this.minorFaults++
    this.#phase[vcpu] = COPY_ON_WRITE
    this.#agenda.startBurst(vcpu, zero ? this.#blockCosts(page).writeFaultNs : this.#setup.costs.cowFaultNs)
  }

  #readFile(vcpu: number, page: number): void {
    const { agenda, cache, memory } = this.#setup
    const block = blockOfHostPage(memory.layout, page)
    const ready = cache.map(vcpu, block, page - block.firstHostPage + block.firstTargetPage, agenda.now)
    this.#major[vcpu] = ready > agenda.now ? 1 : 0
    if (ready <= agenda.now) {
      this.minorFaults++
      return this.#mapFile(vcpu, 0)
    }
    this.faults++
    setBit(memory.faulted, page)
    this.#phase[vcpu] = FILE_READ
    agenda.startTimer(vcpu, ready)
  }

  #mapFile(vcpu: number, extraNs: number): void {
    const { cowFaultNs, fileMapFaultNs } = this.#setup.costs
    this.#phase[vcpu] = FILE_MAP
    this.#agenda.startBurst(vcpu, extraNs + (this.#writes(vcpu) ? cowFaultNs : fileMapFaultNs))
  }

  /** A fault that the kernel resolves alone has ended. */
  #kernelResolved(vcpu: number): void {
    const page = this.#hostPage[this.#cursor[vcpu]]
    const write = this.#writes(vcpu)
    const phase = this.#phase[vcpu]
    if (phase === FILE_MAP) {
      if (write) this.#mapRun(page, page + 1, true)
      else this.#mapAround(page)
      if (this.#major[vcpu] === 1) this.latency.record(this.#agenda.now - this.#faultStart[vcpu])
    } else {
      const writable = write || !this.#blockCosts(page).zeroPageSharesFrame
      if (phase === ZERO_FILL && this.#setup.install === 'map') this.#mapRun(page, page + 1, writable)
      else this.#memory.touch(page, writable)
    }
    this.#resume(vcpu)
  }

  /** Linux fault-around: maps the cached data pages next to `page` in its aligned window of the same mapping. */
  #mapAround(page: number): void {
    const { memory, cache, agenda, costs } = this.#setup
    const { layout } = memory
    const { firstHostPage, endHostPage, firstTargetPage } = blockOfHostPage(layout, page)
    const window = costs.faultAroundPages
    const start = page - ((page - firstHostPage) % window)
    const stop = Math.min(start + window, endHostPage)
    const mappable = (other: number): boolean =>
      pageContent(layout, other) !== PAGE_ZERO && cache.isReady(other - firstHostPage + firstTargetPage, agenda.now)
    let first = page
    while (first > start && mappable(first - 1)) first--
    let end = page + 1
    while (end < stop && mappable(end)) end++
    this.#mapRun(first, end, false)
  }

  /** Makes the pages of [first, end) resident that are not yet so. */
  #mapRun(first: number, end: number, writable: boolean): void {
    const { memory, agenda } = this.#setup
    const block = blockOfHostPage(memory.layout, first)
    for (let page = first; page < end; page++) {
      if (!memory.isResident(page)) memory.install(block, page, 1, writable, agenda.now)
      else if (writable) memory.touch(page, true)
    }
  }

  #blockCosts(page: number): BlockCosts {
    return this.#setup.blockCosts[blockOfHostPage(this.#memory.layout, page).index]
  }
}
