/**
 * Ours: nothing recorded, nothing to choose. It answers a fault with a window, and fills memory from the last fault on, and
 * sets the size of both by what it sees.
 *
 * *Window.* The aligned neighbours of the page's kind (as `fault-around`), 64 KiB to begin with. How long answers take over
 * how many pages they brought gives a line: what a fault costs at least, and what each page more does. How often a fault is
 * next to a recent window tells how often a larger one would have spared it. Twice the window is worth it while
 * (that share) × (cost of a fault) exceeds (pages more) × (cost of a page); half of it is enough when the same, for a share
 * that grows towards smaller windows as in geometric runs (its square root), does not hold any more.
 *
 * *Fill.* As `follow-sweep`. While faults come, a chunk takes about `pause` by the clock, as a fault may have to wait for one
 * that is under way; after `quiet` without faults chunks double up to 4 MiB.
 */
import { option } from '../core/spec-string.ts'
import { KIB, MIB } from '../core/units.ts'
import { blockOfHostPage, type Layout } from '../destination/layout.ts'
import { JumpingSweep } from './jumping-sweep.ts'
import { likeRun } from './like-run.ts'
import { FadingLine } from './line-fit.ts'
import { directOption, handlersOption, MAX_THREADS, uffdMechanism } from './mechanisms.ts'
import type { Plan } from './plan.ts'
import { definePolicy } from './policy.ts'
import { type PolicyHost, standaloneHost } from './policy-host.ts'

const FIRST_WINDOW = 64 * KIB
const LEAST_CHUNK = 64 * KIB
const MOST_CHUNK = 4 * MIB
/** Faults that costs and shares are taken over, and that a window is kept for. */
const MEMORY = 64
const SETTLE = 16
/** One fault in so many gets a quarter of the window: answers that all bring as much tell nothing of what a page costs. */
const PROBE_EVERY = 8
const RECENT_WINDOWS = 32

export const adaptive = definePolicy({
  name: 'adaptive',
  summary: 'answer a fault with a window, and fill from there on, both sized by what is seen',
  source: "ours; after Linux readahead's growing windows and CRIU's",
  options: {
    most: option('bytes', MIB, 'largest window around a fault', 4096),
    pause: option('durationNs', 500_000, 'what a chunk of the fill takes while faults come'),
    quiet: option('durationNs', 5_000_000, 'time without a fault after which chunks grow'),
    yield: option('boolean', false, 'workers start nothing while a fault waits'),
    workers: option('count', 4, 'threads that fill', 1, MAX_THREADS),
    handlers: handlersOption,
    direct: directOption,
  },
  create: ({ most, pause, quiet, yield: yieldToFaults, workers, handlers, direct }, { layout }, name) => {
    let host = standaloneHost()
    const window = new AdaptiveWindow(layout, most)
    const fill = new AdaptiveFill(layout, pause, quiet)
    return {
      name,
      mechanism: uffdMechanism({
        handlers,
        workers,
        direct,
        readBytes: MOST_CHUNK,
        zeroBytes: MOST_CHUNK,
        yieldToFaults,
      }),
      start: given => {
        host = given
      },
      onFault: (page, plan) => {
        host.faults.publish(page)
        window.fault(page, plan, host.nowNs())
      },
      onInstalled: (first, count) => window.installed(first, count, host.nowNs()),
      next: plan => fill.next(plan, host),
    }
  },
})

/** What to bring along with a fault. */
class AdaptiveWindow {
  readonly #layout: Layout
  readonly #mostBytes: number
  #bytes: number
  /** Cost of an answer over the pages of 4 KiB that it brought, ns. */
  readonly #cost = new FadingLine(MEMORY)
  /** Share of the faults that were next to a recent window. */
  #adjacentShare = 0
  #sinceChange = 0
  #faults = 0
  /** First pages, and ends, of the latest windows; a ring. */
  readonly #firsts = new Float64Array(RECENT_WINDOWS).fill(-1)
  readonly #ends = new Float64Array(RECENT_WINDOWS).fill(-1)
  #latest = 0
  /** Faults that are being answered, and since when. */
  readonly #asked = new Map<number, number>()

  constructor(layout: Layout, mostBytes: number) {
    this.#layout = layout
    this.#mostBytes = mostBytes
    this.#bytes = Math.min(FIRST_WINDOW, mostBytes)
  }

  fault(page: number, plan: Plan, nowNs: number): void {
    const adjacent = this.#ends.includes(page) || this.#firsts.includes(page + 1)
    this.#adjacentShare += ((adjacent ? 1 : 0) - this.#adjacentShare) / MEMORY
    this.#adapt()
    const { hostPageSize } = blockOfHostPage(this.#layout, page)
    const bytes = ++this.#faults % PROBE_EVERY === 0 ? this.#bytes / 4 : this.#bytes
    const { first, end } = likeRun(this.#layout, page, Math.max(1, Math.floor(bytes / hostPageSize)))
    plan.add(first, end - first)
    this.#firsts[this.#latest] = first
    this.#ends[this.#latest] = end
    this.#latest = (this.#latest + 1) % RECENT_WINDOWS
    this.#asked.set(page, nowNs)
  }

  /** Pages are there; those that were asked for tell what that took. */
  installed(first: number, count: number, nowNs: number): void {
    for (const [page, askedNs] of this.#asked) {
      if (page < first || page >= first + count) continue
      this.#asked.delete(page)
      const pages = (count * blockOfHostPage(this.#layout, page).hostPageSize) / 4096
      if (nowNs > askedNs) this.#cost.add(pages, nowNs - askedNs)
    }
  }

  #adapt(): void {
    const { line } = this.#cost
    if (++this.#sinceChange < SETTLE || line === null) return
    const pages = this.#bytes / 4096
    const share = this.#adjacentShare
    if (share * line.fixed > pages * line.each) this.#resize(2 * this.#bytes)
    else if (Math.sqrt(share) * line.fixed < (pages / 2) * line.each) this.#resize(this.#bytes / 2)
  }

  #resize(bytes: number): void {
    this.#bytes = Math.max(4096, Math.min(bytes, this.#mostBytes))
    this.#sinceChange = 0
  }
}

interface Chunk {
  /** Bytes that it could have, and has. */
  readonly limit: number
  readonly bytes: number
  readonly beganNs: number
}

/** What to bring when no fault asks for it. */
class AdaptiveFill {
  readonly #sweep: JumpingSweep
  readonly #pauseNs: number
  readonly #quietNs: number
  /** Of each worker, which is known by its plan. */
  readonly #chunks = new WeakMap<Plan, Chunk>()
  #faultsSeen = 0
  #faultNs = Number.NEGATIVE_INFINITY

  constructor(layout: Layout, pauseNs: number, quietNs: number) {
    this.#sweep = new JumpingSweep(layout)
    this.#pauseNs = pauseNs
    this.#quietNs = quietNs
  }

  next(plan: Plan, { nowNs, faults }: PolicyHost): void {
    const now = nowNs()
    const { count } = faults
    if (count !== this.#faultsSeen) {
      this.#faultsSeen = count
      this.#faultNs = now
      this.#sweep.jumpTo(faults.lastPage + 1)
    }
    const limit = this.#limit(this.#chunks.get(plan), now)
    this.#chunks.set(plan, { limit, bytes: this.#sweep.next(plan, limit), beganNs: now })
  }

  /** Most bytes of the next chunk, by how the last one went. */
  #limit(last: Chunk | undefined, now: number): number {
    if (last === undefined) return LEAST_CHUNK
    let bytes = 2 * last.limit
    if (now - this.#faultNs < this.#quietNs) {
      const tookNs = now - last.beganNs
      // At its speed, if it had one.
      bytes = tookNs > 0 ? Math.min(bytes, (last.bytes / tookNs) * this.#pauseNs) : LEAST_CHUNK
    }
    return Math.max(LEAST_CHUNK, Math.min(bytes, MOST_CHUNK))
  }
}
