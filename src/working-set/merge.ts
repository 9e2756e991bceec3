/**
 * One order out of several recordings: pages that at least so many of them use, by the median of the places that they have
 * in those. A page that one run happens to want early does not push aside what all want early, and one that a run lacks is
 * not held back for it.
 */
import { LazyRestoreError } from '../core/error.ts'

/** Two 32-bit numbers as one 64-bit key that sorts by the first. Little-endian hosts, as the file that it is for. */
class SortedPairs {
  readonly #keys: BigUint64Array
  readonly #halves: Uint32Array
  length = 0

  constructor(capacity: number) {
    this.#keys = new BigUint64Array(capacity)
    this.#halves = new Uint32Array(this.#keys.buffer)
  }

  add(major: number, minor: number): void {
    this.#halves[2 * this.length] = minor
    this.#halves[2 * this.length + 1] = major
    this.length++
  }

  sort(): void {
    this.#keys.subarray(0, this.length).sort()
  }

  major(i: number): number {
    return this.#halves[2 * i + 1]
  }

  minor(i: number): number {
    return this.#halves[2 * i]
  }
}

/**
 * @param orders of each recording its pages, each once, in order of first use
 * @param minRuns recordings that must have a page: 1 is the union, `orders.length` the intersection
 * @returns the pages by the median of their places (the mean of the middle two of an even number); ties by page
 * @throws LazyRestoreError `usage` unless 1 <= minRuns <= orders.length
 */
export function mergeOrders(orders: readonly Uint32Array[], minRuns: number): Uint32Array {
  if (!(minRuns >= 1 && minRuns <= orders.length)) {
    const found = `found ${minRuns}, with ${orders.length} ${orders.length === 1 ? 'recording' : 'recordings'}`
    throw new LazyRestoreError('usage', `--min-runs: ${found}, expected 1 to ${orders.length}`)
  }
  const places = new SortedPairs(orders.reduce((sum, order) => sum + order.length, 0))
  for (const order of orders) for (let place = 0; place < order.length; place++) places.add(order[place], place)
  places.sort()
  const kept = new SortedPairs(places.length)
  for (let start = 0; start < places.length; ) {
    const page = places.major(start)
    let end = start + 1
    while (end < places.length && places.major(end) === page) end++
    const runs = end - start
    // Twice the median, so that it is whole; places are below 2^31, as recordings are.
    const middle = places.minor(start + ((runs - 1) >> 1)) + places.minor(start + (runs >> 1))
    if (runs >= minRuns) kept.add(middle, page)
    start = end
  }
  kept.sort()
  return Uint32Array.from({ length: kept.length }, (_, i) => kept.minor(i))
}
