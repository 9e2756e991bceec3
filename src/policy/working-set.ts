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
import { handlersOption, uffdMechanism } from './mechanisms.ts'
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
    read: option('bytes', MIB, 'largest read of the working-set file', 4096),
    yield: option('boolean', false, 'the worker starts nothing while a fault waits'),
    handlers: handlersOption,
  },
  create: ({ wait, sweep, direct, read, yield: yieldToFaults, handlers }, { layout, workingSet }, name) => {
    if (workingSet === null) {
      throw new LazyRestoreError('usage', `policy ${name}: found no recorded working set, expected one`)
    }
    const recorded = new RecordedPages(layout, workingSet, read)
    const rest = new Sweep(layout, MIB)
    return {
      name,
      mechanism: uffdMechanism({
        handlers,
        workers: 1,
        direct,
        workingSetReadBytes: read,
        yieldToFaults,
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

/**
 * Hands out the recorded pages, each with its place in the working-set file. A plan covers a stretch of the recording: first
 * its zero pages, which cost no read, then its data, so that the data's bytes lie side by side and come with large reads.
 */
class RecordedPages {
  readonly #layout: Layout
  readonly #pages: Uint32Array
  readonly #readBytes: number
  #cursor = 0
  #fileOffset = 0

  constructor(layout: Layout, pages: Uint32Array, readBytes: number) {
    this.#layout = layout
    this.#pages = pages
    this.#readBytes = readBytes
  }

  /** Fills the plan with the next stretch; neighbours in order become one run. */
  next(plan: Plan): void {
    const dataRuns: number[] = []
    for (let runs = 0; this.#cursor < this.#pages.length && runs < plan.capacity; runs++) {
      const at = this.#cursor
      this.#cursor += this.#runLength(at)
      if (this.#hasData(at)) dataRuns.push(at)
      else plan.add(this.#pages[at], this.#cursor - at, FROM_SNAPSHOT)
    }
    for (const at of dataRuns) {
      const count = this.#runLength(at)
      plan.add(this.#pages[at], count, this.#fileOffset)
      this.#fileOffset += count * blockOfHostPage(this.#layout, this.#pages[at]).hostPageSize
    }
  }

  #hasData(at: number): boolean {
    return testBit(this.#layout.hasData, this.#pages[at])
  }

  /** Pages from `at` on that follow each other in memory too, in one block and of one content; at most what one read brings. */
  #runLength(at: number): number {
    const first = this.#pages[at]
    const { endHostPage, hostPageSize } = blockOfHostPage(this.#layout, first)
    const end = Math.min(endHostPage, first + Math.max(1, Math.floor(this.#readBytes / hostPageSize)))
    const data = this.#hasData(at)
    let count = 1
    while (this.#pages[at + count] === first + count && first + count < end && this.#hasData(at + count) === data) {
      count++
    }
    return count
  }
}
