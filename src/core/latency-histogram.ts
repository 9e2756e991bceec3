/**
 * A log-linear histogram of durations, after HdrHistogram: 128 buckets for each power of two, so that a quantile is within
 * 0.8 % of the true one, at a few ns a record and a fixed 23 KiB. Mean and maximum are exact.
 */

/** log2 of the buckets per power of two. */
const PRECISION_BITS = 7
const LINEAR_LIMIT = 2 ** (PRECISION_BITS + 1)
/** Values up to 2^52 ns (52 days). */
const MAX_EXPONENT = 52
const MAX_VALUE = 2 ** MAX_EXPONENT - 1
const BUCKETS = LINEAR_LIMIT + (MAX_EXPONENT - PRECISION_BITS - 1) * 2 ** PRECISION_BITS

/** A histogram's content as plain data, for another thread to merge. */
export interface LatencyRecords {
  readonly counts: Uint32Array
  readonly count: number
  readonly total: number
  readonly max: number
}

export class LatencyHistogram {
  /** A restore has at most 2^31 accesses. */
  readonly #counts = new Uint32Array(BUCKETS)
  #total = 0
  #max = 0
  count = 0

  /** @param ns at least 0; fractions of a ns are dropped for the bucket and kept for the mean */
  record(ns: number): void {
    this.#counts[bucketOf(ns)]++
    this.#total += ns
    if (ns > this.#max) this.#max = ns
    this.count++
  }

  get records(): LatencyRecords {
    return { counts: this.#counts, count: this.count, total: this.#total, max: this.#max }
  }

  merge({ counts, count, total, max }: LatencyRecords): void {
    for (let bucket = 0; bucket < BUCKETS; bucket++) this.#counts[bucket] += counts[bucket]
    this.count += count
    this.#total += total
    if (max > this.#max) this.#max = max
  }

  get mean(): number {
    return this.count === 0 ? 0 : this.#total / this.count
  }

  get max(): number {
    return this.#max
  }

  /** The highest value of the bucket in which the given share of all records is reached; at most `max`. */
  quantile(share: number): number {
    const wanted = Math.max(1, Math.ceil(share * this.count))
    let seen = 0
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#counts[bucket]
      if (seen >= wanted) return Math.min(upperEdge(bucket), this.max)
    }
    return this.max
  }

  /** [upper edge in ns, share of records at or below it] for every bucket that holds records. */
  cdf(): [number, number][] {
    const points: [number, number][] = []
    let seen = 0
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      if (this.#counts[bucket] === 0) continue
      seen += this.#counts[bucket]
      points.push([Math.min(upperEdge(bucket), this.max), seen / this.count])
    }
    return points
  }

  /**
   * Counts per power of two of microseconds, as QEMU's postcopy-latency-dist: bucket N counts [2^N, 2^(N+1)) µs, what is
   * below 1 µs goes to bucket 0 and what is beyond the last bucket into the last.
   */
  powersOfTwoUs(buckets: number): number[] {
    const counts = new Array<number>(buckets).fill(0)
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      if (this.#counts[bucket] === 0) continue
      const us = lowerEdge(bucket) / 1000
      counts[Math.min(buckets - 1, us < 1 ? 0 : Math.floor(Math.log2(us)))] += this.#counts[bucket]
    }
    return counts
  }
}

/** The leading eight bits choose among the buckets of a power of two. What 32 bits do not hold is scaled down by 2^24. */
function bucketOf(ns: number): number {
  if (ns >= 2 ** 31) return bucketOf(Math.min(ns, MAX_VALUE) / 2 ** 24) + 24 * 2 ** PRECISION_BITS
  const shift = Math.max(0, 31 - PRECISION_BITS - Math.clz32(ns))
  return (shift << PRECISION_BITS) + (ns >>> shift)
}

function lowerEdge(bucket: number): number {
  if (bucket < LINEAR_LIMIT) return bucket
  const offset = bucket - LINEAR_LIMIT
  const exponent = Math.floor(offset / 2 ** PRECISION_BITS) + PRECISION_BITS + 1
  return ((offset % 2 ** PRECISION_BITS) + 2 ** PRECISION_BITS) * 2 ** (exponent - PRECISION_BITS)
}

function upperEdge(bucket: number): number {
  return bucket < LINEAR_LIMIT ? bucket : lowerEdge(bucket + 1) - 1
}
