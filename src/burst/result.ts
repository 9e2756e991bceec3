/** The record of a burst, as `burst --json` prints it: one a policy. Times count from when each restore was asked for. */
import type { FaultLatency } from '../engine/result.ts'

/** Over all restores of the burst, ns. */
export interface FleetTimes {
  readonly mean: number
  readonly min: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

export interface BurstResult {
  /** The policy as written. */
  readonly policy: string
  readonly engine: 'sim'
  readonly seed: number
  readonly snapshot: { readonly name: string; readonly identity: string; readonly bytes: number }
  readonly workload: {
    readonly name: string
    readonly accesses: number
    readonly vcpus: number
    /** Draws of it that the restores take by turns. */
    readonly variants: number
  }
  readonly storage: string
  readonly faultPath: string
  readonly layout: string
  readonly fixedNs: number
  readonly restores: number
  readonly hosts: number
  /** Snapshots alike that the restores take by turns. */
  readonly snapshots: number
  /** Cores of each host. */
  readonly cores: number
  readonly arrivals: string
  /** When the last restore was asked for, from the start of the burst. */
  readonly lastArrivalNs: number
  readonly resumeNs: FleetTimes
  readonly workDoneNs: FleetTimes
  /** Of the restores whose memory is all there in the end; null: none's is. */
  readonly residentNs: FleetTimes | null
  readonly residentRestores: number
  /** Time that a restore's vCPUs stood still in faults. */
  readonly stallNs: FleetTimes
  /** Work done of all restores over that of one alone on such a host and storage; of the medians. */
  readonly slowdown: number
  /** Work done of one restore alone. */
  readonly aloneNs: number
  /** The last work of all was done, from the start of the burst. */
  readonly lastWorkDoneNs: number
  readonly faults: number
  readonly minorFaults: number
  readonly faultLatencyNs: FaultLatency | null
  readonly bytesRead: number
  /** Off the shared storage and local tiers. */
  readonly deviceBytesRead: number
  readonly bytesInstalled: number
}

/** Times by restore; NaN ones are left out; null when there are no others. */
export function fleetTimes(times: Float64Array): FleetTimes | null {
  const sorted = times.filter(ns => !Number.isNaN(ns)).sort()
  if (sorted.length === 0) return null
  // The least time that at least this share of the restores does not exceed.
  const quantile = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]
  return {
    mean: sorted.reduce((sum, ns) => sum + ns, 0) / sorted.length,
    min: sorted[0],
    p50: quantile(0.5),
    p90: quantile(0.9),
    p99: quantile(0.99),
    p999: quantile(0.999),
    max: sorted[sorted.length - 1],
  }
}
