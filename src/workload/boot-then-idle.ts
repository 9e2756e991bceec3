/**
 * A service that wakes up and then waits for requests: a burst in which most of the working set is touched, and after it
 * idle periods, each ended by a small burst that brings a few more pages. It shows what a background fill is worth: the
 * idle time is free for it, and each late page that it has not brought stalls a request.
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
  toWorkload,
} from './columns.ts'
import { defineWorkload } from './definition.ts'
import { createStream } from './random-stream.ts'
import { planTouches, Toucher, workingSetOptions } from './touch-plan.ts'
import { ACCESS_IDLE, MAX_ACCESSES } from './workload.ts'

/** A stretch of accesses without idle time inside. */
interface Segment {
  readonly accesses: number
  /** First touches among them. */
  readonly fresh: number
  /** The first access comes after idle time. */
  readonly idleBefore: boolean
}

interface SegmentOptions {
  readonly boot: number
  readonly bursts: number
  readonly burst: number
  readonly reuse: number
}

export const bootThenIdle = defineWorkload({
  name: 'boot-then-idle',
  summary: 'a burst over most of the working set, then idle periods that end in small bursts',
  source:
    'fcvm #742: 98 % of the faults in the first 750 ms; REAP, Fig. 5: 0.1 to 24 % of the pages are of one invocation alone',
  options: {
    ...workingSetOptions,
    boot: option('share', 0.9, 'share of the working set that the first burst touches'),
    bursts: option('count', 20, 'bursts after the first', 1),
    burst: option('count', 500, 'accesses of a vCPU in each later burst; more if it has more new pages', 1),
    idle: option('durationNs', 50_000_000, 'idle time before each later burst, on the mean'),
    ...accessOptions({ think: 2000, jitter: 0.5, write: 0.2, vcpus: 2 }),
  },
  create: (options, memory, seed, name) => {
    checkRequest(name, options, memory)
    checkThink(name, 'idle', options.idle, options.jitter)
    const least = options.vcpus * options.bursts * options.burst
    const { maxAccesses = MAX_ACCESSES } = memory
    if (least > maxAccesses) {
      throw new LazyRestoreError('limit', `${name}: found ${least} accesses in bursts, expected at most ${maxAccesses}`)
    }
    const plan = planTouches(name, options, memory, seed)
    const touchers = Array.from({ length: options.vcpus }, (_, vcpu) => new Toucher(plan, vcpu, seed))
    const columns = allocateColumns(
      name,
      touchers.map(({ ownPages }) => countAccesses(ownPages, options)),
      memory,
    )
    drawTimesAndWrites(columns, options, seed)
    for (const [vcpu, toucher] of touchers.entries()) {
      const idle = createStream(seed, 'idle', vcpu)
      let from = columns.starts[vcpu]
      for (const { accesses, fresh, idleBefore } of segments(toucher.ownPages, options)) {
        toucher.fill(columns.page, from, from + accesses, fresh)
        if (idleBefore) {
          columns.thinkNs[from] = drawJitteredNs(idle, options.idle, options.jitter)
          columns.flags[from] |= ACCESS_IDLE
        }
        from += accesses
      }
    }
    return toWorkload(name, memory, seed, columns)
  },
})

/** The first burst and those after it, for a vCPU with so many pages of its own; a vCPU without pages has none. */
function* segments(ownPages: number, { boot, bursts, burst, reuse }: SegmentOptions): Generator<Segment> {
  if (ownPages === 0) return
  const booted = Math.round(ownPages * boot)
  const late = ownPages - booted
  yield { accesses: booted * (1 + reuse), fresh: booted, idleBefore: false }
  let before = 0
  for (let i = 1; i <= bursts; i++) {
    const until = Math.ceil((i * late) / bursts)
    yield { accesses: Math.max(burst, until - before), fresh: until - before, idleBefore: true }
    before = until
  }
}

function countAccesses(ownPages: number, options: SegmentOptions): number {
  let total = 0
  for (const { accesses } of segments(ownPages, options)) total += accesses
  return total
}
