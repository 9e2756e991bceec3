/** Curves on a common grid, so that a chart can show all of them, and say their values, at one place. */
import { type TimeScale, timeAt } from './scale.ts'

/** Fine enough for every screen, and for looking closer. */
export const GRID_POINTS = 1500

/** Times that are evenly spaced on the axis. */
export function gridOf(scale: TimeScale, points = GRID_POINTS): number[] {
  const start = scale.name === 'log' ? scale.fromNs : 0
  return Array.from({ length: points }, (_, i) => (i === 0 ? start : timeAt(scale, i / (points - 1))))
}

/** A staircase: the value of the last point at or before each place of the grid; before the first, 0. */
export function sampleSteps(xs: readonly number[], ys: readonly number[], grid: readonly number[]): number[] {
  let next = 0
  return grid.map(x => {
    while (next < xs.length && xs[next] <= x) next++
    return next === 0 ? 0 : ys[next - 1]
  })
}

/** Straight lines between the points; the first and last value go on at either side. */
export function sampleLines(xs: readonly number[], ys: readonly number[], grid: readonly number[]): number[] {
  let next = 0
  return grid.map(x => {
    while (next < xs.length && xs[next] <= x) next++
    if (next === 0) return ys.length === 0 ? 0 : ys[0]
    if (next === xs.length) return ys[next - 1]
    const part = (x - xs[next - 1]) / (xs[next] - xs[next - 1])
    return ys[next - 1] + part * (ys[next] - ys[next - 1])
  })
}
