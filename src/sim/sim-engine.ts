/** The engine that predicts: runs the simulation and makes the record of it. */
import { bitmapOf } from '../core/bitmap.ts'
import { hostPagesOf } from '../destination/layout.ts'
import type { Engine, RestoreRequest } from '../engine/engine.ts'
import { type RestoreMeasures, recordOf } from '../engine/record.ts'
import type { RestoreResult } from '../engine/result.ts'
import { loadMechanism } from '../policy/mechanisms.ts'
import type { Policy } from '../policy/policy.ts'
import { createPolicy } from '../policy/registry.ts'
import { distinctPageCount } from '../workload/stats.ts'
import { type FaultPath, FREE_FAULT_PATH } from './fault-path.ts'
import { DEFAULT_HOST_PROFILE, type HostCosts, type HostProfile, hostCosts } from './host-profile.ts'
import { type SimulationInput, type SimulationOutput, simulate } from './simulate.ts'
import { Timeline } from './timeline.ts'

/**
 * ```ts
 * const result = await createSimEngine().restore({ layout, policy: parseSpec('lazy'), workload, storage, … })
 * ```
 */
export function createSimEngine(profile: HostProfile = DEFAULT_HOST_PROFILE, options: SimEngineOptions = {}): Engine {
  const costs = hostCosts(profile)
  return { name: 'sim', restore: async request => restoreInVirtualTime(request, costs, options), close: async () => {} }
}

export interface SimEngineOptions {
  /** The vCPUs are those of a KVM guest: the first access to resident memory has a cost of its own. Else they are threads. */
  readonly guest?: boolean
  /** What faults of several vCPUs do to each other on their way; absent: nothing. */
  readonly faultPath?: FaultPath
  /** Given what every thread did, after each restore. */
  readonly onTimeline?: (timeline: Timeline, result: RestoreResult) => void
}

/** Synchronous core of the engine, for those who already are on a thread of their own. */
export function restoreInVirtualTime(
  request: RestoreRequest,
  costs: HostCosts,
  options: SimEngineOptions = {},
): RestoreResult {
  const { onTimeline } = options
  // For the record: what it takes to count them is free again when the simulation needs memory.
  distinctPageCount(request.workload)
  if (onTimeline === undefined) return recordOf('sim', request, measure(request, costs, options, null))
  let recorded: Timeline | null = null
  const record = (policy: Policy): Timeline => {
    recorded = new Timeline(policy.mechanism.handlers)
    return recorded
  }
  const result = recordOf('sim', request, measure(request, costs, options, record))
  if (recorded !== null) onTimeline(recorded, result)
  return result
}

/** Of the simulation only the measures are kept: its bitmaps are as many again as the record needs. */
function measure(
  request: RestoreRequest,
  costs: HostCosts,
  { guest = false, faultPath = FREE_FAULT_PATH }: SimEngineOptions,
  record: ((policy: Policy) => Timeline) | null,
): RestoreMeasures {
  const { layout, workload, storage, seed, fixedNs, workingSet } = request
  const policy = createPolicy(request.policy, { layout, workingSet: workingSet?.pages ?? null })
  const hostPage = hostPagesOf(layout, workload.page)
  const input: SimulationInput = {
    layout,
    policy,
    workload,
    hostPage,
    storage,
    costs,
    fixedNs,
    seed,
    guest,
    faultPath,
  }
  // First, while there is least in memory.
  const workNs = residentWorkNs(input)
  const output = simulate(record === null ? input : { ...input, timeline: record(policy) })
  return measuresOf(policy, output, workNs)
}

/** How long the workload takes on memory that is all there. */
export function residentWorkNs(input: SimulationInput): number {
  const policy: Policy = {
    name: 'resident',
    mechanism: loadMechanism({ workers: 0, direct: false, readBytes: 4096 }),
    onFault: () => {},
  }
  return simulate({ ...input, policy, fixedNs: 0, allResident: true }).vcpus.workDoneNs
}

export function measuresOf(policy: Policy, output: SimulationOutput, residentWorkNs: number): RestoreMeasures {
  const { resumeNs, vcpus, carriers, memory, device } = output
  // A mapping reads nothing by itself: its bytes are those that the page cache had to fetch.
  const mapped = { bytesRead: device.bytesDelivered, bytesInstalled: memory.residentBytes }
  const { bytesRead, bytesInstalled } = policy.mechanism.install === 'map' ? mapped : carriers
  return {
    policy: policy.name,
    resumeNs,
    firstAccessNs: vcpus.firstAccessNs < 0 ? null : vcpus.firstAccessNs,
    workDoneNs: vcpus.workDoneNs,
    residentNs: memory.residentNs < 0 ? null : memory.residentNs,
    stallNs: Array.from(vcpus.stallNs),
    faults: vcpus.faults,
    minorFaults: vcpus.minorFaults,
    pagesInstalled: carriers.pagesInstalled,
    // Every page is claimed before it is installed, and there are no events.
    eexist: 0,
    eagain: 0,
    errors: 0,
    latency: vcpus.latency,
    bytesRead,
    deviceBytesRead: device.bytesDelivered,
    bytesInstalled,
    residency: memory.residency.points().map(([timeNs, bytes]) => ({ timeNs, bytes })),
    resident: memory.resident,
    faulted: bitmapOf(vcpus.faultedPages.subarray(0, vcpus.faults), memory.layout.hostPageCount),
    residentWorkNs,
  }
}
