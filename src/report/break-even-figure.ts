/** Two policies over a parameter: the median time of each with its spread, and where they cross with its confidence band. */
import * as Plot from '@observablehq/plot'
import { formatDurationNs } from '../core/units.ts'
import type { BreakEven } from '../experiment/break-even/search.ts'
import type { Range } from '../experiment/sweep/range.ts'
import { type Figure, legendHeight, legendWidth, plot, thinValues, timeAxisY, valueAxisX, withLegend } from './plot.ts'
import { colorOf, printable } from './series.ts'
import { formatValue, quantilesOf } from './sweep-axes.ts'

export interface BreakEvenReport {
  /** The parameter as it is called. */
  readonly parameter: string
  readonly range: Range
  readonly policies: readonly [string, string]
  /** What is compared, as `work done`. */
  readonly metric: string
  readonly seeds: number
  readonly result: BreakEven
}

export function breakEvenFigure({ parameter, range, policies, metric, seeds, result }: BreakEvenReport): Figure {
  const { points, crossings } = result
  const rows = points.flatMap(({ value, timesNs }) =>
    timesNs.map((times, policy) => ({ x: value, policy: printable(policies[policy]), ...quantilesOf(times) })),
  )
  const legend = policies.map((policy, i) => ({ label: printable(policy), color: colorOf(i), dash: null }))
  const ticks = thinValues(
    rows.map(({ x }) => x),
    9,
  )
  const x = valueAxisX(ticks, range.scale === 'log', value => formatValue(value, range.unit), parameter)
  const y = timeAxisY(rows.flatMap(({ low, high }) => [low, high]))
  const svg = plot(`${metric} of ${policies.join(' and ')} over ${parameter}, and where they cross`, {
    height: Math.max(400, legendHeight(legend)),
    marginLeft: 70,
    marginBottom: 48,
    marginTop: 30,
    marginRight: legendWidth(legend),
    x: { ...x.scale, domain: [range.from, range.to] },
    y: y.scale,
    color: { domain: legend.map(({ label }) => label), range: legend.map(({ color }) => color) },
    marks: [
      ...x.marks,
      ...y.marks,
      Plot.rectX(crossings, { x1: 'low', x2: 'high', fill: 'currentColor', fillOpacity: 0.15 }),
      Plot.ruleX(crossings, { x: 'value', stroke: 'currentColor', strokeDasharray: '4 3' }),
      Plot.text(crossings, {
        x: 'value',
        text: ({ value }: { value: number }) => formatValue(value, range.unit),
        frameAnchor: 'top',
        dy: -18,
        fontSize: 12,
        fontWeight: 'bold',
      }),
      Plot.areaY(rows, { x: 'x', y1: 'low', y2: 'high', fill: 'policy', fillOpacity: 0.2 }),
      Plot.line(rows, { x: 'x', y: 'median', stroke: 'policy', strokeWidth: 1.8 }),
      Plot.dot(rows, { x: 'x', y: 'median', fill: 'policy', r: 3 }),
    ],
  })
  return {
    name: 'breakeven',
    title: `${metric} over ${parameter}`,
    caption: `Medians over ${seeds} seeds, their bands from the 10th to the 90th percentile. The dashed line: where the policies cross, with the confidence band of it in grey.`,
    svg: withLegend(svg, legend),
  }
}

/** What was found, in a sentence a crossing, or one in all. */
export function breakEvenSentences({ parameter, range, policies, metric, seeds, result }: BreakEvenReport): string[] {
  const { points, crossings } = result
  const show = (value: number): string => formatValue(value, range.unit)
  const idle = hasEffect(points) ? '' : ` ${parameter} has no effect on either.`
  if (points.every(({ timesNs: [a, b] }) => areEqual(a, b))) {
    return [
      `${policies[0]} and ${policies[1]} are equal in ${metric} from ${parameter} ${show(range.from)} to ${show(range.to)}: no break-even between.${idle}`,
    ]
  }
  if (crossings.length === 0) {
    const [first, last] = [points[0], points[points.length - 1]].map(({ timesNs }) =>
      timesNs.map(times => quantilesOf(times).median),
    )
    const winner = first[0] <= first[1] ? 0 : 1
    const times = (medians: readonly number[]): string =>
      `${formatDurationNs(medians[winner])} against ${formatDurationNs(medians[1 - winner])}`
    return [
      `${policies[winner]} has its ${metric} first from ${parameter} ${show(range.from)} (${times(first)}) to ${show(range.to)} (${times(last)}): no break-even between.${idle}`,
    ]
  }
  return crossings.map(({ value, low, high, confidence, firstBelow, values }) => {
    const whole = values.length === seeds ? '' : `; ${seeds - values.length} of ${seeds} seeds do not cross`
    return `Below ${parameter} ${show(value)} (${show(low)} to ${show(high)} with ${Math.floor(confidence * 100)} % confidence${whole}) ${policies[firstBelow]} has its ${metric} first, above it ${policies[1 - firstBelow]}.`
  })
}

/** Whether a time differs between two values of the parameter, of any seed. */
function hasEffect(points: BreakEven['points']): boolean {
  const [{ timesNs: first }] = points
  return points.some(({ timesNs }) => timesNs.some((times, policy) => !areEqual(times, first[policy])))
}

function areEqual(a: readonly number[], b: readonly number[]): boolean {
  return a.every((time, seed) => time === b[seed])
}
