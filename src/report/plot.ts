/**
 * What the figures share: Observable Plot over linkedom's document (no browser) to SVG text, axes of time that read well,
 * and a legend. Text takes the colour of the page that the figure stands in (currentColor).
 */
import * as Plot from '@observablehq/plot'
import { parseHTML } from 'linkedom'
import { formatDurationNs } from '../core/units.ts'
import { escapeMarkup } from './markup.ts'
import { breakLabel, type Series } from './series.ts'

export const FIGURE_WIDTH = 860
/** Characters in a line of a label beside a figure. */
export const LABEL_CHARACTERS = 24
const LINE_HEIGHT = 15

export interface Figure {
  /** A file name without its ending. */
  readonly name: string
  readonly title: string
  readonly caption: string
  readonly svg: string
}

/** Draws the marks. @param description what a reader hears who cannot see the figure */
export function plot(description: string, options: Plot.PlotOptions): string {
  const { document } = parseHTML('<html><body></body></html>')
  const style = { background: 'transparent', color: 'currentColor', fontFamily: 'system-ui, sans-serif' }
  const svg = Plot.plot({
    width: FIGURE_WIDTH,
    className: 'plot',
    document,
    style,
    ...options,
  } as unknown as Plot.PlotOptions)
  svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg')
  svg.setAttribute('role', 'img')
  svg.setAttribute('aria-label', description)
  return shortPaths(svg.outerHTML)
}

/** A hundredth of a pixel is enough; more digits only make the file three times as long. */
function shortPaths(svg: string): string {
  return svg.replace(/ d="[^"]*"/g, path => path.replace(/\d+\.\d{3,}/g, digits => String(+Number(digits).toFixed(2))))
}

/** Room for labels of `fontSize` beside a plot, the longest line counted. */
export function labelWidth(labels: readonly string[], fontSize: number): number {
  const lines = labels.flatMap(label => breakLabel(label, LABEL_CHARACTERS))
  return Math.ceil(Math.max(...lines.map(line => line.length)) * fontSize * 0.62)
}

/** What a legend shows of a row or a policy. */
export type LegendEntry = Pick<Series, 'label' | 'color' | 'dash'>

/** Room to the right of a plot for the legend that `withLegend` puts there. */
export function legendWidth(series: readonly LegendEntry[]): number {
  return (
    labelWidth(
      series.map(({ label }) => label),
      11,
    ) + 60
  )
}

/** The height that the legend needs, so that a figure of many rows is tall enough. */
export function legendHeight(series: readonly LegendEntry[]): number {
  const lines = series.flatMap(({ label }) => breakLabel(label, LABEL_CHARACTERS))
  return 50 + LINE_HEIGHT * lines.length + 4 * series.length
}

/** Adds the names at the right edge, each behind a piece of its line. */
export function withLegend(svg: string, series: readonly LegendEntry[]): string {
  const left = FIGURE_WIDTH - legendWidth(series) + 18
  let y = 30
  const entries = series.map(({ label, color, dash }) => {
    const dashes = dash === null ? '' : ` stroke-dasharray="${dash}"`
    const key = `<line x1="${left}" x2="${left + 22}" y1="${y - 4}" y2="${y - 4}" stroke="${color}" stroke-width="2.5"${dashes}/>`
    const lines = breakLabel(label, LABEL_CHARACTERS).map(
      (line, i) => `<tspan x="${left + 28}" y="${y + i * LINE_HEIGHT}">${escapeMarkup(line)}</tspan>`,
    )
    y += lines.length * LINE_HEIGHT + 4
    return `${key}<text fill="currentColor" font-size="11" text-anchor="start">${lines.join('')}</text>`
  })
  return svg.replace(/<\/svg>$/, () => `<g aria-label="legend">${entries.join('')}</g></svg>`)
}

/** `0`, `100 ms`, `1.5 s`: a duration without the zeros that only say how exact it is. */
export function timeTick(ns: number): string {
  if (ns === 0) return '0'
  const text = formatDurationNs(ns)
  return text.includes('.') ? text.replace(/\.?0+ /, ' ') : text
}

/** What a time axis is, and the marks that draw it: its own grid, ticks and label, below the plot. */
export interface TimeAxis {
  readonly scale: Plot.ScaleOptions
  readonly marks: readonly Plot.Markish[]
}

export function linearTimeAxis(to: number, label: string): TimeAxis {
  const options = { ticks: 8, tickFormat: timeTick }
  return {
    scale: { domain: [0, to] },
    marks: [Plot.gridX({ ticks: 8 }), Plot.axisX({ ...options, ...axisLabel(label) })],
  }
}

/** An axis with fewer ticks does not say how far apart its points are. */
const FEWEST_TICKS = 3

/**
 * Marked at 1, 2 and 5 of every decade, or at 1 where these would touch; at round numbers between them where those are too
 * few. Ticks and texts are given one by one, because the scale's own choice leaves some of them without text.
 * @param width of the plot in pixels
 */
export function logTimeAxis(from: number, to: number, width: number, label: string): TimeAxis {
  const closest = (width / Math.log10(to / from)) * Math.log10(2)
  const mantissas = closest < 52 ? [1] : [1, 2, 5]
  const shown = logTicks(from, to, mantissas)
  return {
    scale: { type: 'log', domain: [from, to] },
    marks: [Plot.gridX(shown), Plot.axisX(shown, { x: tick => tick, text: timeTick, ...axisLabel(label) })],
  }
}

/** At the mantissas of every decade, or at round numbers where those are too few. */
function logTicks(from: number, to: number, mantissas: readonly number[]): number[] {
  const ticks: number[] = []
  for (let decade = Math.floor(Math.log10(from)); 10 ** decade <= to; decade++) {
    for (const mantissa of mantissas) ticks.push(Math.round(mantissa * 10 ** decade))
  }
  const inside = ticks.filter(tick => tick >= from && tick <= to)
  return inside.length < FEWEST_TICKS ? roundTicks(from, to) : inside
}

/** From this ratio of the largest to the smallest, an axis is logarithmic. */
const LOG_RATIO = 16
const MANY_DECADES = 1000

/** An upright axis of times: logarithmic where they are far apart. @param times at least one, in ns */
export function timeAxisY(times: readonly number[]): TimeAxis {
  const least = times.reduce((low, time) => Math.min(low, time), Number.POSITIVE_INFINITY)
  const most = times.reduce((high, time) => Math.max(high, time), 1)
  const text = { y: (tick: number) => tick, text: timeTick, label: null }
  if (least < 1 || most / least < LOG_RATIO) {
    const ticks = least === most ? [most] : roundTicks(Math.min(least, most * 0.9), most)
    return { scale: { zero: false }, marks: [Plot.gridY(ticks), Plot.axisY(ticks, text)] }
  }
  const ticks = logTicks(least, most, most / least > MANY_DECADES ? [1] : [1, 2, 5])
  return { scale: { type: 'log' }, marks: [Plot.gridY(ticks), Plot.axisY(ticks, text)] }
}

/** An axis of a variable, marked at these values. */
export function valueAxisX(
  values: readonly number[],
  isLog: boolean,
  show: (value: number) => string,
  label: string,
): TimeAxis {
  return {
    scale: { type: isLog ? 'log' : 'linear' },
    marks: [Plot.axisX([...values], { x: value => value, text: show, ...axisLabel(label) })],
  }
}

/** Whether numbers are so far apart that they belong on a logarithmic axis. */
export function areFarApart(values: readonly number[]): boolean {
  const low = values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY)
  return low > 0 && values.reduce((most, value) => Math.max(most, value), 0) / low >= LOG_RATIO
}

/** At most so many of the values, evenly taken, the first and the last among them. */
export function thinValues(values: readonly number[], most: number): number[] {
  const sorted = [...new Set(values)].sort((a, b) => a - b)
  if (sorted.length <= most) return sorted
  return Array.from({ length: most }, (_, i) => sorted[Math.round((i * (sorted.length - 1)) / (most - 1))])
}

/** Three to eight multiples of 1, 2 or 5 of a decade in [from, to]. */
function roundTicks(from: number, to: number): number[] {
  const decade = 10 ** Math.floor(Math.log10((to - from) / 4))
  const step = [1, 2, 5, 10].map(mantissa => mantissa * decade).find(size => (to - from) / size <= 7)!
  const first = Math.ceil(from / step)
  return Array.from({ length: Math.floor(to / step) - first + 1 }, (_, i) => (first + i) * step)
}

function axisLabel(label: string): Plot.AxisXOptions {
  return { label, labelAnchor: 'center', labelArrow: 'none', labelOffset: 38 }
}

/** A point of a line, on its axes. */
export interface Point {
  readonly x: number
  readonly y: number
}

/** Leaves out points nearer than `dx` and `dy` to the last kept one: they would fall on the same pixel. Ends are kept. */
export function thin(points: readonly Point[], dx: number, dy: number, place = (x: number) => x): Point[] {
  const kept: Point[] = []
  for (const [i, point] of points.entries()) {
    const last = kept[kept.length - 1]
    const far = last === undefined || Math.abs(place(point.x) - place(last.x)) >= dx || Math.abs(point.y - last.y) >= dy
    if (far || i === points.length - 1) kept.push(point)
  }
  return kept
}

/** A step line for each series. One mark a series, since a mark has one dash. */
export function stepLines(series: readonly Series[], pointsOf: (series: Series) => readonly Point[]): Plot.Markish[] {
  return series.map(one =>
    Plot.line(pointsOf(one), {
      x: 'x',
      y: 'y',
      stroke: one.color,
      strokeWidth: 1.8,
      curve: 'step-after',
      ...(one.dash === null ? {} : { strokeDasharray: one.dash }),
    }),
  )
}
