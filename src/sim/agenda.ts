/**
 * Virtual time. Every actor (vCPU, handler, worker) has at most one thing pending: either a burst of CPU work or a timer.
 *
 * Bursts share the host's cores as processor sharing: with n bursts on c cores each runs at rate min(1, c / n), less what others take, the fluid
 * limit of a fair scheduler (Kleinrock, "Queueing Systems" vol. 2, 1976, section 4.4; Linux sched-eevdf). One clock of
 * *attained service* advances at that rate; a burst of w ns that starts at service s ends when the clock reads s + w. So a
 * heap by s + w holds all bursts, whatever joins or leaves.
 *
 * Order is total: by time, bursts before timers, then by actor.
 */
import { ActorQueue } from './actor-queue.ts'
import { type CoreSpeeds, coreSlowness } from './core-speeds.ts'

/** What actors ask of the agenda. */
export interface ActorClock {
  readonly now: number
  /**
   * Room for so many more actors; returns the first of them.
   * @param bound so many of them, the first ones, stay on the core that they start on, where cores have run queues of their own
   */
  addActors(count: number, bound: number): number
  startBurst(actor: number, workNs: number): void
  /** One in the kernel, on memory: where cores have run queues of their own, it takes longer beside such work on another core. */
  startKernelBurst(actor: number, workNs: number): void
  startTimer(actor: number, atNs: number): void
  /** Whether a thread that is woken now would get an idle core, which is not that of the thread whose turn it is. */
  wakesRemotely(actor: number): boolean
  /** Whether to wake a thread now would interrupt a core that is busy, and not that of the thread whose turn it is. */
  interrupts(actor: number): boolean
  /** Each other core that is busy has so much more to do before it goes on. @returns whether any is */
  interruptOthers(workNs: number): boolean
  /**
   * Gives the thread that core; a timer says when it runs.
   * @param interruptNs what a core has to do more that this interrupts @returns as `wakesRemotely`
   */
  wake(actor: number, interruptNs: number): boolean
}

/** A host's time, as whoever takes its events sees it. */
export interface HostAgenda extends ActorClock {
  /** Advances to the next end of a burst or timer and returns its actor; -1 when nothing is pending. */
  next(): number
}

/** What a ns of work takes by the number of bursts in progress, 0 to `most`. */
function slowness(speeds: CoreSpeeds, most: number): Float64Array {
  const { cores, threadAllPerMille } = speeds
  const all = threadAllPerMille / 1000
  return Float64Array.from({ length: most + 1 }, (_, bursts) =>
    bursts >= cores ? bursts / (cores * all) : coreSlowness(speeds, bursts),
  )
}

export class Agenda implements HostAgenda {
  readonly #cores: number
  /** Bursts in progress. */
  active = 0
  readonly #bursts: ActorQueue
  readonly #timers: ActorQueue
  readonly #speeds: CoreSpeeds
  #slowness: Float64Array
  #actors = 0
  #now = 0
  /** Attained service in ns. */
  #service = 0

  constructor(speeds: CoreSpeeds, actors: number) {
    this.#cores = speeds.cores
    this.#speeds = speeds
    this.#bursts = new ActorQueue()
    this.#timers = new ActorQueue()
    this.#slowness = slowness(speeds, 0)
    this.addActors(actors)
  }

  /** Room for so many more; returns the first of them. */
  addActors(count: number): number {
    const first = this.#actors
    this.#actors += count
    this.#slowness = slowness(this.#speeds, this.#actors)
    this.#bursts.makeRoom(this.#actors)
    this.#timers.makeRoom(this.#actors)
    return first
  }

  get now(): number {
    return this.#now
  }

  /** A core beside the waker's own is idle: its burst has ended. */
  wakesRemotely(_actor: number): boolean {
    return this.active + 1 < this.#cores
  }

  wake(_actor: number, _interruptNs: number): boolean {
    return this.active + 1 < this.#cores
  }

  /** Who waits for a core that all share has interrupted none. */
  interrupts(_actor: number): boolean {
    return false
  }

  interruptOthers(workNs: number): boolean {
    return this.interrupt(this.active, workNs)
  }

  /**
   * The clock of all goes back by what the interrupted cores lose.
   * @param threads with a burst in progress, each on a core of its own as far as there are other cores @returns whether any is
   */
  interrupt(threads: number, workNs: number): boolean {
    const interrupted = Math.min(threads, this.#cores - 1)
    if (interrupted > 0) this.#service -= (interrupted * workNs) / this.active
    return interrupted > 0
  }

  startBurst(actor: number, workNs: number): void {
    this.active++
    this.#bursts.push(actor, this.#service + workNs)
  }

  /** Which bursts are on other cores is not known where all share one queue. */
  startKernelBurst(actor: number, workNs: number): void {
    this.active++
    this.#bursts.push(actor, this.#service + workNs)
  }

  startTimer(actor: number, atNs: number): void {
    this.#timers.push(actor, atNs)
  }

  /** When the next end of a burst or timer is; Infinity: nothing is pending. */
  nextNs(): number {
    const timerAt = this.#timers.topKey()
    if (this.active === 0) return timerAt
    return Math.min(timerAt, this.#now + this.#leastWorkNs() * this.#slowness[this.active])
  }

  /** Advances to the next end of a burst or timer and returns its actor; -1 when nothing is pending. */
  next(): number {
    const { active } = this
    const slow = this.#slowness[active]
    const timerAt = this.#timers.topKey()
    if (active > 0) {
      const work = this.#leastWorkNs()
      const burstAt = this.#now + work * slow
      if (burstAt <= timerAt) {
        this.#now = burstAt
        this.#service += work
        this.active = active - 1
        return this.#bursts.pop()
      }
    } else if (timerAt === Number.POSITIVE_INFINITY) return -1
    const elapsed = timerAt - this.#now
    this.#now = timerAt
    this.#service += elapsed / slow
    return this.#timers.pop()
  }

  /** What the burst that ends first still has to do. Where a timer came at its end, the clock may be past it by a rounding error. */
  #leastWorkNs(): number {
    return Math.max(0, this.#bursts.topKey() - this.#service)
  }
}
