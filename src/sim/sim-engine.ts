/** The engine that predicts: runs the simulation and makes the record of it. */
import { countBits, createBitmap, popcount32, setBit } from '../core/bitmap.ts'
import type { LatencyHistogram } from '../core/latency-histogram.ts'
import { hostPagesOf, type Layout } from '../destination/layout.ts'
import type { Engine, RestoreRequest } from '../engine/engine.ts'
import type { FaultLatency, RestoreResult } from '../engine/result.ts'
import { loadMechanism } from '../policy/mechanisms.ts'
import type { Policy } from '../policy/policy.ts'
import { createPolicy } from '../policy/registry.ts'
import { OP_COPY, OP_ZERO_COPY, OP_ZEROPAGE } from '../resolver/resolver.ts'
import { distinctPages } from '../workload/stats.ts'
import type { Workload } from '../workload/workload.ts'
import { DEFAULT_HOST_PROFILE, type HostCosts, type HostProfile, hostCosts } from './host-profile.ts'
import type { MemoryState } from './memory-state.ts'
import { type SimulationInput, type SimulationOutput, simulate } from './simulate.ts'

/** QEMU's postcopy-latency-dist has 24 buckets. */
const BLOCKTIME_BUCKETS = 24

/**
 * ```ts
 * const result = await createSimEngine().restore({ layout, policy: parseSpec('lazy'), workload, storage, … })
 * ```
 */
export function createSimEngine(profile: HostProfile = DEFAULT_HOST_PROFILE): Engine {
  const costs = hostCosts(profile)
  return { name: 'sim', restore: async request => restoreInVirtualTime(request, costs) }
}

/** Synchronous core of the engine, for those who already are on a thread of their own. */
export function restoreInVirtualTime(request: RestoreRequest, costs: HostCosts): RestoreResult {
  const { layout, workload, storage, seed, fixedNs, workingSet } = request
  const policy = createPolicy(request.policy, { layout, workingSet })
  const hostPage = hostPagesOf(layout, workload.page)
  const input: SimulationInput = { layout, policy, workload, hostPage, storage, costs, fixedNs, seed }
  const output = simulate(input)
  return report(input, output, residentWorkNs(input))
}

/** How long the workload takes on memory that is all there. */
function residentWorkNs(input: SimulationInput): number {
  const policy: Policy = {
    name: 'resident',
    mechanism: loadMechanism({ workers: 0, direct: false, readBytes: 4096 }),
    onFault: () => {},
  }
  return simulate({ ...input, policy, fixedNs: 0, allResident: true }).vcpus.workDoneNs
}

function report(input: SimulationInput, output: SimulationOutput, residentNs: number): RestoreResult {
  const { layout, policy, workload, storage, seed, fixedNs } = input
  const { resumeNs, vcpus, carriers, memory, device } = output
  const bytesTouched = distinctPages(workload).count * workload.pageSize
  const { bytesRead, bytesInstalled } = policy.mechanism.install === 'map' ? mappedBytes(output) : carriers
  const stallNs = Array.from(vcpus.stallNs)
  return {
    policy: policy.name,
    engine: 'sim',
    seed,
    snapshot: { name: layout.snapshot.name, identity: layout.snapshot.identity, bytes: layout.byteLength },
    workload: { name: workload.name, accesses: workload.page.length, vcpus: workload.vcpus },
    storage: storage.name,
    layout: layout.description,
    fixedNs,
    resumeNs,
    firstAccessNs: vcpus.firstAccessNs < 0 ? null : vcpus.firstAccessNs,
    workDoneNs: vcpus.workDoneNs,
    residentNs: memory.residentNs < 0 ? null : memory.residentNs,
    stallNs: { total: stallNs.reduce((sum, ns) => sum + ns, 0), perVcpu: stallNs },
    faults: vcpus.faults,
    minorFaults: vcpus.minorFaults,
    copies: carriers.pagesInstalled[OP_COPY],
    zeropages: carriers.pagesInstalled[OP_ZEROPAGE],
    zeroCopies: carriers.pagesInstalled[OP_ZERO_COPY],
    eexist: 0,
    eagain: 0,
    errors: 0,
    faultLatencyNs: summarise(vcpus.latency),
    blocktimeDist: vcpus.latency.powersOfTwoUs(BLOCKTIME_BUCKETS),
    latencyCdf: vcpus.latency.cdf(),
    bytesRead,
    deviceBytesRead: device.bytesDelivered,
    bytesInstalled,
    bytesTouched,
    readAmplification: bytesTouched === 0 ? null : bytesRead / bytesTouched,
    ...prefetchQuality(layout, workload, input.hostPage, memory),
    residency: memory.residency.points().map(([timeNs, bytes]) => ({ timeNs, bytes })),
    slowdown: residentNs === 0 ? null : (vcpus.workDoneNs - resumeNs) / residentNs,
  }
}

function summarise(latency: LatencyHistogram): FaultLatency | null {
  if (latency.count === 0) return null
  return {
    mean: latency.mean,
    p50: latency.quantile(0.5),
    p90: latency.quantile(0.9),
    p99: latency.quantile(0.99),
    p999: latency.quantile(0.999),
    max: latency.max,
  }
}

/** A mapping reads nothing by itself: its bytes are those that the page cache had to fetch. */
function mappedBytes({ device, memory }: SimulationOutput): { bytesRead: number; bytesInstalled: number } {
  return { bytesRead: device.bytesDelivered, bytesInstalled: memory.residentBytes }
}

/** Of the pages that came without a fault of their own, how many were wanted; of those wanted, how many came so. */
function prefetchQuality(
  layout: Layout,
  { page }: Workload,
  hostPage: Uint32Array,
  { resident, faulted }: MemoryState,
): Pick<RestoreResult, 'prefetchAccuracy' | 'prefetchCoverage'> {
  const touched = createBitmap(layout.hostPageCount)
  for (let i = 0; i < page.length; i++) setBit(touched, hostPage[i])
  const touchedPages = countBits(touched, 0, layout.hostPageCount)
  let prefetched = 0
  let wanted = 0
  let spared = 0
  for (let word = 0; word < touched.length; word++) {
    const unasked = resident[word] & ~faulted[word]
    prefetched += popcount32(unasked)
    wanted += popcount32(unasked & touched[word])
    spared += popcount32(touched[word] & ~faulted[word])
  }
  return {
    prefetchAccuracy: prefetched === 0 ? null : wanted / prefetched,
    prefetchCoverage: touchedPages === 0 ? null : spared / touchedPages,
  }
}
