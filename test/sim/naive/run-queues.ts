/** Virtual time with a run queue a core, by section "Run queues" of docs/model.md, with everything worked out anew at every look. */
import type { Scheduling } from '../../../src/sim/run-queues.ts'
import type { NaiveClock } from './clock.ts'

interface Thread {
  readonly actor: number
  core: number
  readonly bound: boolean
  /** Since when it could run. */
  readyNs: number
  waking: boolean
  /** What its core's service will be when its burst ends; null: it has none. */
  key: number | null
  /** That is one in the kernel. */
  inKernel: boolean
  /** When its timer ends; null: it has none. */
  timer: number | null
}

export class RunQueueClock implements NaiveClock {
  now = 0
  readonly #scheduling: Scheduling
  readonly #vcpus: number
  readonly #handlers: number
  readonly #note: (rule: string) => void
  readonly #threads: Thread[] = []
  /** Attained service of each core. */
  readonly #service: number[]
  /** When each core last came to have two bursts, and when one, after two; of these at one time, the latter does not count. */
  readonly #sharedSinceNs: number[]
  readonly #aloneSinceNs: number[]
  /** Whose step it is. */
  #current: number | null = null

  /** @param vcpus the first so many actors never leave their core; nor do so many handlers behind them, which share theirs */
  constructor(scheduling: Scheduling, vcpus: number, handlers: number, note: (rule: string) => void) {
    this.#scheduling = scheduling
    this.#vcpus = vcpus
    this.#handlers = handlers
    this.#note = note
    this.#service = new Array(scheduling.cores).fill(0)
    this.#sharedSinceNs = new Array(scheduling.cores).fill(0)
    this.#aloneSinceNs = new Array(scheduling.cores).fill(0)
  }

  burst(actor: number, workNs: number): void {
    const thread = this.#thread(actor)
    if (actor !== this.#current) {
      if (!thread.waking) thread.core = this.#coreToRunOn(thread)
      thread.waking = false
      thread.readyNs = this.now
    }
    const { core } = thread
    const isShared = this.#running(core).length === 1
    if (isShared && this.#aloneSinceNs[core] < this.now) this.#sharedSinceNs[core] = this.now
    thread.key = this.#service[thread.core] + workNs
  }

  kernelBurst(actor: number, workNs: number): void {
    this.burst(actor, 0)
    const thread = this.#thread(actor)
    const isBeside = this.#threads.some(({ core, key, inKernel }) => core !== thread.core && key !== null && inKernel)
    if (isBeside) this.#note('in the kernel beside another core')
    const slowness = isBeside ? 1000 / this.#scheduling.kernelBesidePerMille : 1
    thread.key = this.#service[thread.core] + workNs * slowness
    thread.inKernel = true
  }

  interruptOthers(workNs: number): boolean {
    const own = this.#current === null ? null : this.#thread(this.#current).core
    const busy = this.#service.map((_, core) => core).filter(core => core !== own && this.#running(core).length > 0)
    for (const core of busy) this.#service[core] -= workNs / this.#running(core).length
    return busy.length > 0
  }

  timer(actor: number, atNs: number): void {
    this.#thread(actor).timer = atNs
  }

  wakesRemotely(actor: number): boolean {
    const thread = this.#thread(actor)
    return thread.key === null && this.#isIdle(this.#coreToRunOn(thread))
  }

  interrupts(actor: number): boolean {
    const thread = this.#thread(actor)
    if (thread.key !== null || this.#current === null) return false
    const core = this.#coreToRunOn(thread)
    return core !== this.#thread(this.#current).core && this.#running(core).length > 0
  }

  wake(actor: number, interruptNs: number): boolean {
    const isRemote = this.wakesRemotely(actor)
    const thread = this.#thread(actor)
    if (thread.key !== null) return false
    if (this.interrupts(actor)) {
      const core = this.#coreToRunOn(thread)
      this.#note('a wake-up interrupts another core')
      this.#service[core] -= interruptNs / this.#running(core).length
    }
    this.#note(`woken to its own ${isRemote ? 'idle' : 'busy'} core`)
    thread.core = this.#coreToRunOn(thread)
    thread.waking = true
    return isRemote
  }

  get contended(): boolean {
    return this.#service.some((_, core) => this.#running(core).length > 1)
  }

  next(): number | null {
    this.#current = null
    const moveNs = this.#balance()
    const ends = this.#service.flatMap((service, core) => {
      const running = this.#running(core)
      const first = leastOf(running, ({ key }) => key!)
      if (first === null) return []
      return [
        { thread: first, endNs: this.now + Math.max(0, first.key! - service) * running.length * this.#slowness() },
      ]
    })
    const end = ends.reduce<(typeof ends)[number] | null>(
      (a, b) => (a === null || b.endNs < a.endNs || (b.endNs === a.endNs && b.thread.actor < a.thread.actor) ? b : a),
      null,
    )
    const timed = leastOf(
      this.#threads.filter(({ timer }) => timer !== null),
      ({ timer }) => timer!,
    )
    const timerNs = timed?.timer ?? Number.POSITIVE_INFINITY
    if (moveNs < Math.min(end?.endNs ?? Number.POSITIVE_INFINITY, timerNs)) {
      this.#note('an idle core takes a thread between two steps')
      this.#advance(moveNs)
      return this.next()
    }
    if (end !== null && end.endNs <= timerNs) {
      const { thread } = end
      this.#advance(end.endNs)
      this.#service[thread.core] = thread.key!
      thread.key = null
      thread.inKernel = false
      this.#noteAlone(thread.core)
      this.#current = thread.actor
      return thread.actor
    }
    if (timed === null) return null
    this.#advance(timerNs)
    timed.timer = null
    if (timed.waking) {
      timed.waking = false
      timed.readyNs = this.now
      this.#current = timed.actor
    }
    return timed.actor
  }

  #thread(actor: number): Thread {
    const known = this.#threads.find(thread => thread.actor === actor)
    if (known !== undefined) return known
    const bound = actor < this.#vcpus + this.#handlers
    const place = actor < this.#vcpus ? actor : bound ? actor - this.#vcpus : actor - this.#handlers
    const core = place % this.#scheduling.cores
    const thread = { actor, core, bound, readyNs: 0, waking: false, key: null, inKernel: false, timer: null }
    this.#threads.push(thread)
    return thread
  }

  #running(core: number): Thread[] {
    return this.#threads.filter(thread => thread.core === core && thread.key !== null)
  }

  #isIdle(core: number): boolean {
    return !this.#threads.some(
      thread => thread.core === core && (thread.key !== null || thread.waking || thread.actor === this.#current),
    )
  }

  #coreToRunOn(thread: Thread): number {
    if (thread.bound || this.#isIdle(thread.core) || this.#scheduling.idleSearch === 0) return thread.core
    const idle = this.#service.findIndex((_, core) => this.#isIdle(core))
    if (idle < 0) return thread.core
    this.#note('another core than its own is idle')
    return idle
  }

  /** Idle cores take threads that have waited long enough; returns when the next one will have. */
  #balance(): number {
    const waits: number[] = []
    for (const from of this.#service.keys()) {
      for (;;) {
        const running = this.#running(from)
        const idle = this.#service.findIndex((_, core) => this.#isIdle(core))
        const moved = leastOf(
          running.filter(({ bound }) => !bound),
          ({ readyNs }) => readyNs,
        )
        if (running.length < 2 || idle < 0 || moved === null) break
        const mayMoveNs = Math.max(moved.readyNs, this.#sharedSinceNs[from]) + this.#scheduling.migrationCostNs
        if (mayMoveNs > this.now) {
          waits.push(mayMoveNs)
          break
        }
        this.#note('an idle core takes a thread')
        moved.key = this.#service[idle] + (moved.key! - this.#service[from])
        moved.core = idle
        moved.readyNs = this.now
        this.#noteAlone(from)
      }
    }
    return this.#service.some((_, core) => this.#isIdle(core)) ? Math.min(...waits) : Number.POSITIVE_INFINITY
  }

  #noteAlone(core: number): void {
    if (this.#running(core).length === 1) this.#aloneSinceNs[core] = this.now
  }

  /** What a ns of a core's work takes. */
  #slowness(): number {
    const { cores, threadAlonePerMille, threadAllPerMille } = this.#scheduling
    const busy = this.#service.filter((_, core) => this.#running(core).length > 0).length
    const alone = threadAlonePerMille / 1000
    const all = threadAllPerMille / 1000
    return 1 / (busy <= 1 ? alone : alone + ((all - alone) * (busy - 1)) / (cores - 1))
  }

  #advance(toNs: number): void {
    const elapsed = toNs - this.now
    const slowness = this.#slowness()
    this.#service.forEach((_, core) => {
      const running = this.#running(core).length
      if (running > 0) this.#service[core] += elapsed / (running * slowness)
    })
    this.now = toNs
  }
}

/** The least by a figure, and of equal ones the least actor. */
function leastOf(all: readonly Thread[], figure: (thread: Thread) => number): Thread | null {
  let found: Thread | null = null
  for (const one of all) {
    if (found === null) found = one
    else {
      const difference = figure(one) - figure(found)
      if (difference < 0 || (difference === 0 && one.actor < found.actor)) found = one
    }
  }
  return found
}
