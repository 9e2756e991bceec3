/** What the service says of a VM: while it is served, and once it is not any more. Plain data, a JSON line each. */
import { countBits } from '../../core/bitmap.ts'
import { LatencyHistogram } from '../../core/latency-histogram.ts'
import type { Layout } from '../../destination/layout.ts'
import type { CarrierOutcome } from '../engine/carrier-thread.ts'
import type { SharedRestore } from '../engine/restore-state.ts'

/** Why a VM is not served any more. */
export type VmEnd =
  /** It has all its memory, which is the kernel's again; it needs nobody. */
  | 'complete'
  /** The VMM has ended. */
  | 'ended'
  /** Its memory could not be served, and it was killed. */
  | 'killed'
  /** Its memory cannot be served any more, and it was left: it may wait for pages for ever. */
  | 'left'

export interface VmStatus {
  readonly vm: number
  /** 0: not known. */
  readonly pid: number
  readonly policy: string
  readonly memoryBytes: number
  readonly hostPages: number
  /** Host pages that were installed, or removed by the VMM (REMOVE), at least once; and those that it waited for. */
  readonly installedPages: number
  readonly removedPages: number
  readonly faultedPages: number
  /** Since the handshake was complete. */
  readonly servedNs: number
}

export interface VmReport extends VmStatus {
  readonly end: VmEnd
  /** The first thing that went wrong; null: nothing did. */
  readonly reason: string | null
  /** From the handshake to the moment at which nothing was left to install; null: there was. */
  readonly residentNs: number | null
  /** Messages of the kernel, and those faults among them that were answered. */
  readonly messages: number
  readonly faults: number
  /** Host pages by how they were installed, those that were removed and asked for again included. */
  readonly copies: number
  readonly zeropages: number
  readonly zeroCopies: number
  readonly bytesRead: number
  readonly bytesInstalled: number
  readonly eexist: number
  readonly eagain: number
  readonly errors: number
  /** From a message read to its answer; null without faults. */
  readonly answerNs: Distribution | null
}

export interface Distribution {
  readonly mean: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

export function pageCounts(
  { hostPageCount }: Layout,
  { installed, removed, faulted }: SharedRestore,
): Pick<VmStatus, 'hostPages' | 'installedPages' | 'removedPages' | 'faultedPages'> {
  return {
    hostPages: hostPageCount,
    installedPages: countBits(installed, 0, hostPageCount),
    removedPages: countBits(removed, 0, hostPageCount),
    faultedPages: countBits(faulted, 0, hostPageCount),
  }
}

export function carrierTotals(
  outcomes: readonly CarrierOutcome[],
): Omit<VmReport, keyof VmStatus | 'end' | 'reason' | 'residentNs'> {
  const sum = (of: (outcome: CarrierOutcome) => number) => outcomes.reduce((total, outcome) => total + of(outcome), 0)
  const latency = new LatencyHistogram()
  for (const { answers } of outcomes) if (answers !== null) latency.merge(answers)
  return {
    messages: sum(({ messages }) => messages),
    faults: latency.count,
    copies: sum(({ pagesInstalled }) => pagesInstalled[0]),
    zeropages: sum(({ pagesInstalled }) => pagesInstalled[1]),
    zeroCopies: sum(({ pagesInstalled }) => pagesInstalled[2]),
    bytesRead: sum(({ bytesRead }) => bytesRead),
    bytesInstalled: sum(({ bytesInstalled }) => bytesInstalled),
    eexist: sum(({ eexist }) => eexist),
    eagain: sum(({ eagain }) => eagain),
    errors: sum(({ errors }) => errors),
    answerNs: latency.count === 0 ? null : distribution(latency),
  }
}

function distribution(latency: LatencyHistogram): Distribution {
  const [p50, p90, p99, p999] = [0.5, 0.9, 0.99, 0.999].map(share => latency.quantile(share))
  return { mean: Math.round(latency.mean), p50, p90, p99, p999, max: Math.round(latency.max) }
}
