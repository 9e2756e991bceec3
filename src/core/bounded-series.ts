/**
 * A series of (time, value) points of bounded length: when it is full, every second point goes and from then on only every
 * second one is kept. The first and the latest point are always there.
 */
export class BoundedSeries {
  readonly #time: Float64Array
  readonly #value: Float64Array
  #length = 0
  /** Every `stride`-th point is kept; so many are left out before the next. */
  #stride = 1
  #leftOut = 0
  #latestTime = 0
  #latestValue = 0

  /** @param capacity even, at least 4 */
  constructor(capacity: number) {
    this.#time = new Float64Array(capacity)
    this.#value = new Float64Array(capacity)
  }

  /** The next point is one that is kept. */
  get isDue(): boolean {
    return this.#leftOut === 0
  }

  add(time: number, value: number): void {
    this.#latestTime = time
    this.#latestValue = value
    if (this.#leftOut > 0) this.#leftOut--
    else this.#keep(time, value)
  }

  /** In place of `add` where no point is due: the latest one is then the one that was added last. */
  leaveOut(): void {
    this.#leftOut--
  }

  #keep(time: number, value: number): void {
    if (this.#length === this.#time.length) this.#halve()
    this.#leftOut = this.#stride - 1
    this.#time[this.#length] = time
    this.#value[this.#length] = value
    this.#length++
  }

  #halve(): void {
    this.#length /= 2
    for (let i = 0; i < this.#length; i++) {
      this.#time[i] = this.#time[2 * i]
      this.#value[i] = this.#value[2 * i]
    }
    this.#stride *= 2
  }

  points(): [time: number, value: number][] {
    const points: [number, number][] = []
    for (let i = 0; i < this.#length; i++) points.push([this.#time[i], this.#value[i]])
    const last = points.at(-1)
    if (last !== undefined && (last[0] !== this.#latestTime || last[1] !== this.#latestValue)) {
      points.push([this.#latestTime, this.#latestValue])
    }
    return points
  }
}
