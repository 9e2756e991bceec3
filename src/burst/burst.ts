/**
 * Many restores at a time: on one host, where they share cores, page cache and device, or on several hosts that share a remote
 * store. Every restore is simulated in full, in one virtual time; a burst of one restore is the restore of src/sim to the nanosecond.
 */
import { LatencyHistogram } from '../core/latency-histogram.ts'
import { MinHeap } from '../core/min-heap.ts'
import type { Spec } from '../core/spec-string.ts'
import { GIB } from '../core/units.ts'
import { hostPagesOf, type Layout } from '../destination/layout.ts'
import type { InstallMethod, Mechanism } from '../policy/policy.ts'
import { createPolicy } from '../policy/registry.ts'
import type { FaultPath } from '../sim/fault-path.ts'
import type { HostCosts } from '../sim/host-profile.ts'
import { CachedFile } from '../sim/page-cache.ts'
import type { Simulation, SimulationInput } from '../sim/simulate.ts'
import type { Storage } from '../storage/device.ts'
import { SharedStorage } from '../storage/shared-storage.ts'
import type { Workload } from '../workload/workload.ts'
import { type Arrival, Host } from './host.ts'

export const MAX_RESTORES = 100_000

export interface BurstInput {
  readonly layout: Layout
  /** Made into a policy anew for each restore. */
  readonly policy: Spec
  /** Restore i runs workload i modulo their number; all have as many vCPUs. */
  readonly workloads: readonly Workload[]
  readonly storage: Storage
  readonly costs: HostCosts
  readonly faultPath: FaultPath
  readonly fixedNs: number
  readonly seed: number
  /** Host pages by first use in an earlier run; null: policies that want them are refused. */
  readonly workingSet: Uint32Array | null
  /** When each restore is asked for, ns, ascending. */
  readonly arrivalNs: Float64Array
  /** Restore i runs on host i modulo this. */
  readonly hosts: number
  /** Snapshots alike in all but where they lie: restore i is of snapshot i modulo this, and no other snapshot's pages help it. */
  readonly snapshots: number
  /** Told now and then how many are done. */
  readonly onProgress?: (done: number) => void
}

/** By restore, in order of arrival; times from when it was asked for. */
export interface BurstOutput {
  readonly resumeNs: Float64Array
  readonly workDoneNs: Float64Array
  /** NaN: never. */
  readonly residentNs: Float64Array
  readonly stallNs: Float64Array
  readonly faults: number
  readonly minorFaults: number
  /** Of all restores' faults. */
  readonly latency: LatencyHistogram
  readonly bytesRead: number
  readonly bytesInstalled: number
  /** Off the shared medium and local tiers. */
  readonly deviceBytesRead: number
  /** When the last work was done, from the start of the burst. */
  readonly lastWorkDoneNs: number
}

const PROGRESS_RESTORES = 100

export function runBurst(input: BurstInput): BurstOutput {
  const { arrivalNs, hosts: hostCount, storage, seed, costs } = input
  const restores = arrivalNs.length
  const { mechanism } = createPolicy(input.policy, input)
  const results = new Results(input, mechanism)
  const shared = new SharedStorage(storage, seed, restores)
  const due = new MinHeap()
  /** When each host is due, as far as `due` knows. */
  const dueNs = new Float64Array(hostCount).fill(Number.POSITIVE_INFINITY)
  const arrivals = arrivalsByHost(input)
  const hostStorages = arrivals.map((_, index) => shared.host(index))
  const hosts = arrivals.map((ofHost, index) => {
    const storage = hostStorages[index]
    return new Host({
      speeds: costs,
      storage,
      actors: input.workloads[0].vcpus + mechanism.handlers + mechanism.workers,
      arrivals: ofHost,
      latency: results.latency,
      onDone: (arrival, simulation) => results.add(arrival, simulation),
      onEarlier: () => schedule(index),
    })
  })
  const schedule = (index: number): void => {
    const nextNs = hosts[index].nextNs()
    if (nextNs === dueNs[index]) return
    dueNs[index] = nextNs
    if (nextNs < Number.POSITIVE_INFINITY) due.push(nextNs, index)
  }
  for (let index = 0; index < hostCount; index++) schedule(index)
  const { queue } = shared
  while (due.size > 0 || queue.nextNs < Number.POSITIVE_INFINITY) {
    const { topKey } = due
    if (queue.nextNs <= topKey) queue.sendNext()
    else if (topKey !== dueNs[due.top])
      due.pop() // it became due earlier, and has another entry
    else stepTop(due, dueNs, hosts)
  }
  return results.output(hostStorages.reduce((sum, { bytesDelivered }) => sum + bytesDelivered, 0))
}

/** Takes the next event of the host that is due first. */
function stepTop(due: MinHeap, dueNs: Float64Array, hosts: readonly Host[]): void {
  const index = due.top
  const host = hosts[index]
  host.step()
  const nextNs = host.nextNs()
  dueNs[index] = nextNs
  if (nextNs < Number.POSITIVE_INFINITY) due.rekeyTop(nextNs)
  else due.pop()
}

function arrivalsByHost(input: BurstInput): Arrival[][] {
  const { layout, workloads, storage, arrivalNs, hosts, snapshots } = input
  const hostPages = workloads.map(({ page }) => hostPagesOf(layout, page))
  const files = Array.from({ length: hosts }, () => new Map<number, CachedFile>())
  const span = snapshotSpan(layout)
  const byHost: Arrival[][] = Array.from({ length: hosts }, () => [])
  for (const [index, atNs] of arrivalNs.entries()) {
    const host = index % hosts
    const snapshot = index % snapshots
    const variant = index % workloads.length
    let file = files[host].get(snapshot)
    if (file === undefined) {
      file = new CachedFile(layout.targetPageCount, storage.cacheWarm)
      files[host].set(snapshot, file)
    }
    const restore = () => restoreInput(input, workloads[variant], hostPages[variant])
    byHost[host].push({ index, atNs, input: restore, file, offset: snapshot * span })
  }
  return byHost
}

function restoreInput(input: BurstInput, workload: Workload, hostPage: Uint32Array): SimulationInput {
  const { layout, policy, workingSet, storage, costs, faultPath, fixedNs, seed } = input
  return {
    layout,
    policy: createPolicy(policy, { layout, workingSet }),
    workload,
    hostPage,
    storage,
    costs,
    faultPath,
    fixedNs,
    seed,
  }
}

/** Bytes that a snapshot and its working-set file take on the storage. */
function snapshotSpan({ blocks }: Layout): number {
  const end = Math.max(0, ...blocks.map(({ block }) => block.pagesOffset + block.usedLength))
  return (2 * Math.floor(end / GIB) + 3) * GIB
}

class Results {
  readonly latency = new LatencyHistogram()
  readonly #resumeNs: Float64Array
  readonly #workDoneNs: Float64Array
  readonly #residentNs: Float64Array
  readonly #stallNs: Float64Array
  readonly #input: BurstInput
  readonly #install: InstallMethod
  #done = 0
  #faults = 0
  #minorFaults = 0
  #bytesRead = 0
  #bytesInstalled = 0
  #lastWorkDoneNs = 0

  constructor(input: BurstInput, { install }: Mechanism) {
    const restores = input.arrivalNs.length
    this.#input = input
    this.#install = install
    this.#resumeNs = new Float64Array(restores)
    this.#workDoneNs = new Float64Array(restores)
    this.#residentNs = new Float64Array(restores)
    this.#stallNs = new Float64Array(restores)
  }

  add({ index, atNs }: Arrival, { resumeNs, vcpus, memory, carriers, device }: Simulation): void {
    // A mapping reads nothing by itself.
    const maps = this.#install === 'map'
    this.#resumeNs[index] = resumeNs - atNs
    this.#workDoneNs[index] = vcpus.workDoneNs - atNs
    this.#residentNs[index] = memory.residentNs < 0 ? Number.NaN : memory.residentNs - atNs
    this.#stallNs[index] = vcpus.stallNs.reduce((sum, ns) => sum + ns, 0)
    this.#faults += vcpus.faults
    this.#minorFaults += vcpus.minorFaults
    this.#bytesRead += maps ? device.bytesDelivered : carriers.bytesRead
    this.#bytesInstalled += maps ? memory.residentBytes : carriers.bytesInstalled
    this.#lastWorkDoneNs = Math.max(this.#lastWorkDoneNs, vcpus.workDoneNs)
    this.#done++
    if (this.#done % PROGRESS_RESTORES === 0) this.#input.onProgress?.(this.#done)
  }

  output(deviceBytesRead: number): BurstOutput {
    return {
      resumeNs: this.#resumeNs,
      workDoneNs: this.#workDoneNs,
      residentNs: this.#residentNs,
      stallNs: this.#stallNs,
      faults: this.#faults,
      minorFaults: this.#minorFaults,
      latency: this.latency,
      bytesRead: this.#bytesRead,
      bytesInstalled: this.#bytesInstalled,
      deviceBytesRead,
      lastWorkDoneNs: this.#lastWorkDoneNs,
    }
  }
}
