/**
 * CRIU's lazy-pages daemon: one thread that answers faults a page at a time and, while none is there, transfers memory in
 * order, one request under way. A transfer takes what is left of the current run of data, at most a window that starts at
 * 64 KiB, grows by 64 KiB with each transfer up to 4 MiB, and is back at 64 KiB after each fault. Pages that are in no run
 * (zeros) come by ZEROPAGE when they fault; here they are filled in at the end, so that the restore ends.
 *
 * One thread there is a handler and a worker here that starts nothing while a fault waits.
 */
import { nextClearBit, nextSetBit } from '../core/bitmap.ts'
import { option } from '../core/spec-string.ts'
import { KIB, MIB } from '../core/units.ts'
import { blockOfHostPage, type Layout } from '../destination/layout.ts'
import { uffdMechanism } from './mechanisms.ts'
import type { Plan } from './plan.ts'
import { definePolicy } from './policy.ts'
import { type FaultFeed, standaloneHost } from './policy-host.ts'
import { Sweep } from './sweep.ts'

export const criu = definePolicy({
  name: 'criu',
  summary: 'data in order, in a window that grows while no fault comes, as CRIU lazy-pages',
  source: 'CRIU criu/uffd.c: DEFAULT_XFER_LEN 64 KiB, MAX_XFER_LEN 4 MiB, reset by each #PF',
  options: {
    window: option('bytes', 64 * KIB, 'first transfer, growth with each, and what a fault resets to', 4096),
    most: option('bytes', 4 * MIB, 'largest transfer', 4096),
  },
  create: ({ window, most }, { layout }, name) => {
    let { faults } = standaloneHost()
    const transfer = new GrowingTransfer(layout, window, Math.max(window, most))
    const zeros = new Sweep(layout, most)
    return {
      name,
      mechanism: uffdMechanism({
        workers: 1,
        readBytes: Math.max(window, most),
        zeroBytes: most,
        yieldToFaults: true,
      }),
      start: host => {
        faults = host.faults
      },
      onFault: (page, plan) => {
        faults.publish(page)
        plan.add(page, 1)
      },
      next: plan => {
        transfer.next(plan, faults)
        if (plan.length === 0) zeros.next(plan)
      },
    }
  },
})

/** Runs of data in order of address, each transfer in one of them. */
class GrowingTransfer {
  readonly #layout: Layout
  readonly #windowBytes: number
  readonly #mostBytes: number
  #transferBytes: number
  #faultsSeen = 0
  #cursor = 0

  constructor(layout: Layout, windowBytes: number, mostBytes: number) {
    this.#layout = layout
    this.#windowBytes = windowBytes
    this.#mostBytes = mostBytes
    this.#transferBytes = windowBytes
  }

  /** Adds the next transfer; nothing when all data has been walked. */
  next(plan: Plan, faults: FaultFeed): void {
    const { hasData, hostPageCount } = this.#layout
    const { count } = faults
    if (count !== this.#faultsSeen) this.#transferBytes = this.#windowBytes
    this.#faultsSeen = count
    const first = nextSetBit(hasData, this.#cursor, hostPageCount)
    if (first === hostPageCount) return
    const { endHostPage, hostPageSize } = blockOfHostPage(this.#layout, first)
    const pages = Math.max(1, Math.floor(this.#transferBytes / hostPageSize))
    const end = nextClearBit(hasData, first, Math.min(endHostPage, first + pages))
    plan.add(first, end - first)
    this.#cursor = end
    this.#transferBytes = Math.min(this.#transferBytes + this.#windowBytes, this.#mostBytes)
  }
}
