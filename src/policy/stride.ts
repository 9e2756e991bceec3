/**
 * Demand with stride prefetch: three faults at equal distances are a stream, and the pages that it will want next come along
 * with the fault, twice as many each time that the stream goes on where they ended. Several streams may run at once, as
 * vCPUs and threads of the guest mix their faults; a stream forgotten is found again by its next three.
 */
import { option } from '../core/spec-string.ts'
import { blockOfHostPage, type Layout } from '../destination/layout.ts'
import { directOption, handlersOption, uffdMechanism } from './mechanisms.ts'
import type { Plan } from './plan.ts'
import { definePolicy } from './policy.ts'

/** Faults that belong to no stream yet, and streams: as many as are looked through for each fault. */
const RECENT_FAULTS = 16
const STREAMS = 16
const FIRST_DEPTH = 2

interface Stream {
  /** Where its next fault is expected. */
  next: number
  readonly stride: number
  /** Pages that come along with that. */
  depth: number
}

export const stride = definePolicy({
  name: 'stride',
  summary: 'answer a fault with the pages that its stride says come next',
  source:
    "Leap (Al Maruf and Chowdhury, ATC'20) prefetches remote memory by stride; the detection here is by equal gaps",
  options: {
    depth: option('count', 32, 'most pages that come along with a fault', 1, 512),
    reach: option('count', 512, 'largest stride, in host pages', 1, 2 ** 20),
    handlers: handlersOption,
    direct: directOption,
  },
  create: ({ depth, reach, handlers, direct }, { layout }, name) => {
    const streams = new StrideDetector(depth, reach)
    return {
      name,
      mechanism: uffdMechanism({ handlers, direct }),
      onFault: (page, plan) => {
        const stream = streams.fault(page)
        if (stream === null) plan.add(page, 1)
        else addAhead(plan, layout, page, stream)
      },
    }
  },
})

class StrideDetector {
  readonly #mostDepth: number
  readonly #reach: number
  /** Latest last. */
  readonly #recent: number[] = []
  readonly #streams: Stream[] = []

  constructor(mostDepth: number, reach: number) {
    this.#mostDepth = mostDepth
    this.#reach = reach
  }

  /** The stream that this fault belongs to, `next` already behind what is to come along; null when to none. */
  fault(page: number): Stream | null {
    const stream = this.#goesOn(page) ?? this.#begins(page)
    if (stream === null) remember(this.#recent, page, RECENT_FAULTS)
    else stream.next = page + (stream.depth + 1) * stream.stride
    return stream
  }

  #goesOn(page: number): Stream | null {
    const stream = this.#streams.find(({ next }) => next === page)
    if (stream === undefined) return null
    stream.depth = Math.min(2 * stream.depth, this.#mostDepth)
    return stream
  }

  /** Two earlier faults, one stride and two strides before; of several pairs that with the latest fault. */
  #begins(page: number): Stream | null {
    for (let i = this.#recent.length - 1; i > 0; i--) {
      const gap = page - this.#recent[i]
      if (gap === 0 || Math.abs(gap) > this.#reach) continue
      const earlier = this.#recent.lastIndexOf(this.#recent[i] - gap, i - 1)
      if (earlier < 0) continue
      this.#recent.splice(i, 1)
      this.#recent.splice(earlier, 1)
      const stream = { next: page, stride: gap, depth: Math.min(FIRST_DEPTH, this.#mostDepth) }
      remember(this.#streams, stream, STREAMS)
      return stream
    }
    return null
  }
}

/** Adds at the end, and drops the oldest one when there are too many. */
function remember<T>(list: T[], item: T, most: number): void {
  if (list.length === most) list.shift()
  list.push(item)
}

/** The page, then those ahead of it, as far as its block goes: neighbours as one run. */
function addAhead(plan: Plan, layout: Layout, page: number, { stride, depth }: Stream): void {
  const { firstHostPage, endHostPage } = blockOfHostPage(layout, page)
  if (stride === 1) return plan.add(page, Math.min(depth + 1, endHostPage - page))
  plan.add(page, 1)
  if (stride === -1) {
    const first = Math.max(page - depth, firstHostPage)
    if (first < page) plan.add(first, page - first)
    return
  }
  for (let i = 1; i <= depth && !plan.full; i++) {
    const ahead = page + i * stride
    if (ahead < firstHostPage || ahead >= endHostPage) return
    plan.add(ahead, 1)
  }
}
