/**
 * Ranks 1..count with probability proportional to rank^-skew, exactly and without a table: rejection-inversion
 * (W. Hörmann, G. Derflinger, "Rejection-inversion to generate variates from monotone discrete distributions", ACM TOMACS
 * 6(3), 1996). The area under each bar is majorised by the integral of x^-skew over the bar; a draw is inverted through
 * that integral and accepted at the first try almost always.
 *
 * Names follow the paper: h(x) = x^-skew, H is its integral.
 */
import { type RandomStream, unit } from './random-stream.ts'

export interface ZipfSampler {
  readonly count: number
  readonly skew: number
  /** H(1.5) - 1 and H(count + 0.5): draws are uniform between them. */
  readonly low: number
  readonly high: number
  /** A draw this near to its rank is under the bar, without looking. */
  readonly squeeze: number
}

/** `count` ≥ 1, `skew` ≥ 0. */
export function createZipfSampler(count: number, skew: number): ZipfSampler {
  return {
    count,
    skew,
    low: integral(1.5, skew) - 1,
    high: integral(count + 0.5, skew),
    squeeze: 2 - inverse(integral(2.5, skew) - density(2, skew), skew),
  }
}

/** A rank, 1..count. */
export function sampleZipf({ count, skew, low, high, squeeze }: ZipfSampler, stream: RandomStream): number {
  for (;;) {
    const u = high + unit(stream) * (low - high)
    const x = inverse(u, skew)
    const rank = Math.min(Math.max(Math.floor(x + 0.5), 1), count)
    if (rank - x <= squeeze || u >= integral(rank + 0.5, skew) - density(rank, skew)) return rank
  }
}

function density(x: number, skew: number): number {
  return Math.exp(-skew * Math.log(x))
}

/** H(x) = (x^(1-skew) - 1) / (1 - skew), and log x where skew is 1; computed so that it has no gap there. */
function integral(x: number, skew: number): number {
  const logX = Math.log(x)
  const t = (1 - skew) * logX
  return Math.abs(t) > 1e-8 ? (Math.expm1(t) / t) * logX : logX * (1 + t / 2)
}

/** x with H(x) = u. */
function inverse(u: number, skew: number): number {
  const t = Math.max(-1, u * (1 - skew))
  return Math.exp(Math.abs(t) > 1e-8 ? (Math.log1p(t) / t) * u : u * (1 - t / 2))
}
