/** The same burst under several policies: a record each, beside one restore alone. */
import { LazyRestoreError } from '../core/error.ts'
import { parseSpecList } from '../core/spec-string.ts'
import type { Layout } from '../destination/layout.ts'
import { summariseLatency } from '../engine/record.ts'
import { policyLabel, usesWorkingSet } from '../policy/registry.ts'
import { type FaultPath, FREE_FAULT_PATH } from '../sim/fault-path.ts'
import type { HostCosts } from '../sim/host-profile.ts'
import type { Storage } from '../storage/device.ts'
import { workingSetOf } from '../working-set/working-set.ts'
import type { Workload } from '../workload/workload.ts'
import { arrivalTimes } from './arrivals.ts'
import { type BurstInput, MAX_RESTORES, runBurst } from './burst.ts'
import { type BurstResult, fleetTimes } from './result.ts'

export interface BurstComparison {
  readonly layout: Layout
  /** As written, `lazy,reap`. */
  readonly policies: string
  /** Variants that the restores take by turns; at least one. */
  readonly workloads: readonly Workload[]
  /** The earlier run that working sets are taken from; null: the first of the workloads. */
  readonly recording: Workload | null
  readonly storage: Storage
  readonly costs: HostCosts
  readonly faultPath?: FaultPath
  readonly restores: number
  readonly hosts: number
  readonly snapshots: number
  /** As written, `poisson:rate=100`. */
  readonly arrivals: string
  readonly seed: number
  readonly fixedNs: number
  readonly onProgress?: (policy: string, done: number) => void
}

/** @throws LazyRestoreError for a policy, arrival process or number that cannot be */
export function compareBursts(burst: BurstComparison): BurstResult[] {
  const { layout, workloads, recording, restores, hosts, snapshots, arrivals, seed } = burst
  checkCount('restores', restores, MAX_RESTORES)
  checkCount('hosts', hosts, restores)
  checkCount('snapshots', snapshots, restores)
  const specs = parseSpecList(burst.policies)
  const workingSet = specs.some(usesWorkingSet) ? workingSetOf(layout, recording ?? workloads[0]).pages : null
  const arrivalNs = arrivalTimes(arrivals, restores, seed)
  return specs.map(policy => {
    const written = policyLabel(policy)
    const input: BurstInput = {
      ...burst,
      policy,
      faultPath: burst.faultPath ?? FREE_FAULT_PATH,
      workingSet,
      arrivalNs,
      onProgress: done => burst.onProgress?.(written, done),
    }
    return resultOf(burst, written, input)
  })
}

function resultOf(burst: BurstComparison, policy: string, input: BurstInput): BurstResult {
  const { layout, workloads, storage, costs, restores, hosts, snapshots, arrivals, seed, fixedNs } = burst
  const [{ name, page, vcpus }] = workloads
  const alone = runBurst({ ...input, arrivalNs: new Float64Array(1), hosts: 1, snapshots: 1 }).workDoneNs[0]
  const output = runBurst(input)
  const workDoneNs = fleetTimes(output.workDoneNs)!
  return {
    policy,
    engine: 'sim',
    seed,
    snapshot: { name: layout.snapshot.name, identity: layout.snapshot.identity, bytes: layout.byteLength },
    workload: { name, accesses: page.length, vcpus, variants: workloads.length },
    storage: storage.name,
    faultPath: input.faultPath.name,
    layout: layout.description,
    fixedNs,
    restores,
    hosts,
    snapshots,
    cores: costs.cores,
    arrivals,
    lastArrivalNs: input.arrivalNs[restores - 1],
    resumeNs: fleetTimes(output.resumeNs)!,
    workDoneNs,
    residentNs: fleetTimes(output.residentNs),
    residentRestores: output.residentNs.filter(ns => !Number.isNaN(ns)).length,
    stallNs: fleetTimes(output.stallNs)!,
    slowdown: workDoneNs.p50 / alone,
    aloneNs: alone,
    lastWorkDoneNs: output.lastWorkDoneNs,
    faults: output.faults,
    minorFaults: output.minorFaults,
    faultLatencyNs: summariseLatency(output.latency),
    bytesRead: output.bytesRead,
    deviceBytesRead: output.deviceBytesRead,
    bytesInstalled: output.bytesInstalled,
  }
}

function checkCount(what: string, found: number, most: number): void {
  if (found >= 1 && found <= most) return
  throw new LazyRestoreError('usage', `${what}: found ${found}, expected from 1 to ${most}`)
}
