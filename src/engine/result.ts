/**
 * The record of one restore: the same keys from every engine, in `--json`, over HTTP and in the store. All times count
 * from the moment at which the restore was asked for.
 */

export type EngineName = 'sim' | 'uffd' | 'kvm' | 'qemu'

export interface FaultLatency {
  readonly mean: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

/** One point of the residency curve: bytes resident at `timeNs`. */
export interface ResidencyPoint {
  readonly timeNs: number
  readonly bytes: number
}

export interface RestoreResult {
  /** The policy as resolved: name and every option that is not at its default. */
  readonly policy: string
  readonly engine: EngineName
  readonly seed: number
  readonly snapshot: { readonly name: string; readonly identity: string; readonly bytes: number }
  readonly workload: { readonly name: string; readonly accesses: number; readonly vcpus: number }
  readonly storage: string
  /** Host page size and kind of every block, `anon 4 KiB` when all are alike. */
  readonly layout: string
  /** The part of `resumeNs` that no policy changes (device state and the like); a parameter. */
  readonly fixedNs: number
  /** vCPUs may run. */
  readonly resumeNs: number
  /** The first guest access is done; null for a workload without accesses. */
  readonly firstAccessNs: number | null
  /** The workload's last access is done. */
  readonly workDoneNs: number
  /** All memory is resident, or needs no restore any more; null if that never happens. */
  readonly residentNs: number | null
  /** Time that vCPUs stood still in faults. */
  readonly stallNs: { readonly total: number; readonly perVcpu: readonly number[] }
  /** Faults that a handler was told of (userfaultfd messages; for `mmap`, faults that had to wait for the disk). */
  readonly faults: number
  /** Faults that the kernel resolved alone: zero-fill, copy on write, page cache. */
  readonly minorFaults: number
  /** Host pages installed by each operation. */
  readonly copies: number
  readonly zeropages: number
  readonly zeroCopies: number
  readonly eexist: number
  readonly eagain: number
  readonly errors: number
  /** From the access to the vCPU running again, over all `faults`; null when there were none. */
  readonly faultLatencyNs: FaultLatency | null
  /** Bucket N counts faults resolved in [2^N, 2^(N+1)) µs, as QEMU >= 10.1's postcopy-latency-dist; 24 buckets. */
  readonly blocktimeDist: readonly number[]
  /** Latency quantiles for a figure: `latencyCdf[i]` = [ns, share of faults at or below]. */
  readonly latencyCdf: readonly (readonly [number, number])[]
  /** Bytes that came from the snapshot (and working-set) file, device and page cache alike. */
  readonly bytesRead: number
  /** Of these, bytes that the storage device delivered, readahead included. */
  readonly deviceBytesRead: number
  readonly bytesInstalled: number
  /** Distinct target pages that the workload touches, in bytes: the least that any policy must make resident. */
  readonly bytesTouched: number
  /** bytesRead / bytesTouched; null when nothing was touched. */
  readonly readAmplification: number | null
  /** Share of the prefetched host pages that the workload touches; null when none was prefetched. */
  readonly prefetchAccuracy: number | null
  /** Share of the touched host pages that were there without a fault of their own; null when none was touched. */
  readonly prefetchCoverage: number | null
  readonly residency: readonly ResidencyPoint[]
  /** Time from resume to work done, over the time that the same workload takes on resident memory. */
  readonly slowdown: number | null
}
