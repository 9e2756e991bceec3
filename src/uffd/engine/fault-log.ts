/**
 * What a handler was asked for, and when: columns of fixed length, filled in the order of messages, which is the order of its
 * answers. Only a restore that is recorded has one; `mergeFaults` makes the logs of all handlers one.
 */
import { blockOfHostPage } from '../../destination/layout.ts'
import type { RecordedFaults } from '../../workload/fault-trace.ts'
import { UFFD_PAGEFAULT_FLAG_WRITE } from '../constants.ts'
import type { AddressMap } from './address-map.ts'
import { monotonicNs } from './clock.ts'
import type { FaultObserver } from './handler.ts'

/** The faults that a handler has answered, in that order; times are CLOCK_MONOTONIC. */
export interface HandlerFaults extends RecordedFaults {
  /** Faults that there was no room for. */
  readonly lost: number
}

export class FaultLog implements FaultObserver {
  readonly #map: AddressMap
  readonly #page: Uint32Array
  readonly #isWrite: Uint8Array
  readonly #askedNs: Float64Array
  readonly #answeredNs: Float64Array
  #asked = 0
  #answered = 0
  #lost = 0

  constructor(map: AddressMap, capacity: number) {
    this.#map = map
    this.#page = new Uint32Array(capacity)
    this.#isWrite = new Uint8Array(capacity)
    this.#askedNs = new Float64Array(capacity)
    this.#answeredNs = new Float64Array(capacity)
  }

  asked(hostPage: number, address: number, flags: number): void {
    if (this.#asked === this.#page.length) {
      this.#lost++
      return
    }
    const { block, index, firstTargetPage } = blockOfHostPage(this.#map.layout, hostPage)
    const page = Math.floor((address - this.#map.blockAddress[index]) / block.pageSize)
    this.#page[this.#asked] = firstTargetPage + Math.min(page, block.pageCount - 1)
    this.#isWrite[this.#asked] = (flags & UFFD_PAGEFAULT_FLAG_WRITE) === 0 ? 0 : 1
    this.#askedNs[this.#asked] = monotonicNs()
    this.#asked++
  }

  answered(): void {
    if (this.#answered < this.#asked) this.#answeredNs[this.#answered++] = monotonicNs()
  }

  get faults(): HandlerFaults {
    return {
      page: this.#page.slice(0, this.#answered),
      isWrite: this.#isWrite.slice(0, this.#answered),
      askedNs: this.#askedNs.slice(0, this.#answered),
      answeredNs: this.#answeredNs.slice(0, this.#answered),
      lost: this.#lost,
    }
  }
}

/** The faults of all handlers by the time of their answers. @param originNs what their times are to count from */
export function mergeFaults(handlers: readonly HandlerFaults[], originNs: number): RecordedFaults {
  const count = handlers.reduce((sum, { page }) => sum + page.length, 0)
  const merged = {
    page: new Uint32Array(count),
    isWrite: new Uint8Array(count),
    askedNs: new Float64Array(count),
    answeredNs: new Float64Array(count),
  }
  const cursor = handlers.map(() => 0)
  const nextNs = (handler: number): number => handlers[handler].answeredNs[cursor[handler]] ?? Number.POSITIVE_INFINITY
  for (let i = 0; i < count; i++) {
    let next = 0
    for (let handler = 1; handler < handlers.length; handler++) if (nextNs(handler) < nextNs(next)) next = handler
    const { page, isWrite, askedNs, answeredNs } = handlers[next]
    const from = cursor[next]++
    merged.page[i] = page[from]
    merged.isWrite[i] = isWrite[from]
    merged.askedNs[i] = askedNs[from] - originNs
    merged.answeredNs[i] = answeredNs[from] - originNs
  }
  return merged
}
