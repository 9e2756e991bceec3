/**
 * Recorded pages first, then a sweep. The working-set file holds the recorded pages that have data, whole host pages one
 * after the other in the order of first use: large sequential reads, scattered installs (REAP, ASPLOS'21). Recorded zero
 * pages need no bytes. With `wait` the VM starts only when the working set is resident, as in REAP; without, it runs at once
 * and the working set races ahead of it.
 */
import { testBit } from '../core/bitmap.ts'
import { LazyRestoreError } from '../core/error.ts'
import { option } from '../core/spec-string.ts'
import { MIB } from '../core/units.ts'
import { blockOfHostPage, type Layout } from '../destination/layout.ts'
import { uffdMechanism } from './mechanisms.ts'
import { FROM_SNAPSHOT, type Plan } from './plan.ts'
import { definePolicy } from './policy.ts'
import { Sweep } from './sweep.ts'

export const workingSet = definePolicy({
  name: 'working-set',
  summary: 'recorded pages first, from a contiguous file, then fill memory in order',
  source: "REAP, ASPLOS'21 (vHive memory/manager); the sweep behind it is ours",
  usesWorkingSet: true,
  options: {
    wait: option('boolean', false, 'the VM starts when the working set is resident'),
    sweep: option('boolean', true, 'fill the rest of memory in the background'),
    direct: option('boolean', false, 'read past the page cache (O_DIRECT)'),
    read: option('bytes', 8 * MIB, 'largest read of the working-set file', 4096),
    handlers: option('count', 1, 'threads that answer faults', 1),
  },
  create: ({ wait, sweep, direct, read, handlers }, { layout, workingSet }, name) => {
    if (workingSet === null) {
      throw new LazyRestoreError('usage', `policy ${name}: found no recorded working set, expected one`)
    }
    const recorded = new RecordedPages(layout, workingSet)
    const rest = new Sweep(layout, MIB)
    return {
      name,
      mechanism: uffdMechanism({
        handlers,
        workers: 1,
        direct,
        workingSetReadBytes: read,
        yieldToFaults: true,
      }),
      begin: plan => {
        if (wait) recorded.next(plan)
      },
      onFault: (page, plan) => plan.add(page, 1),
      next: plan => {
        recorded.next(plan)
        if (plan.length === 0 && sweep) rest.next(plan)
      },
    }
  },
})

/** Hands out the recorded pages in order, each with its place in the working-set file. */
class RecordedPages {
  readonly #layout: Layout
  readonly #pages: Uint32Array
  #cursor = 0
  #fileOffset = 0

  constructor(layout: Layout, pages: Uint32Array) {
    this.#layout = layout
    this.#pages = pages
  }

  /** Fills the plan with the next recorded pages; neighbours in order become one run. */
  next(plan: Plan): void {
    while (this.#cursor < this.#pages.length && !plan.full) {
      const first = this.#pages[this.#cursor]
      const { hostPageSize, endHostPage } = blockOfHostPage(this.#layout, first)
      const data = testBit(this.#layout.hasData, first)
      let count = 1
      while (
        this.#pages[this.#cursor + count] === first + count &&
        first + count < endHostPage &&
        testBit(this.#layout.hasData, first + count) === data
      ) {
        count++
      }
      plan.add(first, count, data ? this.#fileOffset : FROM_SNAPSHOT)
      if (data) this.#fileOffset += count * hostPageSize
      this.#cursor += count
    }
  }
}
