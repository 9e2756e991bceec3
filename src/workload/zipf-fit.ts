/**
 * The skew of a Zipf law that fits accesses best: the one of greatest likelihood for the ranks that were accessed (Clauset,
 * Shalizi and Newman, SIAM Review 2009, for a law on 1..n), and how far from it they are. Ranks are those of the sample, which
 * are more uneven than the law's where most pages have few accesses: the skew then comes out a little high.
 */

export interface ZipfFit {
  /** The page of rank r is accessed in proportion to r^-skew. */
  readonly skew: number
  /** Largest distance between the shares of accesses up to a rank, of the law and of the trace (Kolmogorov and Smirnov). */
  readonly distance: number
}

const MAX_SKEW = 10
const STEPS = 40

/** @param counts accesses of each page, the most first. Null for fewer than three pages, or where all are accessed alike. */
export function fitZipf(counts: Uint32Array): ZipfFit | null {
  const pages = counts.length
  if (pages < 3 || counts[0] === counts[pages - 1]) return null
  let accesses = 0
  let logSum = 0
  for (let i = 0; i < pages; i++) {
    accesses += counts[i]
    logSum += counts[i] * Math.log(i + 1)
  }
  const wanted = logSum / accesses
  // The mean logarithm of the rank falls as the skew grows; where they agree the likelihood is greatest.
  let [low, high] = [0, MAX_SKEW]
  for (let step = 0; step < STEPS; step++) {
    const skew = (low + high) / 2
    if (meanLogRank(pages, skew) > wanted) low = skew
    else high = skew
  }
  const skew = (low + high) / 2
  return { skew, distance: distance(counts, accesses, skew) }
}

function meanLogRank(pages: number, skew: number): number {
  let weight = 0
  let sum = 0
  for (let rank = 1; rank <= pages; rank++) {
    const share = rank ** -skew
    weight += share
    sum += share * Math.log(rank)
  }
  return sum / weight
}

function distance(counts: Uint32Array, accesses: number, skew: number): number {
  let weight = 0
  for (let rank = 1; rank <= counts.length; rank++) weight += rank ** -skew
  let law = 0
  let found = 0
  let most = 0
  for (let i = 0; i < counts.length; i++) {
    law += (i + 1) ** -skew / weight
    found += counts[i] / accesses
    most = Math.max(most, Math.abs(law - found))
  }
  return most
}
