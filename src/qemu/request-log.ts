/** The page requests of a restore with their times, an entry for each page that was asked for; in columns that grow. */
import { LatencyHistogram } from '../core/latency-histogram.ts'
import type { Layout } from '../destination/layout.ts'
import { blockOfHostPage } from '../destination/layout.ts'
import type { RecordedFaults } from '../workload/fault-trace.ts'

const FIRST_CAPACITY = 1024

export class RequestLog {
  count = 0
  /** From the arrival of a request to the last byte of its page at the kernel, for those that were not on their way already. */
  readonly latency = new LatencyHistogram()
  #hostPage = new Uint32Array(FIRST_CAPACITY)
  #askedNs = new Float64Array(FIRST_CAPACITY)
  #answeredNs = new Float64Array(FIRST_CAPACITY)

  /** A request came; returns its entry. It counts as answered then until it is said when it was. */
  add(hostPage: number, nowNs: number): number {
    if (this.count === this.#hostPage.length) this.#grow()
    this.#hostPage[this.count] = hostPage
    this.#askedNs[this.count] = nowNs
    this.#answeredNs[this.count] = nowNs
    return this.count++
  }

  askedNs(entry: number): number {
    return this.#askedNs[entry]
  }

  /** The last byte of the page is at the kernel. */
  answer(entry: number, nowNs: number): void {
    this.#answeredNs[entry] = nowNs
    this.latency.record(nowNs - this.#askedNs[entry])
  }

  /** As faults; what came before the VM ran (loading device state touches memory) counts as of that moment. */
  toFaults(layout: Layout, vmRunsNs: number): RecordedFaults {
    const { count } = this
    const sinceRun = (ns: number): number => Math.max(0, ns - vmRunsNs)
    return {
      page: Uint32Array.from(this.#hostPage.subarray(0, count), hostPage => firstTargetPage(layout, hostPage)),
      isWrite: new Uint8Array(count),
      askedNs: this.#askedNs.subarray(0, count).map(sinceRun),
      answeredNs: this.#answeredNs.subarray(0, count).map(sinceRun),
    }
  }

  #grow(): void {
    const grown = <T extends Uint32Array | Float64Array>(into: T, from: T): T => {
      into.set(from)
      return into
    }
    const capacity = 2 * this.count
    this.#hostPage = grown(new Uint32Array(capacity), this.#hostPage)
    this.#askedNs = grown(new Float64Array(capacity), this.#askedNs)
    this.#answeredNs = grown(new Float64Array(capacity), this.#answeredNs)
  }
}

function firstTargetPage(layout: Layout, hostPage: number): number {
  const block = blockOfHostPage(layout, hostPage)
  return block.firstTargetPage + (hostPage - block.firstHostPage) * 2 ** block.pageShift
}
