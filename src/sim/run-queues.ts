/**
 * Virtual time where each core has a run queue of its own, as in Linux: a thread has a core, waits for those on the same one,
 * and is woken there if it is idle. Docs/model.md, "Run queues", has the rules. The bursts of one core share it as processor
 * sharing; `Agenda` is the limit in which all cores have one queue.
 */
import { ActorQueue } from './actor-queue.ts'
import { Agenda, type HostAgenda } from './agenda.ts'
import { type CoreSpeeds, coreSlowness } from './core-speeds.ts'

/** How a host schedules its threads. */
export interface Scheduling extends CoreSpeeds {
  /** 1: one for all cores. Else each core has its own. */
  readonly runQueues: number
  /** 1: a thread that has slept finds a core that is idle, if its own is not. 0: it stays on its own. Not for those that are bound. */
  readonly idleSearch: number
  /** A thread that has waited on a busy core for so long may move to an idle one. */
  readonly migrationCostNs: number
  /** How fast work in the kernel is beside such work on another core, per mille of what it is alone. */
  readonly kernelBesidePerMille: number
}

/** @param vcpus the first actors, which are bound */
export function createAgenda(scheduling: Scheduling, vcpus: number): HostAgenda {
  const { cores, runQueues } = scheduling
  return runQueues === 1 || cores === 1 ? new Agenda(scheduling, vcpus) : new RunQueues(scheduling, vcpus)
}

const NONE = -1

/** One core, and the threads that are on it. */
class Core {
  readonly bursts = new ActorQueue()
  /** Bursts in progress. */
  running = 0
  /** Those of them that are in the kernel. */
  inKernel = 0
  /** Threads that have been woken for it and do not run yet. */
  waking = 0
  /** Since when there is more than one, and since when there was no more than one before. */
  sharedSinceNs = 0
  aloneSinceNs = 0
  /** Attained service of each of its bursts, ns. */
  serviceNs = 0
}

export class RunQueues implements HostAgenda {
  now = 0
  readonly #cores: readonly Core[]
  readonly #searchesIdle: boolean
  readonly #migrationCostNs: number
  readonly #timers = new ActorQueue()
  /** What a ns of a core's work takes, by the number of cores that are busy. */
  readonly #slowness: Float64Array
  /** Cores with a burst in progress. */
  #busy = 0
  /** Bursts in the kernel, on all cores, and what such work takes beside another. */
  #inKernel = 0
  readonly #besideSlowness: number
  #actors = 0
  /** By actor: its core; since when it could run; it was woken, and a timer says when it runs; it may not move. */
  #coreOf = new Int32Array(0)
  #readyNs = new Float64Array(0)
  #isWaking = new Uint8Array(0)
  #isRunning = new Uint8Array(0)
  #isInKernel = new Uint8Array(0)
  #isBound = new Uint8Array(0)
  /** The thread whose step it is, and its core, which is not idle therefore; NONE: no thread's that runs. */
  #current = NONE
  #currentCore = NONE

  constructor(scheduling: Scheduling, vcpus: number) {
    const { cores, idleSearch, migrationCostNs, kernelBesidePerMille } = scheduling
    this.#besideSlowness = 1000 / kernelBesidePerMille
    this.#cores = Array.from({ length: cores }, () => new Core())
    this.#searchesIdle = idleSearch === 1
    this.#migrationCostNs = migrationCostNs
    this.#slowness = Float64Array.from({ length: cores + 1 }, (_, busy) => coreSlowness(scheduling, busy))
    this.addActors(vcpus, vcpus)
  }

  /**
   * Room for so many more; returns the first of them. The first `bound` are on one core after the other, from the first on, as
   * vCPUs are, and stay there; the others start behind the vCPUs.
   */
  addActors(count: number, bound: number): number {
    const first = this.#actors
    this.#actors += count
    const grown = <T extends Int32Array | Float64Array | Uint8Array>(column: T, larger: T): T => {
      larger.set(column)
      return larger
    }
    const startOf = (actor: number): number =>
      (actor < first + bound ? actor - first : actor - bound) % this.#cores.length
    this.#coreOf = grown(
      this.#coreOf,
      Int32Array.from({ length: this.#actors }, (_, actor) => startOf(actor)),
    )
    this.#readyNs = grown(this.#readyNs, new Float64Array(this.#actors))
    this.#isWaking = grown(this.#isWaking, new Uint8Array(this.#actors))
    this.#isBound = grown(this.#isBound, new Uint8Array(this.#actors)).fill(1, first, first + bound)
    this.#isRunning = grown(this.#isRunning, new Uint8Array(this.#actors))
    this.#isInKernel = grown(this.#isInKernel, new Uint8Array(this.#actors))
    for (const { bursts } of this.#cores) bursts.makeRoom(this.#actors)
    this.#timers.makeRoom(this.#actors)
    return first
  }

  wakesRemotely(actor: number): boolean {
    // On its way to sleep it is still on its core.
    return this.#isRunning[actor] === 0 && this.#isIdle(this.#coreToRunOn(actor))
  }

  interrupts(actor: number): boolean {
    return this.#isRunning[actor] === 0 && this.#isOtherAndBusy(this.#coreToRunOn(actor))
  }

  wake(actor: number, interruptNs: number): boolean {
    if (this.#isRunning[actor] === 1) return false
    const index = this.#coreToRunOn(actor)
    const core = this.#cores[index]
    const isIdle = this.#isIdle(index)
    if (this.#isOtherAndBusy(index)) core.serviceNs -= interruptNs / core.running
    this.#coreOf[actor] = index
    core.waking++
    this.#isWaking[actor] = 1
    return isIdle
  }

  /** To be told that it has somebody else to run, a core has to be interrupted, if that is not where it is decided. */
  #isOtherAndBusy(core: number): boolean {
    return this.#currentCore !== NONE && core !== this.#currentCore && this.#cores[core].running > 0
  }

  interruptOthers(workNs: number): boolean {
    let found = false
    for (let index = 0; index < this.#cores.length; index++) {
      const core = this.#cores[index]
      if (core.running === 0 || index === this.#currentCore) continue
      core.serviceNs -= workNs / core.running
      found = true
    }
    return found
  }

  startBurst(actor: number, workNs: number): void {
    this.#enqueue(this.#placed(actor), actor, workNs)
  }

  startKernelBurst(actor: number, workNs: number): void {
    const core = this.#placed(actor)
    const isBeside = this.#inKernel > core.inKernel
    this.#isInKernel[actor] = 1
    this.#enqueue(core, actor, isBeside ? workNs * this.#besideSlowness : workNs)
  }

  /** The core that the thread runs on. */
  #placed(actor: number): Core {
    if (actor !== this.#current) {
      if (this.#isWaking[actor] === 1) this.#awake(actor)
      else this.#coreOf[actor] = this.#coreToRunOn(actor)
      this.#readyNs[actor] = this.now
    }
    return this.#cores[this.#coreOf[actor]]
  }

  startTimer(actor: number, atNs: number): void {
    this.#timers.push(actor, atNs)
  }

  next(): number {
    this.#current = NONE
    this.#currentCore = NONE
    for (;;) {
      const moveAt = this.#balance()
      const next = this.#nextCore()
      const timerAt = this.#timers.topKey()
      const burstAt = next === NONE ? Number.POSITIVE_INFINITY : this.#endNs(this.#cores[next])
      if (moveAt < burstAt && moveAt < timerAt) this.#advance(moveAt)
      else if (burstAt <= timerAt) return next === NONE ? NONE : this.#endBurst(next, burstAt)
      else return this.#endTimer(timerAt)
    }
  }

  #endBurst(on: number, atNs: number): number {
    const core = this.#cores[on]
    const serviceNs = core.bursts.topKey()
    this.#advance(atNs)
    core.serviceNs = serviceNs
    const actor = core.bursts.pop()
    this.#dequeue(core, actor)
    this.#isInKernel[actor] = 0
    this.#current = actor
    this.#currentCore = on
    return actor
  }

  #endTimer(atNs: number): number {
    this.#advance(atNs)
    const actor = this.#timers.pop()
    if (this.#isWaking[actor] === 1) {
      this.#awake(actor)
      this.#readyNs[actor] = this.now
      this.#current = actor
      this.#currentCore = this.#coreOf[actor]
    }
    return actor
  }

  #enqueue(core: Core, actor: number, workNs: number): void {
    this.#isRunning[actor] = 1
    core.inKernel += this.#isInKernel[actor]
    this.#inKernel += this.#isInKernel[actor]
    if (core.running++ === 0) this.#busy++
    // Who goes on after a step was not gone.
    else if (core.running === 2 && core.aloneSinceNs < this.now) core.sharedSinceNs = this.now
    core.bursts.push(actor, core.serviceNs + workNs)
  }

  #dequeue(core: Core, actor: number): void {
    this.#isRunning[actor] = 0
    core.inKernel -= this.#isInKernel[actor]
    this.#inKernel -= this.#isInKernel[actor]
    if (--core.running === 0) this.#busy--
    else if (core.running === 1) core.aloneSinceNs = this.now
  }

  #awake(actor: number): void {
    this.#isWaking[actor] = 0
    this.#cores[this.#coreOf[actor]].waking--
  }

  /** Nobody runs there, is about to, or is at its step. */
  #isIdle(core: number): boolean {
    const { running, waking } = this.#cores[core]
    return running === 0 && waking === 0 && core !== this.#currentCore
  }

  #idleCore(): number {
    for (let core = 0; core < this.#cores.length; core++) if (this.#isIdle(core)) return core
    return NONE
  }

  /**
   * Where a thread runs that has slept: on its own core, if that is idle, or it is bound; else on the first idle one, if any is
   * looked for (Linux select_idle_sibling); else on its own.
   */
  #coreToRunOn(actor: number): number {
    const own = this.#coreOf[actor]
    if (this.#isBound[actor] === 1 || !this.#searchesIdle || this.#isIdle(own)) return own
    const idle = this.#idleCore()
    return idle === NONE ? own : idle
  }

  /**
   * Idle cores take threads that wait on busy ones, the one first that could run the longest, once they have shared the core for
   * long enough (Linux task_hot: one that has just run is left where it is).
   * @returns when the next one may move
   */
  #balance(): number {
    let nextNs = Number.POSITIVE_INFINITY
    for (let from = 0; from < this.#cores.length; from++) {
      while (this.#cores[from].running > 1) {
        const idle = this.#idleCore()
        if (idle === NONE) return Number.POSITIVE_INFINITY
        const actor = this.#longestReady(from)
        if (actor === NONE) break
        const waitsSinceNs = Math.max(this.#readyNs[actor], this.#cores[from].sharedSinceNs)
        const atNs = waitsSinceNs + this.#migrationCostNs
        if (atNs > this.now) {
          nextNs = Math.min(nextNs, atNs)
          break
        }
        const core = this.#cores[from]
        const leftNs = core.bursts.remove(actor) - core.serviceNs
        this.#dequeue(core, actor)
        this.#coreOf[actor] = idle
        this.#readyNs[actor] = this.now
        this.#enqueue(this.#cores[idle], actor, leftNs)
      }
    }
    return nextNs
  }

  /** Of those with a burst on the core that may leave it; NONE: there is none. */
  #longestReady(core: number): number {
    let found = NONE
    for (let actor = 0; actor < this.#actors; actor++) {
      if (this.#isRunning[actor] === 0 || this.#isBound[actor] === 1 || this.#coreOf[actor] !== core) continue
      if (found === NONE || this.#readyNs[actor] < this.#readyNs[found]) found = actor
    }
    return found
  }

  /** When the core's next burst ends; it has one. It may seem to have ended just before, as service is a rounded sum. */
  #endNs(core: Core): number {
    return this.now + Math.max(0, core.bursts.topKey() - core.serviceNs) * core.running * this.#slowness[this.#busy]
  }

  /** The core whose next burst ends first, of those at one time the one of the least actor; NONE: none has any. */
  #nextCore(): number {
    let found = NONE
    let foundNs = Number.POSITIVE_INFINITY
    for (let index = 0; index < this.#cores.length; index++) {
      const core = this.#cores[index]
      if (core.running === 0) continue
      const endNs = this.#endNs(core)
      if (endNs > foundNs) continue
      if (endNs === foundNs && this.#cores[found].bursts.topActor() < core.bursts.topActor()) continue
      found = index
      foundNs = endNs
    }
    return found
  }

  #advance(toNs: number): void {
    const elapsed = toNs - this.now
    this.now = toNs
    if (this.#busy === 0) return
    const slowness = this.#slowness[this.#busy]
    for (const core of this.#cores) if (core.running > 0) core.serviceNs += elapsed / (core.running * slowness)
  }
}
