/**
 * The guest: each vCPU runs its accesses one after the other and stands still in faults. A burst runs on through accesses
 * to pages that are accessible when it starts, since residency only grows: that is exact, and spares an event for each.
 */
import { type Bitmap, createBitmap, setBit, testBit } from '../core/bitmap.ts'
import { LatencyHistogram } from '../core/latency-histogram.ts'
import { blockOfHostPage, PAGE_ZERO, pageContent } from '../destination/layout.ts'
import type { InstallMethod } from '../policy/policy.ts'
import { ACCESS_IDLE, ACCESS_WRITE, type Workload } from '../workload/workload.ts'
import type { Agenda } from './agenda.ts'
import type { HostCosts } from './host-profile.ts'
import type { BlockCosts } from './install-costs.ts'
import type { MemoryState } from './memory-state.ts'
import type { PageCache } from './page-cache.ts'
import { fetchNs, type ReadCosts } from './read-costs.ts'

const THINK = 0 // a burst or idle time ends; the next access has yet to think
const ACCESS = 1 // a burst or idle time ends at an access
const TRAP = 2 // the kernel has caught the fault and queues a message
const WAITING = 3 // no event: an install will wake it
const WAKING = 4
const ZERO_FILL = 5 // kernel faults: anonymous memory …
const COPY_ON_WRITE = 6
const FILE_READ = 7 // … and file mappings
const FILE_MAP = 8
const GUEST_MAP = 9 // the hypervisor maps resident memory for the guest
const GUEST_SLEEP = 10 // … and takes the vCPU off its CPU, while the message is under way

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
  readonly readCosts: ReadCosts
  /** The vCPUs are those of a KVM guest, whose memory is mapped once more by the hypervisor. */
  readonly guest: boolean
}

class Vcpu {
  readonly actor: number
  phase = THINK
  /** The access that comes next or is being tried; of those in [start, end). */
  access: number
  readonly start: number
  readonly end: number
  /** When the access that has faulted was tried. */
  faultedAtNs = 0
  /** When the page that it reads from a file mapping is there; at most `faultedAtNs` when it was cached. */
  readyNs = 0
  /** CPU of the request that it sent for it. */
  requestNs = 0
  /** When it tried the access for which it has waited, and which is not done yet; -1: none. Only in a guest. */
  waitedSinceNs = -1
  /** It was woken before it slept, and may run then; -1: it was not. Only in a guest. */
  wakeAtNs = -1

  constructor(actor: number, start: number, end: number) {
    this.actor = actor
    this.access = start
    this.start = start
    this.end = end
  }
}

export class Vcpus {
  readonly latency = new LatencyHistogram()
  readonly stallNs: Float64Array
  /** Faults that had to be waited for, and the page of each: the first `faults` entries. An access has at most one. */
  faults = 0
  readonly faultedPages: Uint32Array
  minorFaults = 0
  firstAccessNs = -1
  workDoneNs = 0
  running: number
  readonly #setup: VcpuSetup
  readonly #install: InstallMethod
  readonly #costs: HostCosts
  readonly #agenda: Agenda
  readonly #memory: MemoryState
  /** Host pages that the hypervisor has mapped for the guest; null: there is none. */
  readonly #guestMapped: Bitmap | null
  readonly #hostPage: Uint32Array
  readonly #thinkNs: Uint32Array
  readonly #flags: Uint8Array
  readonly #handlers: FaultHandlers
  readonly #vcpus: readonly Vcpu[]

  constructor(setup: VcpuSetup, handlers: FaultHandlers) {
    const { vcpus, starts, thinkNs, flags } = setup.workload
    this.#setup = setup
    this.#install = setup.install
    this.#costs = setup.costs
    this.#agenda = setup.agenda
    this.#memory = setup.memory
    this.#guestMapped = setup.guest ? createBitmap(setup.memory.layout.hostPageCount) : null
    this.faultedPages = new Uint32Array(setup.hostPage.length)
    this.#hostPage = setup.hostPage
    this.#thinkNs = thinkNs
    this.#flags = flags
    this.#handlers = handlers
    this.running = vcpus
    this.stallNs = new Float64Array(vcpus)
    this.#vcpus = Array.from({ length: vcpus }, (_, actor) => new Vcpu(actor, starts[actor], starts[actor + 1]))
  }

  start(atNs: number): void {
    for (let vcpu = 0; vcpu < this.running; vcpu++) this.#agenda.startTimer(vcpu, atNs)
    this.workDoneNs = atNs
  }

  /** The vCPU's burst or timer has ended. */
  step(actor: number): void {
    const vcpu = this.#vcpus[actor]
    switch (vcpu.phase) {
      case THINK:
        return this.#think(vcpu)
      case ACCESS:
        return this.#access(vcpu)
      case TRAP:
        return this.#trapped(vcpu)
      case WAKING:
        if (this.#guestMapped === null) this.latency.record(this.#agenda.now - vcpu.faultedAtNs)
        else vcpu.waitedSinceNs = vcpu.faultedAtNs
        return this.#resume(vcpu)
      case GUEST_SLEEP:
        return this.#slept(vcpu)
      case GUEST_MAP:
        this.#mapForGuest(this.#hostPage[vcpu.access])
        return this.#resume(vcpu)
      case FILE_READ:
        return this.#mapFile(vcpu, vcpu.requestNs)
      default:
        return this.#kernelResolved(vcpu)
    }
  }

  /** The page that the vCPU waits for is there; it runs at `atNs`. */
  wake(actor: number, atNs: number): void {
    const vcpu = this.#vcpus[actor]
    if (vcpu.phase === GUEST_SLEEP) vcpu.wakeAtNs = atNs
    else this.#wakeAt(vcpu, atNs)
  }

  #wakeAt(vcpu: Vcpu, atNs: number): void {
    vcpu.phase = WAKING
    this.#agenda.startTimer(vcpu.actor, atNs)
  }

  #burst(vcpu: Vcpu, phase: number, workNs: number): void {
    vcpu.phase = phase
    this.#agenda.startBurst(vcpu.actor, workNs)
  }

  /** Starts the burst to the next access that has to be looked at. */
  #think(vcpu: Vcpu): void {
    const { end } = vcpu
    let { access } = vcpu
    if (access === end) {
      this.running--
      this.workDoneNs = this.#agenda.now
      return
    }
    const thinkNs = this.#thinkNs
    const flags = this.#flags
    let work = thinkNs[access]
    if ((flags[access] & ACCESS_IDLE) !== 0) {
      vcpu.phase = ACCESS
      return this.#agenda.startTimer(vcpu.actor, this.#agenda.now + work)
    }
    if (access > vcpu.start) {
      while (this.#isAccessible(access)) {
        access++
        if (access === end || (flags[access] & ACCESS_IDLE) !== 0) {
          vcpu.access = access
          return this.#burst(vcpu, THINK, work)
        }
        work += thinkNs[access]
      }
      vcpu.access = access
    }
    this.#burst(vcpu, ACCESS, work)
  }

  #isAccessible(access: number): boolean {
    const page = this.#hostPage[access]
    if (this.#guestMapped !== null && !testBit(this.#guestMapped, page)) return false
    return (this.#flags[access] & ACCESS_WRITE) !== 0 ? this.#memory.isWritable(page) : this.#memory.isResident(page)
  }

  #access(vcpu: Vcpu): void {
    const { access } = vcpu
    if (this.#isAccessible(access)) {
      if (this.firstAccessNs < 0) this.firstAccessNs = this.#agenda.now
      if (vcpu.waitedSinceNs >= 0) {
        this.latency.record(this.#agenda.now - vcpu.waitedSinceNs)
        vcpu.waitedSinceNs = -1
      }
      vcpu.access = access + 1
      return this.#think(vcpu)
    }
    const page = this.#hostPage[access]
    vcpu.faultedAtNs = this.#agenda.now
    if (this.#memory.isResident(page)) {
      if (this.#writes(vcpu) && !this.#memory.isWritable(page)) return this.#copyOnWrite(vcpu, page)
      const { guestFaultNs, guestWakeNs } = this.#costs
      return this.#burst(vcpu, GUEST_MAP, vcpu.waitedSinceNs >= 0 ? guestFaultNs + guestWakeNs : guestFaultNs)
    }
    if (this.#install === 'uffd') return this.#burst(vcpu, TRAP, this.#costs.faultTrapNs)
    if (pageContent(this.#memory.layout, page) === PAGE_ZERO) return this.#zeroFill(vcpu, page)
    this.#readFile(vcpu, page)
  }

  /** The trap is over: wait, unless the page was installed meanwhile. */
  #trapped(vcpu: Vcpu): void {
    const page = this.#hostPage[vcpu.access]
    if (this.#memory.isResident(page)) return this.#resume(vcpu)
    this.faultedPages[this.faults++] = page
    vcpu.phase = WAITING
    this.#handlers.faultPosted(vcpu.actor, page)
    if (this.#guestMapped !== null) this.#burst(vcpu, GUEST_SLEEP, this.#costs.guestSleepNs)
  }

  /** The guest's vCPU is off its CPU; unless it was woken meanwhile, it waits. */
  #slept(vcpu: Vcpu): void {
    const { wakeAtNs } = vcpu
    vcpu.phase = WAITING
    vcpu.wakeAtNs = -1
    if (wakeAtNs >= 0) this.#wakeAt(vcpu, Math.max(wakeAtNs, this.#agenda.now))
  }

  /** The fault is over; the access is tried again, as the CPU does. */
  #resume(vcpu: Vcpu): void {
    this.stallNs[vcpu.actor] += this.#agenda.now - vcpu.faultedAtNs
    this.#access(vcpu)
  }

  #zeroFill(vcpu: Vcpu, page: number): void {
    const { readFaultNs, writeFaultNs } = this.#blockCosts(page)
    this.minorFaults++
    this.#burst(vcpu, ZERO_FILL, this.#writes(vcpu) ? writeFaultNs : readFaultNs)
  }

  #copyOnWrite(vcpu: Vcpu, page: number): void {
    const zero = pageContent(this.#memory.layout, page) === PAGE_ZERO
    const kernelNs = zero ? this.#blockCosts(page).writeFaultNs : this.#costs.cowFaultNs
    this.minorFaults++
    // In a guest the copy voids the mapping that the fault was about to make, and it is taken twice.
    this.#burst(vcpu, COPY_ON_WRITE, this.#guestMapped === null ? kernelNs : kernelNs + 2 * this.#costs.guestFaultNs)
  }

  #readFile(vcpu: Vcpu, page: number): void {
    const { now } = this.#agenda
    const block = blockOfHostPage(this.#memory.layout, page)
    const targetPage = page - block.firstHostPage + block.firstTargetPage
    const { cache, readCosts } = this.#setup
    vcpu.readyNs = cache.map(vcpu.actor, block, targetPage, now)
    vcpu.requestNs = cache.fetchedBytes === 0 ? 0 : fetchNs(readCosts, cache.fetchedBytes, cache.fetchedAhead)
    if (vcpu.readyNs <= now) {
      this.minorFaults++
      return this.#mapFile(vcpu, 0)
    }
    this.faultedPages[this.faults++] = page
    vcpu.phase = FILE_READ
    this.#agenda.startTimer(vcpu.actor, vcpu.readyNs)
  }

  #mapFile(vcpu: Vcpu, extraNs: number): void {
    const { cowFaultNs, fileMapFaultNs } = this.#costs
    this.#burst(vcpu, FILE_MAP, extraNs + (this.#writes(vcpu) ? cowFaultNs : fileMapFaultNs))
  }

  /** A fault that the kernel resolves alone has ended. */
  #kernelResolved(vcpu: Vcpu): void {
    const page = this.#hostPage[vcpu.access]
    const write = this.#writes(vcpu)
    if (vcpu.phase === FILE_MAP) {
      if (write) this.#mapRun(page, page + 1, true)
      else this.#mapAround(page)
      if (vcpu.readyNs > vcpu.faultedAtNs) this.latency.record(this.#agenda.now - vcpu.faultedAtNs)
    } else {
      const writable = write || !this.#blockCosts(page).zeroPageSharesFrame
      if (vcpu.phase === ZERO_FILL && this.#install === 'map') this.#mapRun(page, page + 1, writable)
      else this.#memory.touch(page, writable)
      if (vcpu.phase === COPY_ON_WRITE && this.#guestMapped !== null) setBit(this.#guestMapped, page)
    }
    this.#resume(vcpu)
  }

  /** Maps `page` and what is writable of the aligned window around it, as KVM does (pte_prefetch). */
  #mapForGuest(page: number): void {
    const { memory, costs } = this.#setup
    const { firstHostPage, endHostPage, hostPageSize } = blockOfHostPage(memory.layout, page)
    const window = Math.max(1, Math.floor((costs.guestFaultPages * 4096) / hostPageSize))
    const start = page - ((page - firstHostPage) % window)
    const end = Math.min(start + window, endHostPage)
    setBit(this.#guestMapped!, page)
    for (let other = start; other < end; other++) if (memory.isWritable(other)) setBit(this.#guestMapped!, other)
  }

  /** The access that the vCPU is at writes. */
  #writes(vcpu: Vcpu): boolean {
    return (this.#flags[vcpu.access] & ACCESS_WRITE) !== 0
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
