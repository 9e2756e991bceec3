/** Restores a stock QEMU out of a snapshot file and says how it went: the record of one such restore. */
import { LazyRestoreError } from '../core/error.ts'
import type { Spec } from '../core/spec-string.ts'
import type { Layout } from '../destination/layout.ts'
import { summariseLatency } from '../engine/record.ts'
import type { FaultLatency } from '../engine/result.ts'
import { createPolicy } from '../policy/registry.ts'
import type { RecordedFaults } from '../workload/fault-trace.ts'
import type { Address } from './channel.ts'
import { type LargeReads, PageFile } from './page-file.ts'
import type { PageLedger } from './page-ledger.ts'
import { Session } from './session.ts'
import type { Stage } from './stage.ts'

/** Recorded pages that are wanted first. */
export interface RecordedPages {
  /** Host pages in the order of first use. */
  readonly pages: Uint32Array
  /**
   * Reads from those of them that have data, whole host pages one behind the other in the same order, as a working-set file has
   * them; null: each is read from its place in the snapshot.
   */
  readonly readContents: ((offset: number, target: Uint8Array) => Promise<void>) | null
}

export interface RestoreQemuOptions {
  readonly layout: Layout
  readonly policy: Spec
  readonly workingSet: RecordedPages | null
  /** Where the destination listens. */
  readonly address: Address
  /** Requested pages go on a connection of their own; the destination must have the capability postcopy-preempt. */
  readonly preempt?: boolean
  /** The destination is paused in postcopy and was told migrate-recover. */
  readonly resume?: boolean
  /** `fastest` when not given; a policy that reads past the page cache always does. */
  readonly largeReads?: LargeReads
  /** Default 10 s; see {@link QemuRestore}. */
  readonly completeAfterMs?: number
  /** Longest wait for an answer of the destination, and for it to take what is sent; default 60 s. */
  readonly limitMs?: number
  /** Ends the restore at once; its reason must be a LazyRestoreError. */
  readonly signal?: AbortSignal
  readonly onStage?: (stage: Stage) => void
}

/** How a restore went. Times in ns from the moment at which the connection was asked for. */
export interface QemuRestore {
  readonly policy: string
  readonly engine: 'qemu'
  readonly snapshot: { readonly name: string; readonly identity: string; readonly bytes: number }
  readonly layout: string
  readonly preempt: boolean
  /** A paused destination was taken up. */
  readonly resumed: boolean
  /** The destination has loaded its device state and the VM is to run; null when a paused one was taken up. */
  readonly resumeNs: number | null
  /** Everything is handed over. */
  readonly allSentNs: number
  /** The destination has said that its memory is complete. */
  readonly residentNs: number
  /** Pages (host pages) that the destination asked for. */
  readonly requests: number
  /** Of these, pages that were on their way when the request came. */
  readonly requestsForSentPages: number
  /** Target pages. */
  readonly pages: {
    readonly data: number
    readonly zero: number
    /** Zero pages that nobody asked for and no policy wanted: memory that was never sent reads as zeros. */
    readonly zeroLeftOut: number
  }
  readonly bytesRead: number
  readonly bytesSent: number
  /** From the arrival of a request to the last byte of its page at the kernel; null when there was none to answer. */
  readonly requestLatencyNs: FaultLatency | null
  /**
   * Host pages that were sent before anybody asked, and the share of them that was asked for all the same while it was on its
   * way: the least that was of use. How many of the others were used only the guest knows.
   */
  readonly prefetched: number
  readonly prefetchAccuracyAtLeast: number | null
  /** What did not go as asked for, and did no harm. */
  readonly notes: readonly string[]
}

const COMPLETE_AFTER_MS = 10_000
const LIMIT_MS = 60_000

/** A restore's record, and what it was made of. */
export interface QemuRestored {
  readonly record: QemuRestore
  /** The requests. */
  readonly faults: RecordedFaults
  readonly ledger: PageLedger
  /** When it began, in ns of performance.now. */
  readonly startNs: number
}

/**
 * @throws LazyRestoreError `usage` for a policy that cannot be; `unsupported` for a snapshot that QEMU did not write; `io` or
 *   `limit` with the state of the VM and what to do about it when the restore fails
 */
export async function restoreQemu(options: RestoreQemuOptions): Promise<QemuRestored> {
  const { layout, workingSet, address, preempt = false, resume = false } = options
  const { snapshot } = layout
  const policy = createPolicy(options.policy, { layout, workingSet: workingSet?.pages ?? null })
  if (policy.mechanism.install === 'map') {
    const expected = 'expected one that sends pages: a destination cannot map this file'
    throw new LazyRestoreError('usage', `policy: found ${policy.name}, ${expected}`)
  }
  const file = new PageFile(snapshot.name, policy.mechanism.direct ? 'direct' : (options.largeReads ?? 'fastest'))
  try {
    const readContents = workingSet?.readContents ?? null
    let workingSetBytes = 0
    const notes: string[] = []
    const session = new Session({
      layout,
      policy,
      address,
      preempt,
      resume,
      file,
      readWorkingSet:
        readContents === null
          ? null
          : (offset, target, at, length) => {
              workingSetBytes += length
              return readContents(offset, target.subarray(at, at + length))
            },
      onWorkingSetError: error => {
        if (notes.length === 0) notes.push(`${(error as Error).message}; those pages were read from the snapshot.`)
      },
      completeAfterMs: options.completeAfterMs ?? COMPLETE_AFTER_MS,
      limitMs: options.limitMs ?? LIMIT_MS,
      signal: options.signal ?? null,
      onStage: options.onStage ?? null,
    })
    await session.run()
    const { ledger } = session.memory
    const { resumeNs, allSentNs, completeNs } = session.times
    const targetPages = layout.targetPageCount
    const record: QemuRestore = {
      policy: policy.name,
      engine: 'qemu',
      snapshot: { name: snapshot.name, identity: snapshot.identity, bytes: layout.byteLength },
      layout: layout.description,
      preempt,
      resumed: resume,
      resumeNs,
      allSentNs,
      residentNs: completeNs,
      requests: ledger.log.count,
      requestsForSentPages: ledger.askedAfterSent,
      pages: {
        data: ledger.dataPages,
        zero: ledger.zeroPages,
        zeroLeftOut: targetPages - ledger.dataPages - ledger.zeroPages - ledger.receivedPages,
      },
      bytesRead: file.bytesRead + workingSetBytes,
      bytesSent: session.bytesSent,
      requestLatencyNs: summariseLatency(ledger.log.latency),
      prefetched: ledger.sentUnasked,
      prefetchAccuracyAtLeast: ledger.sentUnasked === 0 ? null : ledger.askedAfterSent / ledger.sentUnasked,
      notes,
    }
    const { startNs } = session
    return { record, faults: ledger.log.toFaults(layout, startNs + (resumeNs ?? 0)), ledger, startNs }
  } finally {
    await file.close()
  }
}
