/** Memory resident over time, one line a policy, with a dot where its work is done. */
import * as Plot from '@observablehq/plot'
import { formatBytes } from '../core/units.ts'
import {
  FIGURE_WIDTH,
  type Figure,
  legendHeight,
  legendWidth,
  linearTimeAxis,
  logTimeAxis,
  type Point,
  plot,
  stepLines,
  thin,
  withLegend,
} from './plot.ts'
import type { Series } from './series.ts'

/** From this ratio of the latest to the earliest work done, a linear axis would press the early ones into its edge. */
const LOG_FROM_RATIO = 30
const MARGIN_LEFT = 70

/** Null when no engine has recorded residency. */
export function residencyFigure(all: readonly Series[]): Figure | null {
  const series = all.filter(({ result }) => result.residency.length > 0)
  if (series.length === 0) return null
  const results = series.map(({ result }) => result)
  const top = Math.max(...results.flatMap(({ snapshot, residency }) => [snapshot.bytes, residency.at(-1)!.bytes]))
  const done = results.map(({ workDoneNs }) => workDoneNs)
  const latest = Math.max(1, ...results.flatMap(({ workDoneNs, residency }) => [workDoneNs, residency.at(-1)!.timeNs]))
  const earliestDone = Math.min(...done)
  const earliest = Math.max(1, Math.min(...results.map(({ resumeNs }) => resumeNs)))
  const isLog = earliestDone > 0 && Math.max(...done) / earliestDone >= LOG_FROM_RATIO && earliest < latest
  const from = isLog ? earliest : 0
  const place = isLog ? Math.log : (x: number) => x
  const pixel = (place(latest) - place(from)) / FIGURE_WIDTH
  const lines = new Map(series.map(one => [one, residencyLine(one, from)]))
  const label = 'time since the restore was asked for'
  const width = FIGURE_WIDTH - MARGIN_LEFT - legendWidth(series)
  const time = isLog ? logTimeAxis(from, latest, width, label) : linearTimeAxis(latest, label)
  const svg = plot('Bytes of memory resident over time, a line for each policy', {
    height: Math.max(380, legendHeight(series)),
    marginLeft: MARGIN_LEFT,
    marginRight: legendWidth(series),
    marginBottom: 48,
    x: time.scale,
    y: { label: null, ticks: eighths(top), tickFormat: formatBytes, grid: true, domain: [0, top] },
    marks: [
      ...time.marks,
      ...stepLines(series, one => thin(lines.get(one)!, pixel, top / 400, place)),
      Plot.dot(series, {
        x: ({ result }: Series) => Math.max(from, result.workDoneNs),
        y: (one: Series) => valueAt(lines.get(one)!, one.result.workDoneNs),
        fill: 'color',
        stroke: 'white',
        strokeWidth: 1,
        r: 5,
      }),
    ],
  })
  return {
    name: 'residency',
    title: 'Memory resident over time',
    caption: `The dot marks the moment at which the work is done. A line that stops below the top is of a policy that never makes all memory resident. One that starts higher does not have to fetch zero pages.${isLog ? ' Time is logarithmic.' : ''}`,
    svg: withLegend(svg, series),
  }
}

/** The recorded points, no earlier than the axis starts, and on to the moment at which the work is done. */
function residencyLine({ result: { residency, workDoneNs } }: Series, from: number): Point[] {
  const points = residency.map(({ timeNs, bytes }) => ({ x: Math.max(from, timeNs), y: bytes }))
  const last = points[points.length - 1]
  return last.x < workDoneNs ? [...points, { x: workDoneNs, y: last.y }] : points
}

function valueAt(line: readonly Point[], time: number): number {
  return line.findLast(({ x }) => x <= time)?.y ?? line[0].y
}

/** Memory is a round number in binary, which a decimal axis would not show. */
function eighths(total: number): number[] {
  return Array.from({ length: 9 }, (_, i) => (i * total) / 8)
}
