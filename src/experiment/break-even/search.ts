/**
 * Where two policies cross: at which value of a parameter the time of one, taken over the time of the other, goes through 1.
 * First both are restored at some values over the whole range, with several seeds; between two values where the mean of the
 * logarithm changes its sign lies a crossing. Then each seed's own crossing is found by bisection, and the spread over seeds
 * is the confidence band. Both policies have the same seeds, so that what is compared is the policies.
 */
import type { Range } from '../sweep/range.ts'
import { valueAt } from '../sweep/range.ts'

/** One restore that is asked for. */
export interface Probe {
  readonly value: number
  readonly seed: number
  /** Index of the policy, 0 or 1. */
  readonly policy: 0 | 1
}

export interface SearchOptions {
  readonly range: Range
  readonly seeds: readonly number[]
  /** Values of the first look, ends included. */
  readonly points: number
  /** A crossing is found when it is known to this part of the range's length (of its logarithm, on a log scale). */
  readonly tolerance: number
  /** Times in ns, in the order of the probes. */
  measure(probes: readonly Probe[]): Promise<readonly number[]>
}

export interface Crossing {
  /** Median over seeds. */
  readonly value: number
  /** Confidence band of the median. */
  readonly low: number
  readonly high: number
  /** Of the band. */
  readonly confidence: number
  /** Of each seed that crosses here, sorted. */
  readonly values: readonly number[]
  /** The policy that is first below it, 0 or 1. */
  readonly firstBelow: 0 | 1
}

/** Times of both policies at one value, by seed. */
export interface LookedAt {
  readonly value: number
  readonly timesNs: readonly [readonly number[], readonly number[]]
}

export interface BreakEven {
  readonly points: readonly LookedAt[]
  /** In ascending order; empty: one policy is first over the whole range. */
  readonly crossings: readonly Crossing[]
}

const CONFIDENCE = 0.95

export async function searchBreakEven(options: SearchOptions): Promise<BreakEven> {
  const { range, seeds, points } = options
  const places = Array.from({ length: points }, (_, i) => i / (points - 1))
  const values = places.map(place => valueAt(range, place))
  const looked = await look(
    options,
    values.flatMap(value => seeds.map(seed => ({ value, seed }))),
  )
  const grid = values.map((value, i) => at(value, looked.slice(i * seeds.length, (i + 1) * seeds.length)))
  const crossings: Crossing[] = []
  for (const i of places.keys()) {
    if (i === 0 || sign(meanLog(grid[i - 1])) === sign(meanLog(grid[i]))) continue
    const crossing = await findCrossing(options, grid, places, i)
    if (crossing !== null) crossings.push(crossing)
  }
  return { points: grid, crossings }
}

/** The crossing between points `i - 1` and `i` of the mean, for each seed where it has one nearest to that; null: nowhere. */
async function findCrossing(
  options: SearchOptions,
  grid: readonly LookedAt[],
  places: readonly number[],
  i: number,
): Promise<Crossing | null> {
  const { seeds, range } = options
  const rising = sign(meanLog(grid[i])) > 0
  const brackets = seeds.flatMap((seed, index) => {
    const end = nearestChange(grid, index, i, rising)
    return end === null ? [] : [{ seed, low: places[end - 1], high: places[end] }]
  })
  // The mean may change its sign where no seed does.
  if (brackets.length === 0) return null
  for (;;) {
    const open = brackets.filter(({ low, high }) => high - low > options.tolerance && canSplit(range, low, high))
    if (open.length === 0) break
    const middles = open.map(({ low, high }) => (low + high) / 2)
    const logs = await look(
      options,
      open.map(({ seed }, n) => ({ seed, value: valueAt(range, middles[n]) })),
    )
    for (const [n, bracket] of open.entries()) {
      if (sign(logOf(logs[n])) > 0 === rising) bracket.high = middles[n]
      else bracket.low = middles[n]
    }
  }
  const found = brackets.map(({ low, high }) => valueAt(range, (low + high) / 2)).sort((a, b) => a - b)
  return { ...medianBand(found), values: found, firstBelow: rising ? 0 : 1 }
}

/** The point at whose left the seed's own sign changes in the same direction, nearest to point `i`; null: nowhere. */
function nearestChange(grid: readonly LookedAt[], seed: number, i: number, rising: boolean): number | null {
  const isAbove = (point: number): boolean => logOf([grid[point].timesNs[0][seed], grid[point].timesNs[1][seed]]) > 0
  const points = [...grid.keys()].slice(1)
  const changes = points.filter(point => isAbove(point) === rising && isAbove(point - 1) !== rising)
  return changes.sort((a, b) => Math.abs(a - i) - Math.abs(b - i))[0] ?? null
}

/** Whether there is a value between, on the range's steps. */
function canSplit(range: Range, low: number, high: number): boolean {
  const middle = valueAt(range, (low + high) / 2)
  return middle !== valueAt(range, low) && middle !== valueAt(range, high)
}

async function look(
  { measure }: SearchOptions,
  cases: readonly { readonly value: number; readonly seed: number }[],
): Promise<readonly (readonly [number, number])[]> {
  const times = await measure(
    cases.flatMap(one => [
      { ...one, policy: 0 as const },
      { ...one, policy: 1 as const },
    ]),
  )
  return cases.map((_, i) => [times[2 * i], times[2 * i + 1]])
}

function at(value: number, pairs: readonly (readonly [number, number])[]): LookedAt {
  return { value, timesNs: [pairs.map(([a]) => a), pairs.map(([, b]) => b)] }
}

/** Above 0: the first policy takes longer. */
function logOf([a, b]: readonly [number, number]): number {
  return Math.log(a / b)
}

function meanLog({ timesNs: [a, b] }: LookedAt): number {
  return a.reduce((sum, time, i) => sum + logOf([time, b[i]]), 0) / a.length
}

/** Equal counts as the first being no later. */
function sign(log: number): 1 | -1 {
  return log > 0 ? 1 : -1
}

/**
 * The median of sorted values, and the narrowest pair of them that holds the true median with the wanted confidence, whatever
 * the distribution: ranks k and n + 1 - k, with at most (1 - confidence) / 2 of a binomial distribution of one half below k
 * (Conover, Practical Nonparametric Statistics, 3.2). Too few values for it have their least and greatest, and what those hold.
 */
export function medianBand(sorted: readonly number[]): {
  value: number
  low: number
  high: number
  confidence: number
} {
  const n = sorted.length
  let below = 2 ** -n
  let term = below
  let rank = 1
  for (; rank < n / 2; rank++) {
    term *= (n - rank + 1) / rank
    if (below + term > (1 - CONFIDENCE) / 2) break
    below += term
  }
  const value = (sorted[(n - 1) >> 1] + sorted[n >> 1]) / 2
  return { value, low: sorted[rank - 1], high: sorted[n - rank], confidence: 1 - 2 * below }
}
