/** A cost per call and a cost per page, out of what calls of several sizes took. */

export interface Line {
  readonly intercept: number
  readonly slope: number
}

/** How many there were, and what they took together. */
export type Point = readonly [count: number, ns: number]

/**
 * The line that is nearest to the points in relative terms, so that calls of one page count as much as calls of many. Both
 * coefficients are ≥ 0. With two or more different counts.
 */
export function fitLine(points: readonly Point[]): Line {
  let [weights, x, y, xx, xy] = [0, 0, 0, 0, 0]
  for (const [count, ns] of points) {
    const weight = 1 / (ns * ns)
    weights += weight
    x += weight * count
    y += weight * ns
    xx += weight * count * count
    xy += weight * count * ns
  }
  const slope = (weights * xy - x * y) / (weights * xx - x * x)
  const intercept = (y - slope * x) / weights
  if (slope < 0) return { intercept: y / weights, slope: 0 }
  return intercept < 0 ? { intercept: 0, slope: xy / xx } : { intercept, slope }
}

/** The same where the cost per call is known. */
export function fitSlope(points: readonly Point[], intercept: number): number {
  let [xx, xy] = [0, 0]
  for (const [count, ns] of points) {
    const relative = count / ns
    xx += relative * relative
    xy += (relative * (ns - intercept)) / ns
  }
  return Math.max(0, xy / xx)
}
