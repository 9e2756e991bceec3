/** Virtual time with processor sharing, by the formulas of docs/model.md and a linear search for what ends next. */

import type { CoreSpeeds } from '../../../src/sim/core-speeds.ts'

/** What the machine asks of virtual time, however cores are shared. */
export interface NaiveClock {
  readonly now: number
  /** Whether an actor that is woken now would get an idle core. */
  wakesRemotely(actor: number): boolean
  /** Bursts wait for each other now. */
  readonly contended: boolean
  burst(actor: number, workNs: number): void
  /** One in the kernel. */
  kernelBurst(actor: number, workNs: number): void
  timer(actor: number, atNs: number): void
  /** So much more work for each other core that is busy; whether there is one. */
  interruptOthers(workNs: number): boolean
  /** Whether to wake an actor would interrupt a busy core that is not the waker's. */
  interrupts(actor: number): boolean
  /** Finds a core for an actor that is woken, with so much more work for it if it is interrupted; whether it is an idle one. */
  wake(actor: number, interruptNs: number): boolean
  /** Goes to the next end of a burst or timer and returns whose it is; null when nothing is pending. */
  next(): number | null
}

export class Clock implements NaiveClock {
  now = 0
  /** Attained service S. */
  #service = 0
  readonly #cores: number
  readonly #alone: number
  readonly #all: number
  /** What each actor has pending: the key of its burst, or the time of its timer. */
  readonly #bursts = new Map<number, number>()
  readonly #timers = new Map<number, number>()

  constructor({ cores, threadAlonePerMille, threadAllPerMille }: CoreSpeeds) {
    this.#cores = cores
    this.#alone = threadAlonePerMille / 1000
    this.#all = threadAllPerMille / 1000
  }

  /** What a ns of work takes with n bursts in progress. */
  #slowness(n: number): number {
    const c = this.#cores
    if (n >= c) return n / (c * this.#all)
    if (n <= 1) return 1 / this.#alone
    return 1 / (this.#alone + ((this.#all - this.#alone) * (n - 1)) / (c - 1))
  }

  burst(actor: number, workNs: number): void {
    this.#bursts.set(actor, this.#service + workNs)
  }

  kernelBurst(actor: number, workNs: number): void {
    this.burst(actor, workNs)
  }

  timer(actor: number, atNs: number): void {
    this.#timers.set(actor, atNs)
  }

  interruptOthers(workNs: number): boolean {
    const busy = Math.min(this.#bursts.size, this.#cores - 1)
    if (busy === 0) return false
    this.#service -= (busy * workNs) / this.#bursts.size
    return true
  }

  /** There is an idle core beside that of a waker whose burst has just ended. */
  wakesRemotely(): boolean {
    return this.#bursts.size + 1 < this.#cores
  }

  wake(): boolean {
    return this.wakesRemotely()
  }

  /** Bursts share all cores. */
  interrupts(): boolean {
    return false
  }

  /** Bursts wait for each other now. */
  get contended(): boolean {
    return this.#bursts.size > this.#cores
  }

  /** Goes to the next end of a burst or timer and returns whose it is; null when nothing is pending. */
  next(): number | null {
    const slowness = this.#slowness(this.#bursts.size)
    const burst = least(this.#bursts)
    const timer = least(this.#timers)
    if (burst !== null) {
      const work = Math.max(0, burst.key - this.#service)
      const endsAt = this.now + work * slowness
      if (timer === null || endsAt <= timer.key) {
        this.now = endsAt
        this.#service += work
        this.#bursts.delete(burst.actor)
        return burst.actor
      }
    }
    if (timer === null) return null
    const elapsed = timer.key - this.now
    this.now = timer.key
    this.#service += elapsed / slowness
    this.#timers.delete(timer.actor)
    return timer.actor
  }
}

/** The least key, and of equal ones the least actor. */
function least(pending: ReadonlyMap<number, number>): { actor: number; key: number } | null {
  let found: { actor: number; key: number } | null = null
  for (const [actor, key] of pending) {
    if (found === null || key < found.key || (key === found.key && actor < found.actor)) found = { actor, key }
  }
  return found
}
