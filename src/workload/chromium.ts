/**
 * A Chromium clone that starts, as fcvm describes its faults (#742): 56,300 of them, 8.6 % on the page after the one before,
 * half by 300 ms and 98 % by 750 ms. Clones differ a little: of what eight of them touch, 82.2 % is touched by all, and two
 * of them have a Jaccard index of 0.927. That is what pages are for of which each clone has its own choice.
 *
 * With C pages that all clones have and O others of which each takes a share p: A = C + pO pages a clone, a union of eight
 * C + (1 − (1−p)^8) O, common to eight C + p^8 O, and the index (C + p²O) / (C + (2p − p²) O). The three figures give p, O, C.
 */

import { LazyRestoreError } from '../core/error.ts'
import { option } from '../core/spec-string.ts'
import { allocateColumns, checkRequest, drawTimesAndWrites, toWorkload } from './columns.ts'
import { defineWorkload, parseDecimal } from './definition.ts'
import { parseFaultTimes } from './fault-times.ts'
import { choosePageRuns, type PageRuns } from './page-runs.ts'
import { below, createStream, type RandomStream } from './random-stream.ts'
import { orderPages } from './touch-order.ts'

/** Share of the optional pages that a clone takes, and optional pages over those of all clones. */
const TAKEN = 0.77
const OPTIONAL_TO_COMMON = 0.2549

export const chromium = defineWorkload({
  name: 'chromium',
  summary: 'a browser that starts in a clone: many scattered pages within a second',
  source: 'ejc3/fcvm #742; the mean run is that of #955 and #956, another guest',
  options: {
    pages: option('count', 56_300, 'pages that the clone touches, each once'),
    run: option('text', '2.3', 'mean pages in a run of neighbours, 1 or more'),
    sequential: option('share', 0.086, 'share of the pages that are touched right after the page before them'),
    clone: option('count', 0, 'which clone: most pages are the same in all', 0, 2 ** 15),
    data: option('share', 0.9, 'share of the pages that have data in the snapshot'),
    fault: option('durationNs', 5600, 'what a fault took in the clone that was observed; the times are less by it'),
    write: option('share', 0.2, 'share of the pages that are written'),
  },
  create: (options, memory, seed, name) => {
    const { pages, sequential, clone, data, fault, write } = options
    checkRequest(name, { think: 0, jitter: 0, write, vcpus: 1 }, memory)
    const meanRunPages = parseDecimal(options.run, `${name}: option run`, 1, 2 ** 32)
    const linked = 1 - 1 / meanRunPages
    if (sequential > linked) {
      const expected = `at most 1 - 1 / run, ${linked.toFixed(3)}`
      throw new LazyRestoreError('usage', `${name}: option sequential: found ${sequential}, expected ${expected}`)
    }
    const common = Math.min(pages, Math.round(pages / (1 + TAKEN * OPTIONAL_TO_COMMON)))
    const all = common + Math.round((pages - common) / TAKEN)
    if (all > memory.pageCount) {
      const found = `found ${all} pages of all clones`
      throw new LazyRestoreError('usage', `${name}: ${found}, expected at most the memory's ${memory.pageCount}`)
    }
    const runs = choosePageRuns(
      memory,
      { pages: all, meanRunPages, dataShare: data, exactMean: true },
      createStream(seed, 'set'),
    )
    const columns = allocateColumns(name, [pages], memory)
    // Runs, not pages, are optional, so that leaving some out keeps the mean run.
    const taken = takeRuns(runs, all - common, pages - common, seed, clone)
    const follow = linked === 0 ? 0 : Math.min(1, sequential / linked)
    columns.page.set(orderPages(taken, 'random', follow, createStream(seed, 'order', clone)))
    drawTimesAndWrites(columns, { think: 0, jitter: 0, write, vcpus: 1 }, seed)
    const times = parseFaultTimes('chromium')
    let beforeNs = 0
    for (let i = 0; i < pages; i++) {
      const timeNs = times.timeNs(i, pages)
      columns.thinkNs[i] = Math.max(0, timeNs - beforeNs - fault)
      beforeNs = timeNs
    }
    return toWorkload(name, memory, seed, columns)
  },
})

/** All runs but a random choice of as many optional pages as this clone leaves out. */
function takeRuns(runs: PageRuns, optional: number, takes: number, seed: number, clone: number): PageRuns {
  const count = runs.count.slice()
  // The optional pages are those at the head of the runs in a random order, the same for all clones.
  const order = shuffled(count.length, createStream(seed, 'set', 2 ** 15))
  const pool = untilPages(order, runs.count, optional)
  const dropped = shuffled(pool.length, createStream(seed, 'set', 1 + clone))
  let left = optional - takes
  for (const i of dropped) {
    if (left === 0) break
    const run = pool[i]
    const drop = Math.min(left, count[run])
    count[run] -= drop
    left -= drop
  }
  const kept = [...count.keys()].filter(run => count[run] > 0)
  return { first: Uint32Array.from(kept, run => runs.first[run]), count: Uint32Array.from(kept, run => count[run]) }
}

/** The first of `order` that together have at least so many pages. */
function untilPages(order: Uint32Array, count: Uint32Array, pages: number): Uint32Array {
  let sum = 0
  let length = 0
  while (sum < pages && length < order.length) sum += count[order[length++]]
  return order.subarray(0, length)
}

function shuffled(length: number, stream: RandomStream): Uint32Array {
  const order = Uint32Array.from({ length }, (_, i) => i)
  for (let i = length - 1; i > 0; i--) {
    const j = below(stream, i + 1)
    const kept = order[i]
    order[i] = order[j]
    order[j] = kept
  }
  return order
}
