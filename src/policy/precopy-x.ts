/**
 * Hybrid precopy and postcopy: a share of the data is loaded before the VM runs, in order of address, the rest by faults and
 * in the background. A live migration copies rounds until it is switched to postcopy; of a file, a first part of one round.
 */
import { countBits, nextSetBit } from '../core/bitmap.ts'
import { option } from '../core/spec-string.ts'
import { MIB } from '../core/units.ts'
import { blockOfHostPage, type Layout } from '../destination/layout.ts'
import { directOption, handlersOption, uffdMechanism, yieldOption } from './mechanisms.ts'
import { FILL, type Plan, thatPage } from './plan.ts'
import { definePolicy } from './policy.ts'
import { Sweep } from './sweep.ts'

export const precopyX = definePolicy({
  name: 'precopy-x',
  summary: 'load a share of the data, run the VM, then answer faults and fill in order',
  source: 'QEMU docs/devel/migration/postcopy: precopy switched to postcopy (migrate_start_postcopy)',
  options: {
    share: option('share', 0.5, 'share of the pages with data that is there before the VM runs'),
    sweep: option('boolean', true, 'fill the rest of memory in the background'),
    yield: yieldOption,
    handlers: handlersOption,
    direct: directOption,
  },
  create: ({ share, sweep, yield: yieldToFaults, handlers, direct }, { layout }, name) => {
    const first = new FirstPart(layout, share)
    const rest = new Sweep(layout, MIB)
    return {
      name,
      mechanism: uffdMechanism({ handlers, workers: 1, direct, yieldToFaults }),
      begin: plan => first.next(plan),
      onFault: thatPage,
      next: plan => {
        if (sweep) rest.next(plan)
      },
    }
  },
})

/** All memory from its start up to the page that completes the share of the pages with data. */
class FirstPart {
  readonly #layout: Layout
  #pagesLeft: number
  #cursor = 0

  constructor(layout: Layout, share: number) {
    this.#layout = layout
    this.#pagesLeft = Math.ceil(share * countBits(layout.hasData, 0, layout.hostPageCount))
  }

  /** Adds about a MiB; nothing when the share is complete. */
  next(plan: Plan): void {
    if (this.#pagesLeft === 0) return
    const { hasData } = this.#layout
    const { endHostPage, hostPageSize } = blockOfHostPage(this.#layout, this.#cursor)
    const step = Math.max(1, Math.floor(MIB / hostPageSize))
    let end = Math.min(this.#cursor + step, endHostPage)
    let pages = countBits(hasData, this.#cursor, end - this.#cursor)
    if (pages >= this.#pagesLeft) {
      end = this.#cursor
      for (pages = 0; pages < this.#pagesLeft; pages++) end = nextSetBit(hasData, end, endHostPage) + 1
    }
    plan.add(this.#cursor, end - this.#cursor, FILL)
    this.#pagesLeft -= pages
    this.#cursor = end
  }
}
