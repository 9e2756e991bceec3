/**
 * The faults of a real restore as a workload: what a recording is, to take a working set from or to replay. A fault says
 * which page was wanted and when, not by which vCPU, nor what happened on pages that were there: the trace has one vCPU, and
 * each page once. docs/workloads.md says what its times are.
 */
import type { WorkloadMemory } from './memory.ts'
import { ACCESS_WRITE, MAX_THINK_NS, type Workload } from './workload.ts'

/** Faults in the order in which handlers answered them, an entry each; times in ns from the moment at which vCPUs could run. */
export interface RecordedFaults {
  /** Target page, dense over all blocks; the first one of the host page where the kernel tells no more. */
  readonly page: Uint32Array
  /** 1: the fault was one of a write. */
  readonly isWrite: Uint8Array
  /** A handler had read the message. */
  readonly askedNs: Float64Array
  /** The handler was done with it, and went on to the next one. */
  readonly answeredNs: Float64Array
}

/** One access for each page that was asked for: the first of its faults that was answered. */
export function faultTrace(
  faults: RecordedFaults,
  { pageCount, pageSize, snapshotIdentity }: WorkloadMemory,
  name: string,
  seed: number | null,
): Workload {
  const first = firstOfEachPage(faults.page)
  const page = Uint32Array.from(first, i => faults.page[i])
  const flags = Uint8Array.from(first, i => (faults.isWrite[i] === 1 ? ACCESS_WRITE : 0))
  const thinkNs = Uint32Array.from(first, i => {
    const answeredBeforeNs = i === 0 ? 0 : faults.answeredNs[i - 1]
    return Math.min(MAX_THINK_NS, Math.max(0, Math.round(faults.askedNs[i] - answeredBeforeNs)))
  })
  const starts = Uint32Array.of(0, page.length)
  return { name, seed, snapshotIdentity, pageCount, pageSize, vcpus: 1, starts, page, thinkNs, flags }
}

function firstOfEachPage(pages: Uint32Array): number[] {
  const seen = new Set<number>()
  const first: number[] = []
  for (const [i, page] of pages.entries()) {
    if (seen.has(page)) continue
    seen.add(page)
    first.push(i)
  }
  return first
}
