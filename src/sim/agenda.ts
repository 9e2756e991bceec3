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

/** What actors ask of the agenda. */
export interface ActorClock {
  readonly now: number
  readonly cores: number
  /** Bursts in progress. */
  readonly active: number
  /** Room for so many more actors; returns the first of them. */
  addActors(count: number): number
  startBurst(actor: number, workNs: number): void
  startTimer(actor: number, atNs: number): void
}

/** How fast bursts run. */
export interface CoreSpeeds {
  readonly cores: number
  /** CPU time that a thread gets which could run all the time, per mille: alone on the host; while all cores are busy. */
  readonly threadAlonePerMille: number
  readonly threadAllPerMille: number
}

/** What a ns of work takes by the number of bursts in progress, 0 to `most`. */
function slowness({ cores, threadAlonePerMille, threadAllPerMille }: CoreSpeeds, most: number): Float64Array {
  const alone = threadAlonePerMille / 1000
  const all = threadAllPerMille / 1000
  return Float64Array.from({ length: most + 1 }, (_, bursts) => {
    if (bursts >= cores) return bursts / (cores * all)
    return 1 / (bursts <= 1 ? alone : alone + ((all - alone) * (bursts - 1)) / (cores - 1))
  })
}

export class Agenda implements ActorClock {
  readonly cores: number
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
    this.cores = speeds.cores
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

  startBurst(actor: number, workNs: number): void {
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
    return Math.min(timerAt, this.#now + (this.#bursts.topKey() - this.#service) * this.#slowness[this.active])
  }

  /** Advances to the next end of a burst or timer and returns its actor; -1 when nothing is pending. */
  next(): number {
    const { active } = this
    const slow = this.#slowness[active]
    const timerAt = this.#timers.topKey()
    if (active > 0) {
      const work = this.#bursts.topKey() - this.#service
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
}

/**
 * A binary min-heap of actors by (key, actor). A popped root leaves a hole that the next push fills, because most actors
 * that end one burst start the next: one sift instead of two.
 */
class ActorQueue {
  /** Key and actor by place in the heap; Infinity stands in the root's place when there is none. */
  #keys = new Float64Array(1).fill(Number.POSITIVE_INFINITY)
  #actors = new Int32Array(0)
  #size = 0
  /** 1: the root has been popped and its place is open. */
  #hole = 0

  makeRoom(capacity: number): void {
    const keys = new Float64Array(Math.max(1, capacity)).fill(Number.POSITIVE_INFINITY)
    const actors = new Int32Array(capacity)
    keys.set(this.#keys)
    actors.set(this.#actors)
    this.#keys = keys
    this.#actors = actors
  }

  /** The least key; Infinity when empty. */
  topKey(): number {
    if (this.#hole === 1) this.#closeHole()
    return this.#keys[0]
  }

  /** The actor with the least key; the queue must not be empty, and `topKey` must have been called since the last pop. */
  pop(): number {
    this.#hole = 1
    return this.#actors[0]
  }

  push(actor: number, key: number): void {
    if (this.#hole === 1) {
      this.#hole = 0
      return this.#siftDown(actor, key)
    }
    const keys = this.#keys
    const actors = this.#actors
    let place = this.#size++
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (keys[parent] < key || (keys[parent] === key && actors[parent] < actor)) break
      keys[place] = keys[parent]
      actors[place] = actors[parent]
      place = parent
    }
    keys[place] = key
    actors[place] = actor
  }

  #closeHole(): void {
    this.#hole = 0
    const last = --this.#size
    if (last > 0) this.#siftDown(this.#actors[last], this.#keys[last])
    else this.#keys[0] = Number.POSITIVE_INFINITY
  }

  /** Puts the actor in the root's place and lets it sink. */
  #siftDown(actor: number, key: number): void {
    const keys = this.#keys
    const actors = this.#actors
    const size = this.#size
    let place = 0
    for (;;) {
      let child = 2 * place + 1
      if (child >= size) break
      const right = child + 1
      if (
        right < size &&
        (keys[right] < keys[child] || (keys[right] === keys[child] && actors[right] < actors[child]))
      ) {
        child = right
      }
      if (key < keys[child] || (key === keys[child] && actor < actors[child])) break
      keys[place] = keys[child]
      actors[place] = actors[child]
      place = child
    }
    keys[place] = key
    actors[place] = actor
  }
}
