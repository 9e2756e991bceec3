/** What can be said of a replay between its calls: the counters of the restore so far, and the maps of its memory. */
import type { Bitmap } from '../core/bitmap.ts'
import { type RestoreMeasures, summariseLatency } from '../engine/record.ts'
import type { RestoreResult } from '../engine/result.ts'
import { OP_COPY, OP_ZERO_COPY, OP_ZEROPAGE } from '../resolver/resolver.ts'

/** Names and meanings as in `RestoreResult`, so far. */
type Counters = Pick<
  RestoreResult,
  | 'stallNs'
  | 'faults'
  | 'minorFaults'
  | 'copies'
  | 'zeropages'
  | 'zeroCopies'
  | 'faultLatencyNs'
  | 'latencyCdf'
  | 'bytesRead'
  | 'deviceBytesRead'
  | 'bytesInstalled'
  | 'residency'
>

export interface ReplayProgress {
  /** The clock. */
  readonly nowNs: number
  /** vCPUs may run; null: not yet. */
  readonly resumeNs: number | null
  /** Accesses that are known, and how many of them are answered. */
  readonly accesses: number
  readonly answered: number
  /** The vCPU whose next access, or end, the clock waits for; null before the first call and when all have ended. */
  readonly heldVcpu: number | null
  /** vCPUs that have ended. */
  readonly ended: readonly number[]
}

export interface ReplayState extends ReplayProgress, Counters {
  readonly residentBytes: number
  /** Bit h: host page h is resident; a vCPU has waited for it. Copies. */
  readonly resident: Bitmap
  readonly faulted: Bitmap
}

export function stateOf(progress: ReplayProgress, measures: RestoreMeasures, residentBytes: number): ReplayState {
  const { stallNs, faults, minorFaults, pagesInstalled, latency } = measures
  const { bytesRead, deviceBytesRead, bytesInstalled, residency, resident, faulted } = measures
  return {
    ...progress,
    stallNs: { total: stallNs.reduce((sum, ns) => sum + ns, 0), perVcpu: stallNs },
    faults,
    minorFaults,
    copies: pagesInstalled[OP_COPY],
    zeropages: pagesInstalled[OP_ZEROPAGE],
    zeroCopies: pagesInstalled[OP_ZERO_COPY],
    faultLatencyNs: summariseLatency(latency),
    latencyCdf: latency.cdf(),
    bytesRead,
    deviceBytesRead,
    bytesInstalled,
    residency,
    residentBytes,
    resident: resident!.slice(),
    faulted,
  }
}
