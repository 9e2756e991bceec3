/** Distribution of fault latency: the share of faults resolved within a time, one line a policy that had faults. */
import * as Plot from '@observablehq/plot'
import {
  FIGURE_WIDTH,
  type Figure,
  legendHeight,
  legendWidth,
  logTimeAxis,
  type Point,
  plot,
  stepLines,
  thin,
  withLegend,
} from './plot.ts'
import type { Series } from './series.ts'

const MARGIN_LEFT = 70

/** Null when nobody had a fault. */
export function latencyFigure(all: readonly Series[]): Figure | null {
  const series = all.filter(({ result }) => result.latencyCdf.length > 0)
  if (series.length === 0) return null
  const lines = new Map(series.map(one => [one, latencyLine(one)]))
  const times = [...lines.values()].flatMap(line => line.map(({ x }) => x))
  // A little room on both sides; it also gives a single latency an axis.
  const from = Math.min(...times) / 1.1
  const to = Math.max(...times) * 1.1
  const pixel = Math.log(to / from) / FIGURE_WIDTH
  const width = FIGURE_WIDTH - MARGIN_LEFT - legendWidth(series)
  const time = logTimeAxis(from, to, width, 'from the access to the vCPU running again')
  const svg = plot('Share of faults resolved within a time, a line for each policy', {
    height: Math.max(380, legendHeight(series)),
    marginLeft: MARGIN_LEFT,
    marginRight: legendWidth(series),
    marginBottom: 48,
    x: time.scale,
    y: { label: null, tickFormat: (share: number) => `${Math.round(share * 100)} %`, grid: true, domain: [0, 1] },
    marks: [
      ...time.marks,
      ...stepLines(series, one => thin(lines.get(one)!, pixel, 1 / 400, Math.log)),
      Plot.dot(
        series.filter(({ result }) => result.faultLatencyNs !== null),
        {
          x: ({ result }: Series) => Math.max(1, result.faultLatencyNs!.p99),
          y: 0.99,
          fill: 'color',
          stroke: 'white',
          strokeWidth: 1,
          r: 4,
        },
      ),
    ],
  })
  return {
    name: 'latency',
    title: 'Fault latency: share of faults resolved within a time',
    caption: 'Further left is better; the dot marks p99. Time is logarithmic. Policies without faults have no line.',
    svg: withLegend(svg, series),
  }
}

/** From no fault up to all of them. */
function latencyLine({ result: { latencyCdf } }: Series): Point[] {
  const points = latencyCdf.map(([ns, share]) => ({ x: Math.max(1, ns), y: share }))
  return [{ x: points[0].x, y: 0 }, ...points]
}
