/**
 * One restore in virtual time: wires vCPUs, carriers, page cache and device to one agenda and runs it until nothing is
 * pending. Deterministic: the same input and seed give the same result to the nanosecond. docs/model.md has the model.
 */
import { LatencyHistogram } from '../core/latency-histogram.ts'
import { GIB } from '../core/units.ts'
import { Claims } from '../destination/claims.ts'
import { dataBytes, dataRunCount, type Layout } from '../destination/layout.ts'
import type { Policy } from '../policy/policy.ts'
import { FaultFeed } from '../policy/policy-host.ts'
import { createStorageModel } from '../storage/create.ts'
import type { Storage } from '../storage/device.ts'
import type { StorageModel } from '../storage/storage-model.ts'
import type { Workload } from '../workload/workload.ts'
import type { AccessStream } from './access-stream.ts'
import type { ActorClock, HostAgenda } from './agenda.ts'
import type { CarrierSetup, InstallObserver } from './carrier.ts'
import { Carriers } from './carriers.ts'
import { type FaultPath, FREE_FAULT_PATH, UffdLocks } from './fault-path.ts'
import type { HostCosts } from './host-profile.ts'
import { raiseInliningBudget } from './inlining.ts'
import { blockCosts } from './install-costs.ts'
import { MemoryState, RESIDENCY_POINTS } from './memory-state.ts'
import { CachedFile, PageCache } from './page-cache.ts'
import { readCosts } from './read-costs.ts'
import { createAgenda } from './run-queues.ts'
import type { Timeline } from './timeline.ts'
import type { VcpuSetup } from './vcpu.ts'
import { Vcpus } from './vcpus.ts'

export interface SimulationInput {
  readonly layout: Layout
  readonly policy: Policy
  readonly workload: Workload
  /** Host page of each of the workload's accesses. */
  readonly hostPage: Uint32Array
  readonly storage: Storage
  readonly costs: HostCosts
  /** The part of the time to resume that no policy changes. */
  readonly fixedNs: number
  readonly seed: number
  readonly observer?: InstallObserver
  /** Records what every thread of a restore does that is alone on its host; instead of an observer. */
  readonly timeline?: Timeline
  /** The vCPUs are those of a KVM guest. */
  readonly guest?: boolean
  /** What faults do to each other on their way; absent: nothing. */
  readonly faultPath?: FaultPath
  /** All memory is there from the start: what the workload takes without a restore. Which pages it accesses is all the same. */
  readonly allResident?: boolean
  /** The workload's columns and `hostPage` are windows of the vCPUs, empty at first, that it fills. */
  readonly stream?: AccessStream
}

export interface SimulationOutput {
  readonly resumeNs: number
  readonly vcpus: Vcpus
  readonly carriers: Carriers
  readonly memory: MemoryState
  readonly device: StorageModel
}

/**
 * Runs the simulation to its end.
 * @throws Error when a vCPU is left waiting: a policy that did not plan the page it was asked for
 */
export function simulate(input: SimulationInput): SimulationOutput {
  const simulation = new Simulation(input)
  simulation.advance()
  return simulation
}

/** What a restore has in common with others: its host's clock, storage and page cache. */
export interface SharedHost {
  /** Hands on what becomes due for the restore's actors. */
  readonly clock: ActorClock
  readonly device: StorageModel
  readonly file: CachedFile
  readonly latency: LatencyHistogram
  /** When the restore is asked for. */
  readonly startNs: number
}

/** The least that a bounded series takes. */
const FEWEST_POINTS = 4
/** Faults that there is room for at first: as many as cost nothing to clear, */
const FEW_FAULTS = 2 ** 14
/** and all that there can be, if that much memory comes cleared from the kernel, page by page as it is touched (malloc's mmap). */
const MANY_FAULTS = 2 ** 23

/** A simulation that can be taken on step by step, as the accesses of its stream become known. */
export class Simulation implements SimulationOutput {
  /** 0 until the VM runs. */
  resumeNs = 0
  readonly agenda: ActorClock
  readonly cache: PageCache
  readonly memory: MemoryState
  readonly device: StorageModel
  carriers: Carriers
  readonly vcpus: Vcpus
  readonly #setup: Setup
  /** Its own agenda; null: a host's. */
  readonly #agenda: HostAgenda | null
  #policy: Policy

  /** @param host what it shares; null: it is alone */
  constructor(input: SimulationInput, host: SharedHost | null = null) {
    const { layout, policy, workload, storage, costs, seed } = input
    const { mechanism } = policy
    const vcpuCount = workload.vcpus
    raiseInliningBudget(input.hostPage.length)
    this.#agenda = host === null ? createAgenda(costs, vcpuCount) : null
    const agenda: ActorClock = host?.clock ?? this.#agenda!
    const bytesToInstall = mechanism.install === 'load' ? dataBytes(layout) : layout.byteLength
    // Nobody looks at the curve of one restore among many.
    const memory = new MemoryState(layout, bytesToInstall, host === null ? RESIDENCY_POINTS : FEWEST_POINTS)
    const guest = input.guest ?? false
    // One page stands for all, so that bitmaps of large memories stay untouched; a guest has each page to be mapped.
    const hostPage = input.allResident && !guest ? new Uint32Array(input.hostPage.length) : input.hostPage
    if (input.allResident) for (const page of guest ? hostPage : [0]) memory.touch(page, true)
    const claims = new Claims(layout.hostPageCount)
    const device = host?.device ?? createStorageModel(storage, seed)
    const file = host?.file ?? new CachedFile(layout.targetPageCount, storage.cacheWarm)
    const cache = new PageCache(device, file, costs.readaheadPages * 4096)
    const setup = setupOf(policy, {
      layout,
      workload,
      vcpuCount,
      hostPage,
      install: mechanism.install,
      agenda,
      memory,
      faultRoom: host === null ? faultRoom(hostPage.length) : 0,
      latency: host?.latency ?? new LatencyHistogram(),
      claims,
      cache,
      device,
      costs,
      locks: new UffdLocks(input.faultPath ?? FREE_FAULT_PATH, layout.hostPageCount),
      blockCosts: blockCosts(layout, costs),
      readCosts: readCosts(storage.device, costs),
      workingSetPlace: workingSetPlace(layout),
      observer: input.observer ?? input.timeline?.observer ?? null,
      guest,
      stream: input.stream ?? null,
    })
    policy.start?.({ nowNs: () => agenda.now, faults: new FaultFeed() })
    this.agenda = agenda
    this.cache = cache
    this.memory = memory
    this.device = device
    this.carriers = new Carriers(setup)
    this.vcpus = new Vcpus(setup, this.carriers)
    if (this.#agenda !== null)
      input.timeline?.attach({ agenda: this.#agenda, device, vcpus: this.vcpus, carriers: this.carriers })
    this.#setup = setup
    this.#policy = policy
    const readyNs = (host?.startNs ?? 0) + setupNs(input)
    this.carriers.begin(this.vcpus, readyNs, () => {
      this.resumeNs = Math.max(agenda.now, readyNs) + input.fixedNs
      if (mechanism.install === 'load') memory.residentNs = agenda.now
      this.vcpus.start(this.resumeNs)
      this.carriers.vmRuns(this.resumeNs)
    })
  }

  /**
   * From now on another policy decides. The VM runs, and is not stopped for it. The policy must get pages into memory in the
   * way that the memory was set up for.
   */
  changePolicy(policy: Policy): void {
    const { agenda, carriers } = this
    policy.start?.({ nowNs: () => agenda.now, faults: new FaultFeed() })
    this.#policy = policy
    this.carriers = new Carriers(setupOf(policy, this.#setup), carriers)
    this.vcpus.handlers = this.carriers
    this.carriers.takeOver(this.vcpus, carriers)
  }

  /**
   * Takes event after event until nothing is pending, or a vCPU is held.
   * @throws Error as `simulate`
   */
  advance(): void {
    const { vcpus } = this
    if (vcpus.held >= 0) vcpus.carryOn()
    if (vcpus.held < 0) run(this.#agenda!, this.#setup.vcpuCount, vcpus, this.carriers)
    if (vcpus.held < 0) this.checkDone()
  }

  /** On a shared host: the actor's burst or timer has ended. */
  step(actor: number): void {
    if (actor >= this.#setup.vcpuCount) this.carriers.step(actor)
    else this.vcpus.step(actor)
  }

  /** Nothing is pending any more. @throws Error as `simulate` */
  checkDone(): void {
    const { running } = this.vcpus
    if (running > 0) throw new Error(`${this.#policy.name}: ${running} vCPUs wait for a page that nobody installs`)
  }
}

type Parts = Omit<CarrierSetup & VcpuSetup, 'policy'>
type Setup = CarrierSetup & VcpuSetup

/** One literal for all: parts that are spread together differ in their hidden class from run to run, which costs speed. */
function setupOf(policy: Policy, parts: Parts): Setup {
  return {
    layout: parts.layout,
    policy,
    workload: parts.workload,
    vcpuCount: parts.vcpuCount,
    hostPage: parts.hostPage,
    install: parts.install,
    agenda: parts.agenda,
    memory: parts.memory,
    faultRoom: parts.faultRoom,
    latency: parts.latency,
    claims: parts.claims,
    cache: parts.cache,
    device: parts.device,
    costs: parts.costs,
    locks: parts.locks,
    blockCosts: parts.blockCosts,
    readCosts: parts.readCosts,
    workingSetPlace: parts.workingSetPlace,
    observer: parts.observer,
    guest: parts.guest,
    stream: parts.stream,
  }
}

function faultRoom(accesses: number): number {
  return accesses >= MANY_FAULTS ? accesses : Math.min(accesses, FEW_FAULTS)
}

/** Takes event after event until nothing is pending or a vCPU is held. */
function run(agenda: HostAgenda, vcpuCount: number, vcpus: Vcpus, carriers: Carriers): void {
  for (let actor = agenda.next(); actor >= 0; actor = agenda.next()) {
    if (actor >= vcpuCount) carriers.step(actor)
    else {
      vcpus.step(actor)
      if (vcpus.held >= 0) return
    }
  }
}

/** Where the working-set file begins on the storage: behind the snapshot, with room to the next GiB, so that no chunk has parts of both. */
function workingSetPlace({ blocks }: Layout): number {
  const end = Math.max(0, ...blocks.map(({ block }) => block.pagesOffset + block.usedLength))
  return (Math.floor(end / GIB) + 1) * GIB
}

/** Time before the first byte is read or the VM may run: registering or mapping memory. */
function setupNs({ layout, policy, costs }: SimulationInput): number {
  switch (policy.mechanism.install) {
    case 'uffd':
      return layout.blocks.length * costs.registerNs
    case 'map':
      // One anonymous mapping a block, one file mapping a run of data over it.
      return (layout.blocks.length + dataRunCount(layout)) * costs.mapRegionNs
    case 'load':
      return 0
  }
}
