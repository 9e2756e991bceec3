/** What the charts draw: the curves of some restores on one grid of times. */
import { gridOf, sampleLines, sampleSteps } from './sample.ts'
import { type ScaleName, type TimeScale, timeScale } from './scale.ts'
import type { ResultSeries } from './series.ts'

export interface Curve extends ResultSeries {
  /** On the grid. */
  readonly values: readonly number[]
}

export interface Curves {
  readonly scale: TimeScale
  /** Times, ns, ascending. */
  readonly grid: readonly number[]
  /** Of those that have any. */
  readonly curves: readonly Curve[]
  /** Upper end of the y axis. */
  readonly top: number
}

type Point = readonly [ns: number, value: number]
type Sample = typeof sampleLines

/** Share of faults that took no longer than a time. */
export function latencyCurves(series: readonly ResultSeries[]): Curves {
  return curvesOf(series, ({ result }) => result.latencyCdf, 'log', sampleSteps, 1)
}

/** Bytes that are resident at a time. One point is what engines give that have no curve. */
export function residencyCurves(series: readonly ResultSeries[], scale: ScaleName): Curves {
  const top = series.reduce((most, { result }) => Math.max(most, result.snapshot.bytes), 1)
  const points = ({ result: { residency } }: ResultSeries): Point[] =>
    residency.length < 2 ? [] : residency.map(({ timeNs, bytes }) => [timeNs, bytes])
  return curvesOf(series, points, scale, sampleLines, top)
}

function curvesOf(
  series: readonly ResultSeries[],
  pointsOf: (one: ResultSeries) => readonly Point[],
  scaleName: ScaleName,
  sample: Sample,
  top: number,
): Curves {
  const some = series.map(one => ({ one, points: pointsOf(one) })).filter(({ points }) => points.length > 0)
  const scale = timeScale(
    scaleName,
    some.flatMap(({ points }) => points.map(([ns]) => ns)),
  )
  const grid = gridOf(scale)
  const curves = some.map(({ one, points }) => {
    const times = points.map(([ns]) => ns)
    const values = points.map(([, value]) => value)
    return { ...one, values: sample(times, values, grid) }
  })
  return { scale, grid, curves, top }
}
