/**
 * The guest: each vCPU runs its accesses one after the other and stands still in faults. A burst runs on through accesses
 * to pages that are accessible when it starts, since residency only grows: that is exact, and spares an event for each.
 */
import { setBit, testBit } from '../core/bitmap.ts'
import { withRoom } from '../core/growable.ts'
import type { LatencyHistogram } from '../core/latency-histogram.ts'
import { blockOfHostPage, PAGE_ZERO, pageContent } from '../destination/layout.ts'
import { ACCESS_IDLE, ACCESS_WRITE } from '../workload/workload.ts'
import { type AccessStream, NO_MORE, NOT_KNOWN_YET } from './access-stream.ts'
import type { ActorClock } from './agenda.ts'
import type { HostCosts } from './host-profile.ts'
import type { BlockCosts } from './install-costs.ts'
import type { MemoryState } from './memory-state.ts'
import { type HypervisorMappings, hypervisorMappings, mapAround, mapRun } from './page-mapping.ts'
import { fetchNs } from './read-costs.ts'
import { type FaultHandlers, trapNs, Vcpu, type VcpuSetup } from './vcpu.ts'

// Not imported: V8 takes an imported constant from memory each time.
const THINK = 0 // a burst or idle time ends; the next access has yet to think
const ACCESS = 1 // a burst or idle time ends at an access
const TRAP = 2 // the kernel has caught the fault and queues a message
const WAITING = 3 // no event: an install will wake it
const WAKING = 4
const ZERO_FILL = 5 // kernel faults: anonymous memory …
const COPY_ON_WRITE = 6
const FILE_READ = 7 // … and file mappings
const FILE_MAP = 8
const GUEST_MAP = 9 // the hypervisor maps resident memory for the guest, or for a thread
const GUEST_SLEEP = 10 // … and takes the vCPU off its CPU, while the message is under way
const QUEUE = 11 // it waits for the userfaultfd's lock, and queues its message

export class Vcpus {
  readonly latency: LatencyHistogram
  readonly stallNs: Float64Array
  /** Faults that had to be waited for, and the page of each: the first `faults` entries. An access has at most one. */
  faults = 0
  faultedPages: Uint32Array
  minorFaults = 0
  firstAccessNs = -1
  workDoneNs = 0
  running: number
  /** The vCPU whose next access is not known yet; -1: none. Nothing may happen until `carryOn`. */
  held = -1
  #heldBurstNs = -1 // it has begun to look for the end of its next burst, which is that long so far; -1: it has not
  readonly #setup: VcpuSetup
  readonly #costs: HostCosts
  readonly #agenda: ActorClock
  readonly #memory: MemoryState
  /** Null: the hypervisor's mappings cost nothing. */
  readonly #hypervisor: HypervisorMappings | null
  readonly #hostPage: Uint32Array
  readonly #thinkNs: Uint32Array
  readonly #flags: Uint8Array
  /** Who answers faults. */
  handlers: FaultHandlers
  readonly #stream: AccessStream | null
  readonly #vcpus: readonly Vcpu[]

  constructor(setup: VcpuSetup, handlers: FaultHandlers) {
    const { vcpus, starts, thinkNs, flags } = setup.workload
    this.#setup = setup
    this.latency = setup.latency
    this.#costs = setup.costs
    this.#agenda = setup.agenda
    this.#memory = setup.memory
    this.#hypervisor = hypervisorMappings(setup)
    this.faultedPages = new Uint32Array(setup.faultRoom)
    this.#hostPage = setup.hostPage
    this.#thinkNs = thinkNs
    this.#flags = flags
    this.handlers = handlers
    this.#stream = setup.stream
    this.running = vcpus
    this.stallNs = new Float64Array(vcpus)
    const known = setup.stream === null ? 1 : 0
    this.#vcpus = Array.from({ length: vcpus }, (_, actor) => new Vcpu(actor, starts[actor], starts[actor + known]))
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
      case QUEUE:
        return this.#trapped(vcpu)
      case WAKING:
        if (this.#setup.guest) vcpu.waitedSinceNs = vcpu.faultedAtNs
        else this.#waited(vcpu, vcpu.faultedAtNs)
        // The access that a thread tries again is in what its wake-up takes.
        if (!this.#setup.guest) this.#hypervisor?.map(this.#hostPage[vcpu.access])
        return this.#resume(vcpu)
      case GUEST_SLEEP:
        return this.#slept(vcpu)
      case GUEST_MAP:
        this.#hypervisor!.map(this.#hostPage[vcpu.access])
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
    if (phase < TRAP) this.#agenda.startBurst(vcpu.actor, workNs)
    else this.#agenda.startKernelBurst(vcpu.actor, workNs)
  }

  /** What held the vCPU may be known now: it goes on, or is held again. */
  carryOn(): void {
    const vcpu = this.#vcpus[this.held]
    const burstNs = this.#heldBurstNs
    this.held = -1
    this.#heldBurstNs = -1
    if (burstNs < 0) this.#think(vcpu)
    else this.#runOn(vcpu, burstNs)
  }

  /** Starts the burst to the next access that has to be looked at. */
  #think(vcpu: Vcpu): void {
    if (vcpu.access === vcpu.end) {
      const more = this.#refill(vcpu)
      if (more === NOT_KNOWN_YET) return
      if (more === NO_MORE) {
        this.running--
        this.workDoneNs = this.#agenda.now
        return
      }
    }
    const { access } = vcpu
    const thinkNs = this.#thinkNs[access]
    if ((this.#flags[access] & ACCESS_IDLE) !== 0) {
      vcpu.phase = ACCESS
      return this.#agenda.startTimer(vcpu.actor, this.#agenda.now + thinkNs)
    }
    if (access > vcpu.start) this.#runOn(vcpu, 0)
    else this.#burst(vcpu, ACCESS, thinkNs)
  }

  /** Starts the burst of `workNs` and all that comes before the next access that has to be looked at, or the end. */
  #runOn(vcpu: Vcpu, workNs: number): void {
    const hostPage = this.#hostPage
    const thinkNs = this.#thinkNs
    const flags = this.#flags
    const mapped = this.#hypervisor === null ? null : this.#hypervisor.mapped
    const { resident, writable } = this.#memory
    let work = workNs
    for (;;) {
      // As 32-bit integers: V8 else keeps them as it keeps fields, and converts at each use.
      const end = vcpu.end | 0
      let access = vcpu.access | 0
      for (; access < end; access = (access + 1) | 0) {
        const flag = flags[access]
        if ((flag & ACCESS_IDLE) !== 0) {
          this.#passed(vcpu, access)
          return this.#burst(vcpu, THINK, work)
        }
        work += thinkNs[access]
        const page = hostPage[access]
        // A page that is writable is resident. Without a branch, as nobody can foresee which access writes.
        const accessible = resident[page >>> 5] & (writable[page >>> 5] | ((flag & ACCESS_WRITE) - 1))
        if ((accessible & (1 << page)) !== 0 && (mapped === null || testBit(mapped, page))) continue
        this.#passed(vcpu, access)
        return this.#burst(vcpu, ACCESS, work)
      }
      this.#passed(vcpu, access)
      const more = this.#refill(vcpu)
      if (more === NOT_KNOWN_YET) this.#heldBurstNs = work
      else if (more === NO_MORE) this.#burst(vcpu, THINK, work)
      if (more <= 0) return
    }
  }

  /** The burst runs on through all accesses before `access`. */
  #passed(vcpu: Vcpu, access: number): void {
    if (this.#stream !== null && access > vcpu.access) this.#stream.resident(vcpu.actor, vcpu.access, access)
    vcpu.access = access
  }

  /** The vCPU has no further access in the columns: gets more, or holds it. */
  #refill(vcpu: Vcpu): number {
    if (this.#stream === null) return NO_MORE
    const more = this.#stream.refill(vcpu.actor)
    if (more === NOT_KNOWN_YET) this.held = vcpu.actor
    if (more <= 0) return more
    const first = this.#setup.workload.starts[vcpu.actor]
    if (vcpu.access > vcpu.start) vcpu.start = -1
    vcpu.access = first
    vcpu.end = first + more
    return more
  }

  #isAccessible(access: number): boolean {
    const page = this.#hostPage[access]
    if (this.#hypervisor !== null && !testBit(this.#hypervisor.mapped, page)) return false
    return (this.#flags[access] & ACCESS_WRITE) !== 0 ? this.#memory.isWritable(page) : this.#memory.isResident(page)
  }

  #access(vcpu: Vcpu): void {
    const { access } = vcpu
    if (this.#isAccessible(access)) {
      if (this.firstAccessNs < 0) this.firstAccessNs = this.#agenda.now
      if (vcpu.waitedSinceNs >= 0) {
        this.#waited(vcpu, vcpu.waitedSinceNs)
        vcpu.waitedSinceNs = -1
      }
      if (this.#stream !== null) this.#stream.accessed(vcpu.actor, access, this.#agenda.now)
      vcpu.access = access + 1
      return this.#think(vcpu)
    }
    const page = this.#hostPage[access]
    vcpu.faultedAtNs = this.#agenda.now
    if (this.#stream !== null) this.#stream.faulted(vcpu.actor, this.#agenda.now)
    if (this.#memory.isResident(page)) {
      if (this.#writes(vcpu) && !this.#memory.isWritable(page)) return this.#copyOnWrite(vcpu, page)
      return this.#burst(vcpu, GUEST_MAP, this.#hypervisor!.faultNs(vcpu.waitedSinceNs >= 0))
    }
    if (this.#setup.install === 'uffd') return this.#burst(vcpu, TRAP, trapNs(this.#costs, vcpu))
    if (pageContent(this.#memory.layout, page) === PAGE_ZERO) return this.#zeroFill(vcpu, page)
    this.#readFile(vcpu, page)
  }

  /** The fault that the vCPU has waited for since `sinceNs` is over. */
  #waited(vcpu: Vcpu, sinceNs: number): void {
    const latencyNs = this.#agenda.now - sinceNs
    this.latency.record(latencyNs)
    if (this.#stream !== null) this.#stream.waited(vcpu.actor, latencyNs)
  }

  #countFault(page: number): void {
    if (this.faults === this.faultedPages.length) this.faultedPages = withRoom(this.faultedPages, this.faults + 1)
    this.faultedPages[this.faults++] = page
  }

  /** The trap is over: wait for the lock, if there is one, and for the page, unless it was installed meanwhile. */
  #trapped(vcpu: Vcpu): void {
    const page = this.#hostPage[vcpu.access]
    if (this.#memory.isResident(page)) return this.#resume(vcpu)
    const { locks } = this.#setup
    if (locks.contended && vcpu.phase === TRAP) {
      return this.#burst(vcpu, QUEUE, locks.take(locks.uffdOf(page), this.#agenda.now))
    }
    this.#countFault(page)
    vcpu.phase = WAITING
    this.handlers.faultPosted(vcpu.actor, page)
    if (this.#setup.guest) this.#burst(vcpu, GUEST_SLEEP, this.#costs.guestSleepNs)
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
    vcpu.resumedAtNs = this.#agenda.now
    this.#access(vcpu)
  }

  #zeroFill(vcpu: Vcpu, page: number): void {
    const { readFaultNs, writeFaultNs } = this.#blockCosts(page)
    this.minorFaults++
    this.#burst(vcpu, ZERO_FILL, this.#writes(vcpu) ? writeFaultNs : readFaultNs)
  }

  #copyOnWrite(vcpu: Vcpu, page: number): void {
    const zero = pageContent(this.#memory.layout, page) === PAGE_ZERO
    const { cowFaultNs, guestFaultNs, tlbInterruptNs, tlbShootdownNs } = this.#costs
    const copyNs = zero ? this.#blockCosts(page).writeFaultNs : cowFaultNs
    const kernelNs = this.#agenda.interruptOthers(tlbInterruptNs) ? copyNs + tlbShootdownNs : copyNs
    this.minorFaults++
    // In a guest the copy voids the mapping that the fault was about to make, and it is taken twice.
    this.#burst(vcpu, COPY_ON_WRITE, this.#setup.guest ? kernelNs + 2 * guestFaultNs : kernelNs)
  }

  #readFile(vcpu: Vcpu, page: number): void {
    const { now } = this.#agenda
    const block = blockOfHostPage(this.#memory.layout, page)
    const targetPage = page - block.firstHostPage + block.firstTargetPage
    const { cache, readCosts } = this.#setup
    vcpu.readyNs = cache.map(block, targetPage, now)
    vcpu.requestNs = fetchNs(readCosts, cache)
    if (vcpu.readyNs <= now) {
      this.minorFaults++
      return this.#mapFile(vcpu, vcpu.requestNs)
    }
    this.#countFault(page)
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
      if (write) mapRun(this.#memory, page, page + 1, true, this.#agenda.now)
      else mapAround(this.#memory, this.#setup.cache, this.#costs.faultAroundPages, page, this.#agenda.now)
      if (vcpu.readyNs > vcpu.faultedAtNs) this.#waited(vcpu, vcpu.faultedAtNs)
    } else {
      const writable = write || !this.#blockCosts(page).zeroPageSharesFrame
      const maps = vcpu.phase === ZERO_FILL && this.#setup.install === 'map'
      if (maps) mapRun(this.#memory, page, page + 1, writable, this.#agenda.now)
      else this.#memory.touch(page, writable)
      if (vcpu.phase === COPY_ON_WRITE && this.#hypervisor !== null) setBit(this.#hypervisor.mapped, page)
    }
    this.#resume(vcpu)
  }

  /** The access that the vCPU is at writes. */
  #writes(vcpu: Vcpu): boolean {
    return (this.#flags[vcpu.access] & ACCESS_WRITE) !== 0
  }

  #blockCosts(page: number): BlockCosts {
    return this.#setup.blockCosts[blockOfHostPage(this.#memory.layout, page).index]
  }
}
