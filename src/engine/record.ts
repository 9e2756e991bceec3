/** Makes the record of a restore out of what an engine measured, the same way for every engine. */
import { type Bitmap, popcount32, setBit, testBit } from '../core/bitmap.ts'
import type { LatencyHistogram } from '../core/latency-histogram.ts'
import { hostPagesOf } from '../destination/layout.ts'
import { OP_COPY, OP_ZERO_COPY, OP_ZEROPAGE } from '../resolver/resolver.ts'
import { distinctPageCount } from '../workload/stats.ts'
import type { RestoreRequest } from './engine.ts'
import type { EngineName, FaultLatency, ResidencyPoint, RestoreResult } from './result.ts'

/** QEMU's postcopy-latency-dist has 24 buckets. */
export const BLOCKTIME_BUCKETS = 24

/** What only the engine knows; `RestoreResult` says what each is. Times from the moment the restore was asked for. */
export interface RestoreMeasures {
  /** The policy's name with its options. */
  readonly policy: string
  readonly resumeNs: number
  readonly firstAccessNs: number | null
  readonly workDoneNs: number
  readonly residentNs: number | null
  /** By vCPU. */
  readonly stallNs: readonly number[]
  readonly faults: number
  readonly minorFaults: number
  /** Host pages, by operation. */
  readonly pagesInstalled: readonly number[]
  readonly eexist: number
  readonly eagain: number
  readonly errors: number
  /** Of the `faults`. */
  readonly latency: LatencyHistogram
  readonly bytesRead: number
  readonly deviceBytesRead: number
  readonly bytesInstalled: number
  readonly residency: readonly ResidencyPoint[]
  /** Host pages that are resident at the end; null where the engine cannot know. */
  readonly resident: Bitmap | null
  /** Those that were faulted on. The record uses the bitmap up. */
  readonly faulted: Bitmap
  /** How long the workload takes on memory that is all there. */
  readonly residentWorkNs: number
}

export function recordOf(engine: EngineName, request: RestoreRequest, measures: RestoreMeasures): RestoreResult {
  const { layout, workload, storage, seed, fixedNs } = request
  const { latency, pagesInstalled, stallNs, bytesRead, resumeNs, workDoneNs, residentWorkNs } = measures
  const bytesTouched = distinctPageCount(workload) * workload.pageSize
  return {
    policy: measures.policy,
    engine,
    seed,
    snapshot: { name: layout.snapshot.name, identity: layout.snapshot.identity, bytes: layout.byteLength },
    workload: { name: workload.name, accesses: workload.page.length, vcpus: workload.vcpus },
    storage: storage.name,
    layout: layout.description,
    fixedNs,
    resumeNs,
    firstAccessNs: measures.firstAccessNs,
    workDoneNs,
    residentNs: measures.residentNs,
    stallNs: { total: stallNs.reduce((sum, ns) => sum + ns, 0), perVcpu: stallNs },
    faults: measures.faults,
    minorFaults: measures.minorFaults,
    copies: pagesInstalled[OP_COPY],
    zeropages: pagesInstalled[OP_ZEROPAGE],
    zeroCopies: pagesInstalled[OP_ZERO_COPY],
    eexist: measures.eexist,
    eagain: measures.eagain,
    errors: measures.errors,
    faultLatencyNs: summariseLatency(latency),
    blocktimeDist: latency.powersOfTwoUs(BLOCKTIME_BUCKETS),
    latencyCdf: latency.cdf(),
    bytesRead,
    deviceBytesRead: measures.deviceBytesRead,
    bytesInstalled: measures.bytesInstalled,
    bytesTouched,
    readAmplification: bytesTouched === 0 ? null : bytesRead / bytesTouched,
    ...prefetchQuality(request, measures),
    residency: measures.residency,
    slowdown: residentWorkNs === 0 ? null : (workDoneNs - resumeNs) / residentWorkNs,
  }
}

export function summariseLatency(latency: LatencyHistogram): FaultLatency | null {
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

/**
 * Of the pages that came without a fault of their own, how many were wanted; of those wanted, how many came so. Adds the pages
 * that were wanted to the faulted ones: a bitmap more would be 32 MiB for 1 TiB, when memory is fullest.
 */
function prefetchQuality(
  { layout, workload }: RestoreRequest,
  { resident, faulted }: RestoreMeasures,
): Pick<RestoreResult, 'prefetchAccuracy' | 'prefetchCoverage'> {
  if (resident === null) return { prefetchAccuracy: null, prefetchCoverage: null }
  let prefetched = 0
  let faultedPages = 0
  for (let word = 0; word < faulted.length; word++) {
    prefetched += popcount32(resident[word] & ~faulted[word])
    faultedPages += popcount32(faulted[word])
  }
  const pages = hostPagesOf(layout, workload.page)
  let spared = 0
  let wanted = 0
  for (let i = 0; i < pages.length; i++) {
    const page = pages[i]
    if (testBit(faulted, page)) continue
    setBit(faulted, page)
    spared++
    if (testBit(resident, page)) wanted++
  }
  const touchedPages = spared + faultedPages
  return {
    prefetchAccuracy: prefetched === 0 ? null : wanted / prefetched,
    prefetchCoverage: touchedPages === 0 ? null : spared / touchedPages,
  }
}
