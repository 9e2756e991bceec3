/** Time along an axis, linear or logarithmic: from a place between 0 and 1 to ns and back. */

export type ScaleName = 'linear' | 'log'

export interface TimeScale {
  readonly name: ScaleName
  /** The least that a logarithmic axis shows; a linear one starts at 0. */
  readonly fromNs: number
  readonly toNs: number
}

/** @param times of which the least above 0 and the largest are shown */
export function timeScale(name: ScaleName, times: readonly number[]): TimeScale {
  const positive = times.filter(ns => ns > 0)
  const toNs = positive.reduce((most, ns) => Math.max(most, ns), 1)
  const least = positive.reduce((least, ns) => Math.min(least, ns), toNs)
  // Room before the first one, and never an axis without length.
  return { name, fromNs: name === 'linear' ? 0 : Math.min(least / 1.5, toNs / 2), toNs }
}

export function placeAt({ name, fromNs, toNs }: TimeScale, ns: number): number {
  const place = name === 'linear' ? ns / toNs : ns <= fromNs ? 0 : Math.log(ns / fromNs) / Math.log(toNs / fromNs)
  return Math.min(1, Math.max(0, place))
}

/** At the very start of either axis nothing has happened. */
export function timeAt({ name, fromNs, toNs }: TimeScale, place: number): number {
  if (place <= 0) return 0
  return name === 'linear' ? place * toNs : fromNs * (toNs / fromNs) ** place
}

const STEPS = [1, 2, 5, 10]
const MOST_TICKS = 6
/** Over so many decades powers of ten alone are enough. */
const MANY_DECADES = 2.5

/** Round times from one end of the axis, or of a part of it, to the other, a handful. */
export function ticksOf({ name, fromNs, toNs }: TimeScale): number[] {
  return name === 'linear' ? linearTicks(fromNs, toNs) : logTicks(fromNs, toNs)
}

function linearTicks(fromNs: number, toNs: number): number[] {
  const rough = (toNs - fromNs) / MOST_TICKS
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * (STEPS.find(factor => factor * power >= rough) ?? 10)
  const first = Math.ceil(fromNs / step)
  return Array.from({ length: Math.floor(toNs / step) - first + 1 }, (_, i) => (first + i) * step)
}

function logTicks(fromNs: number, toNs: number): number[] {
  const factors = Math.log10(toNs / fromNs) > MANY_DECADES ? [1] : [1, 2, 5]
  const ticks: number[] = []
  for (let power = 10 ** Math.floor(Math.log10(fromNs)); power <= toNs; power *= 10) {
    for (const factor of factors) if (factor * power >= fromNs && factor * power <= toNs) ticks.push(factor * power)
  }
  return ticks
}
