/** How long a handler takes from a message to its answer, for who wants no more than the distribution; and on to a log. */
import { LatencyHistogram } from '../../core/latency-histogram.ts'
import { monotonicNs } from './clock.ts'
import type { FaultObserver } from './handler.ts'

export class FaultMeter implements FaultObserver {
  /** From a message read to its page installed, or to the wake where it was there; not the kernel's part before and after. */
  readonly latency = new LatencyHistogram()
  readonly #log: FaultObserver | null
  /** Of those that have no answer yet, from `#next` on; few, as each has a thread that waits. */
  readonly #askedNs: number[] = []
  #next = 0

  constructor(log: FaultObserver | null) {
    this.#log = log
  }

  asked(hostPage: number, address: number, flags: number): void {
    this.#log?.asked(hostPage, address, flags)
    this.#askedNs.push(monotonicNs())
  }

  answered(): void {
    this.latency.record(Math.max(0, monotonicNs() - this.#askedNs[this.#next++]))
    if (this.#next === this.#askedNs.length) {
      this.#askedNs.length = 0
      this.#next = 0
    }
    this.#log?.answered()
  }
}
