/**
 * A guest whose working set changes: it works on one for a while, then on another that has part of the pages of the one
 * before, as a program does that goes from reading its input to computing, or a server whose requests change. What a
 * recording of an earlier phase is worth, and whether a policy adapts, shows here.
 */
import { LazyRestoreError } from '../core/error.ts'
import { option } from '../core/spec-string.ts'
import {
  accessOptions,
  allocateColumns,
  checkRequest,
  checkThink,
  drawJitteredNs,
  drawTimesAndWrites,
  evenParts,
  toWorkload,
} from './columns.ts'
import { defineWorkload, pagesOfShare, parseDecimal } from './definition.ts'
import type { WorkloadMemory } from './memory.ts'
import { choosePageRuns } from './page-runs.ts'
import { createPermutation, permute } from './permutation.ts'
import { below, createStream } from './random-stream.ts'
import { ACCESS_IDLE } from './workload.ts'

export const phases = defineWorkload({
  name: 'phases',
  summary: 'a working set that changes from phase to phase, and keeps a part of the one before',
  source:
    'Denning, The Working Set Model (1968), and phase-transition behaviour (Batson and Madison, 1976); figures assumed',
  options: {
    phases: option('count', 4, 'number of phases', 1, 1024),
    share: option('share', 0.05, 'size of the working set of one phase, as a share of the memory'),
    overlap: option('share', 0.5, 'share of it that was in the phase before'),
    accesses: option('count', 100_000, 'accesses in a phase, over all vCPUs', 1),
    run: option('text', '4', 'mean pages in a run of neighbours, 1 or more'),
    data: option('share', 0.9, 'share of the pages that have data in the snapshot'),
    idle: option('durationNs', 0, 'idle time between two phases, on the mean, with the jitter of jitter'),
    ...accessOptions({ think: 2000, jitter: 0.5, write: 0.2, vcpus: 2 }),
  },
  create: (options, memory, seed, name) => {
    checkRequest(name, options, memory)
    checkThink(name, 'idle', options.idle, options.jitter)
    const sets = phaseSets(name, options, memory, seed)
    const perPhase = evenParts(options.accesses, options.vcpus)
    const columns = allocateColumns(
      name,
      perPhase.map(accesses => accesses * options.phases),
      memory,
    )
    drawTimesAndWrites(columns, options, seed)
    for (let vcpu = 0; vcpu < options.vcpus; vcpu++) {
      const pages = createStream(seed, 'pages', vcpu)
      const idle = createStream(seed, 'idle', vcpu)
      let at = columns.starts[vcpu]
      for (const [phase, set] of sets.entries()) {
        if (phase > 0 && options.idle > 0 && perPhase[vcpu] > 0) {
          columns.thinkNs[at] = drawJitteredNs(idle, options.idle, options.jitter)
          columns.flags[at] |= ACCESS_IDLE
        }
        for (let i = 0; i < perPhase[vcpu]; i++) columns.page[at++] = set[below(pages, set.length)]
      }
    }
    return toWorkload(name, memory, seed, columns)
  },
})

interface PhaseOptions {
  readonly phases: number
  readonly share: number
  readonly overlap: number
  readonly run: string
  readonly data: number
}

/**
 * The pages of each phase. All that any phase has are chosen at once; they are cut into runs in a random order, of which each
 * phase has a window that moves on by what is new in it.
 */
function phaseSets(name: string, options: PhaseOptions, memory: WorkloadMemory, seed: number): Uint32Array[] {
  const size = Math.max(1, pagesOfShare(options.share, memory.pageCount))
  const step = Math.max(options.overlap === 1 ? 0 : 1, Math.round(size * (1 - options.overlap)))
  const pages = size + step * (options.phases - 1)
  if (pages > memory.pageCount) {
    const found = `found ${options.phases} phases that have ${pages} pages together`
    throw new LazyRestoreError('usage', `${name}: ${found}, expected at most the memory's ${memory.pageCount}`)
  }
  const meanRunPages = parseDecimal(options.run, `${name}: option run`, 1, 2 ** 32)
  const runs = choosePageRuns(memory, { pages, meanRunPages, dataShare: options.data }, createStream(seed, 'set'))
  const order = createPermutation(runs.first.length, createStream(seed, 'permutation'))
  const all = new Uint32Array(pages)
  for (let i = 0, at = 0; i < runs.first.length; i++) {
    const run = permute(order, i)
    for (let page = 0; page < runs.count[run]; page++) all[at++] = runs.first[run] + page
  }
  return Array.from({ length: options.phases }, (_, phase) => all.subarray(phase * step, phase * step + size))
}
