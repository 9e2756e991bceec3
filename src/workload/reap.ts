/**
 * The ten functions of the REAP paper, as far as it describes them: how many pages an invocation touches, in runs of which
 * mean length, how many of them are the same in every invocation and how many are this one's alone, over how much booted
 * memory they lie, and how long the function computes on resident memory. Where exactly pages lie and in which order they
 * are touched it does not say: runs lie at random places of the booted memory and are visited as `working-set` does.
 */
import { clearBit, countBits, createBitmap, nextSetBit, setBits, testBit } from '../core/bitmap.ts'
import { LazyRestoreError } from '../core/error.ts'
import { option } from '../core/spec-string.ts'
import { MIB } from '../core/units.ts'
import { allocateColumns, checkRequest, drawTimesAndWrites, toWorkload } from './columns.ts'
import { defineWorkload } from './definition.ts'
import type { WorkloadMemory } from './memory.ts'
import { choosePageRuns, type PageRuns } from './page-runs.ts'
import { createStream } from './random-stream.ts'
import { REAP_FUNCTIONS, type ReapFunction } from './reap-functions.ts'
import { orderPages } from './touch-order.ts'

/** Of neighbours in a run, as in `working-set`; the paper has no figure. */
const FOLLOW = 0.12
/** REAP's guests have 256 MB. */
const GUEST_BYTES = 256 * MIB

export const reapFunctions = defineWorkload({
  name: 'reap-function',
  summary: 'an invocation of one of the ten functions of the REAP paper',
  source: "Ustiugov et al., ASPLOS'21: Fig. 3 (contiguity), Fig. 4 (booted memory), Fig. 5 (pages), Fig. 8 (warm)",
  options: {
    function: option('text', 'helloworld', `one of ${REAP_FUNCTIONS.map(({ name }) => name).join(', ')}`),
    invocation: option('count', 0, 'which one: the same pages in all, and others in each', 0, 2 ** 15),
    share: option(
      'share',
      0,
      "share of the memory over which the pages lie; 0: the function's booted memory of 256 MiB",
    ),
    think: option(
      'durationNs',
      0,
      "computation before each page, on the mean; 0: the function's warm time over its pages",
    ),
    jitter: option('share', 0.5, 'think times are uniform in think ± this share of it'),
    write: option('share', 0.2, 'share of the pages that are written'),
  },
  create: (options, memory, seed, name) => {
    const which = REAP_FUNCTIONS.find(({ name: known }) => known === options.function)
    if (which === undefined) {
      const known = REAP_FUNCTIONS.map(one => one.name).join(', ')
      throw new LazyRestoreError(
        'usage',
        `${name}: option function: found "${options.function}", expected one of ${known}`,
      )
    }
    const pages = which.samePages + which.uniquePages
    const think = options.think || Math.round((which.warmMs * 1e6) / pages)
    const times = { think, jitter: options.jitter, write: options.write, vcpus: 1 }
    checkRequest(name, times, memory)
    const booted = bootedMemory(memory, options.share || (which.bootedMb * 1e6) / GUEST_BYTES, pages, name)
    const columns = allocateColumns(name, [pages], memory)
    const runs = invocationRuns(which, booted, options.invocation, seed)
    columns.page.set(orderPages(runs, 'random', FOLLOW, createStream(seed, 'order')))
    drawTimesAndWrites(columns, times, seed)
    return toWorkload(name, memory, seed, columns)
  },
})

/** The first pages that have data, as many as were booted; pages without data only where the snapshot has too few others. */
function bootedMemory(memory: WorkloadMemory, share: number, pages: number, name: string): WorkloadMemory {
  const { pageCount } = memory
  const wanted = Math.min(pageCount, Math.round(share * pageCount))
  if (wanted < pages) {
    throw new LazyRestoreError(
      'usage',
      `${name}: found room for ${wanted} pages, expected at least the function's ${pages}`,
    )
  }
  const present = createBitmap(pageCount)
  if (memory.present === null) setBits(present, 0, wanted)
  else {
    let left = wanted
    for (let page = 0; left > 0 && page < pageCount; page++, left--) {
      page = nextSetBit(memory.present, page, pageCount)
      if (page < pageCount) setBits(present, page, 1)
    }
  }
  return { ...memory, present }
}

/** The runs that all invocations have, and behind them those of this one alone, none next to the others. */
function invocationRuns(which: ReapFunction, booted: WorkloadMemory, invocation: number, seed: number): PageRuns {
  const meanRunPages = which.contiguity
  const request = { meanRunPages, dataShare: 1, exactMean: true }
  const same = choosePageRuns(booted, { ...request, pages: which.samePages }, createStream(seed, 'set'))
  const left = { ...booted, present: without(booted, same, which.uniquePages) }
  const unique = choosePageRuns(
    left,
    { ...request, pages: which.uniquePages },
    createStream(seed, 'set', 1 + invocation),
  )
  return joined(same, unique)
}

/** The memory's data pages less the runs and the pages beside them; beside them only while `atLeast` are left. */
function without({ present, pageCount }: WorkloadMemory, { first, count }: PageRuns, atLeast: number) {
  const left = present!.slice()
  for (let run = 0; run < first.length; run++) {
    for (let page = first[run]; page < first[run] + count[run]; page++) clearBit(left, page)
  }
  let spare = countBits(left, 0, pageCount) - atLeast
  for (let run = 0; run < first.length; run++) {
    for (const page of [first[run] - 1, first[run] + count[run]]) {
      if (spare <= 0 || page < 0 || page >= pageCount || !testBit(left, page)) continue
      clearBit(left, page)
      spare--
    }
  }
  return left
}

function joined(a: PageRuns, b: PageRuns): PageRuns {
  return { first: concatenated(a.first, b.first), count: concatenated(a.count, b.count) }
}

function concatenated(a: Uint32Array, b: Uint32Array): Uint32Array {
  const both = new Uint32Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}
