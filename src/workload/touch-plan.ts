/**
 * Who touches which page of a working set: the pages in order of first touch, cut into an equal part for each vCPU, and
 * accesses made from that: first touches, evenly spread, and between them further accesses to pages touched before.
 */
import { LazyRestoreError } from '../core/error.ts'
import { option, type ResolvedOptions } from '../core/spec-string.ts'
import { evenParts } from './columns.ts'
import { pagesOfShare, parseDecimal } from './definition.ts'
import type { WorkloadMemory } from './memory.ts'
import { choosePageRuns } from './page-runs.ts'
import { below, chance, createStream, type RandomStream } from './random-stream.ts'
import { orderPages } from './touch-order.ts'
import { MAX_ACCESSES } from './workload.ts'

/** Options of every workload that has a working set. docs/workloads.md says where the defaults come from. */
export const workingSetOptions = {
  share: option('share', 0.05, 'size of the working set, as a share of the memory'),
  pages: option('count', 0, 'size of the working set in pages; 0: as share says'),
  run: option('text', '4', 'mean pages in a run of neighbours, 1 or more'),
  order: option('text', 'random', 'order in which runs are visited: random or sequential'),
  follow: option('share', 0.12, 'share of the neighbours in a run that are touched directly one after the other'),
  data: option('share', 0.9, 'share of the working set on pages that have data in the snapshot'),
  reuse: option('count', 3, 'further accesses to touched pages for each first touch'),
  locality: option('share', 0.8, 'share of the further accesses that go to pages of the same vCPU'),
}

export interface TouchPlan {
  /** Pages of the working set by first touch. */
  readonly order: Uint32Array
  /** vCPU v's own part is `[starts[v], starts[v + 1])` of `order`. */
  readonly starts: Uint32Array
  readonly locality: number
}

type PlanOptions = ResolvedOptions<typeof workingSetOptions> & { readonly vcpus: number }

export function planTouches(name: string, options: PlanOptions, memory: WorkloadMemory, seed: number): TouchPlan {
  const { order, follow, data, reuse, locality, vcpus } = options
  const pages = options.pages || pagesOfShare(options.share, memory.pageCount)
  if (pages > memory.pageCount) {
    throw new LazyRestoreError(
      'usage',
      `${name}: option pages: found ${pages}, expected at most the memory's ${memory.pageCount} pages`,
    )
  }
  if (pages * (1 + reuse) > MAX_ACCESSES) {
    throw new LazyRestoreError(
      'limit',
      `${name}: found ${pages} pages with ${1 + reuse} accesses each, expected at most ${MAX_ACCESSES} accesses`,
    )
  }
  if (order !== 'random' && order !== 'sequential') {
    throw new LazyRestoreError('usage', `${name}: option order: found "${order}", expected random or sequential`)
  }
  const meanRunPages = parseDecimal(options.run, `${name}: option run`, 1, 2 ** 32)
  const runs = choosePageRuns(memory, { pages, meanRunPages, dataShare: data }, createStream(seed, 'set'))
  const starts = new Uint32Array(vcpus + 1)
  for (const [vcpu, count] of evenParts(pages, vcpus).entries()) starts[vcpu + 1] = starts[vcpu] + count
  return { order: orderPages(runs, order, follow, createStream(seed, 'order')), starts, locality }
}

/** Makes the accesses of one vCPU, segment by segment. */
export class Toucher {
  readonly #plan: TouchPlan
  readonly #vcpu: number
  readonly #stream: RandomStream
  #touched = 0

  constructor(plan: TouchPlan, vcpu: number, seed: number) {
    this.#plan = plan
    this.#vcpu = vcpu
    this.#stream = createStream(seed, 'pages', vcpu)
  }

  /** Pages in the vCPU's own part. */
  get ownPages(): number {
    return this.#plan.starts[this.#vcpu + 1] - this.#plan.starts[this.#vcpu]
  }

  /**
   * Fills `page[from, to)`: `fresh` first touches, spread evenly from the first access on, and further accesses. The very
   * first segment needs at least one fresh page.
   */
  fill(page: Uint32Array, from: number, to: number, fresh: number): void {
    const { order, starts } = this.#plan
    const own = starts[this.#vcpu]
    const accesses = to - from
    let credit = accesses - 1
    for (let i = from; i < to; i++) {
      credit += fresh
      if (credit >= accesses) {
        credit -= accesses
        page[i] = order[own + this.#touched++]
      } else {
        page[i] = this.#again()
      }
    }
  }

  /** A page touched before: one of the vCPU's own, or one that another vCPU has touched at the same progress. */
  #again(): number {
    const { order, starts, locality } = this.#plan
    const vcpus = starts.length - 1
    if (vcpus > 1 && !chance(this.#stream, locality)) {
      const other = (this.#vcpu + 1 + below(this.#stream, vcpus - 1)) % vcpus
      const touched = Math.min(this.#touched, starts[other + 1] - starts[other])
      if (touched > 0) return order[starts[other] + below(this.#stream, touched)]
    }
    return order[starts[this.#vcpu] + below(this.#stream, this.#touched)]
  }
}
