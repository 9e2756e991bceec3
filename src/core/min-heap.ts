/** A binary min-heap of whole numbers by a key; equal keys by the smaller number. It grows as it needs to. */
import { withRoom } from './growable.ts'

export class MinHeap {
  size = 0
  #keys: Float64Array = new Float64Array(16)
  #values: Uint32Array = new Uint32Array(16)

  /** The least key; Infinity when empty. */
  get topKey(): number {
    return this.size === 0 ? Number.POSITIVE_INFINITY : this.#keys[0]
  }

  /** What has the least key; the heap must not be empty. */
  get top(): number {
    return this.#values[0]
  }

  push(key: number, value: number): void {
    if (this.size === this.#keys.length) {
      this.#keys = withRoom(this.#keys, this.size + 1)
      this.#values = withRoom(this.#values, this.size + 1)
    }
    let place = this.size++
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (!this.#isBefore(key, value, parent)) break
      this.#move(parent, place)
      place = parent
    }
    this.#keys[place] = key
    this.#values[place] = value
  }

  /** Takes the top out; the heap must not be empty. */
  pop(): void {
    this.size--
    this.#sink(this.#keys[this.size], this.#values[this.size])
  }

  /** Gives the top another key. */
  rekeyTop(key: number): void {
    this.#sink(key, this.#values[0])
  }

  /** Puts the value in the root's place and lets it sink. */
  #sink(key: number, value: number): void {
    let place = 0
    for (;;) {
      let child = 2 * place + 1
      if (child >= this.size) break
      const right = child + 1
      if (right < this.size && this.#isBefore(this.#keys[right], this.#values[right], child)) child = right
      if (this.#isBefore(key, value, child)) break
      this.#move(child, place)
      place = child
    }
    this.#keys[place] = key
    this.#values[place] = value
  }

  #isBefore(key: number, value: number, place: number): boolean {
    const other = this.#keys[place]
    return key < other || (key === other && value < this.#values[place])
  }

  #move(from: number, to: number): void {
    this.#keys[to] = this.#keys[from]
    this.#values[to] = this.#values[from]
  }
}
