/**
 * Virtual time. Every actor (vCPU, handler, worker) has at most one thing pending: either a burst of CPU work or a timer.
 *
 * Bursts share the host's cores as processor sharing: with n bursts on c cores each runs at rate min(1, c / n), the fluid
 * limit of a fair scheduler (Kleinrock, "Queueing Systems" vol. 2, 1976, section 4.4; Linux sched-eevdf). One clock of
 * *attained service* advances at that rate; a burst of w ns that starts at service s ends when the clock reads s + w. So a
 * heap by s + w holds all bursts, whatever joins or leaves.
 *
 * Order is total: by time, bursts before timers, then by actor.
 */

export class Agenda {
  readonly cores: number
  /** Bursts in progress. */
  active = 0
  readonly #bursts: ActorQueue
  readonly #timers: ActorQueue
  /** [virtual time in ns, attained service in ns]. A typed array, so that no number is boxed. */
  readonly #clock = new Float64Array(2)

  constructor(cores: number, actors: number) {
    this.cores = cores
    this.#bursts = new ActorQueue(actors)
    this.#timers = new ActorQueue(actors)
  }

  get now(): number {
    return this.#clock[0]
  }

  startBurst(actor: number, workNs: number): void {
    this.active++
    this.#bursts.push(actor, this.#clock[1] + workNs)
  }

  startTimer(actor: number, atNs: number): void {
    this.#timers.push(actor, atNs)
  }

  /** Advances to the next end of a burst or timer and returns its actor; -1 when nothing is pending. */
  next(): number {
    const clock = this.#clock
    const { active, cores } = this
    const timerAt = this.#timers.topKey()
    if (active > 0) {
      const work = this.#bursts.topKey() - clock[1]
      const burstAt = clock[0] + (active <= cores ? work : (work * active) / cores)
      if (burstAt <= timerAt) {
        clock[0] = burstAt
        clock[1] += work
        this.active = active - 1
        return this.#bursts.pop()
      }
    } else if (timerAt === Number.POSITIVE_INFINITY) return -1
    const elapsed = timerAt - clock[0]
    clock[0] = timerAt
    clock[1] += active <= cores ? elapsed : (elapsed * cores) / active
    return this.#timers.pop()
  }
}

/**
 * A binary min-heap of actors by (key, actor). A popped root leaves a hole that the next push fills, because most actors
 * that end one burst start the next: one sift instead of two.
 */
class ActorQueue {
  readonly #keys: Float64Array
  readonly #heap: Int32Array
  #size = 0
  #hole = false

  constructor(capacity: number) {
    this.#keys = new Float64Array(capacity)
    this.#heap = new Int32Array(capacity)
  }

  /** The least key; Infinity when empty. */
  topKey(): number {
    if (this.#hole) this.#closeHole()
    return this.#size === 0 ? Number.POSITIVE_INFINITY : this.#keys[this.#heap[0]]
  }

  /** The actor with the least key; the queue must not be empty, and `topKey` must have been called since the last pop. */
  pop(): number {
    this.#hole = true
    return this.#heap[0]
  }

  push(actor: number, key: number): void {
    this.#keys[actor] = key
    if (this.#hole) {
      this.#hole = false
      this.#siftDown(actor)
      return
    }
    const heap = this.#heap
    const keys = this.#keys
    let slot = this.#size++
    while (slot > 0) {
      const parent = (slot - 1) >> 1
      const other = heap[parent]
      if (keys[other] < key || (keys[other] === key && other < actor)) break
      heap[slot] = other
      slot = parent
    }
    heap[slot] = actor
  }

  #closeHole(): void {
    this.#hole = false
    this.#size--
    if (this.#size > 0) this.#siftDown(this.#heap[this.#size])
  }

  /** Puts `actor` in the root's place and lets it sink. */
  #siftDown(actor: number): void {
    const heap = this.#heap
    const keys = this.#keys
    const size = this.#size
    const key = keys[actor]
    let slot = 0
    for (;;) {
      let child = 2 * slot + 1
      if (child >= size) break
      let least = heap[child]
      if (child + 1 < size) {
        const right = heap[child + 1]
        if (keys[right] < keys[least] || (keys[right] === keys[least] && right < least)) {
          child++
          least = right
        }
      }
      if (key < keys[least] || (key === keys[least] && actor < least)) break
      heap[slot] = least
      slot = child
    }
    heap[slot] = actor
  }
}
