/**
 * A binary min-heap of actors by (key, actor). A popped root leaves a hole that the next push fills, because most actors
 * that end one burst start the next: one sift instead of two.
 */
export class ActorQueue {
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

  /** The same, which stays. */
  topActor(): number {
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

  /** The actor leaves, wherever it stands; it must be there. Returns its key. */
  remove(actor: number): number {
    if (this.#hole === 1) this.#closeHole()
    const place = this.#actors.subarray(0, this.#size).indexOf(actor)
    const key = this.#keys[place]
    // It rises to the root and is popped.
    for (let at = place; at > 0; ) {
      const parent = (at - 1) >> 1
      this.#keys[at] = this.#keys[parent]
      this.#actors[at] = this.#actors[parent]
      at = parent
    }
    this.#closeHole()
    return key
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
