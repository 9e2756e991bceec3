/**
 * The figures of a sweep: work done against each variable, heat maps of it over pairs of variables, a facet a policy, and who
 * is first where. Loading this file loads Observable Plot.
 */
import * as Plot from '@observablehq/plot'
import { formatDurationNs } from '../core/units.ts'
import {
  areFarApart,
  type Figure,
  type LegendEntry,
  legendHeight,
  legendWidth,
  plot,
  thinValues,
  timeAxisY,
  valueAxisX,
  withLegend,
} from './plot.ts'
import { breakLabel, colorOf, printable } from './series.ts'
import { type Axis, axesOf, formatValue, groupBy, policiesOf, quantilesOf, type SweepPoint } from './sweep-axes.ts'

/** Variables that have a figure of their own, and pairs that have heat maps. */
const MOST_AXES = 6
const MOST_PAIRS = 3
const MOST_FACETS = 6
const FACET_COLUMNS = 2

export function sweepFigures(points: readonly SweepPoint[], variables: readonly string[]): Figure[] {
  if (points.length === 0) return []
  const axes = axesOf(points, variables)
  const numeric = axes.filter(({ unit }) => unit !== null)
  const facet = axes.find(({ unit, values }) => unit === null && values <= MOST_FACETS) ?? null
  const pairs = numeric.flatMap((x, i) => numeric.slice(i + 1).map(y => [x, y] as const)).slice(0, MOST_PAIRS)
  const policies = policiesOf(points)
  return [
    ...numeric.slice(0, MOST_AXES).map((axis, i) => lineFigure(points, axis, facet, `against-${i}`)),
    ...(pairs.length > 0 || axes.length === 0 ? [] : [policyHeatMap(points, axes[0])]),
    ...pairs.flatMap(([x, y], i) => [
      heatMaps(points, x, y, `heat-${i}`),
      ...(policies.names.length > 1 ? [winnerMap(points, x, y, `winner-${i}`)] : []),
    ]),
  ]
}

/** Median of work done at each value, with the middle four fifths as a band; a dot a cell where values were drawn. */
function lineFigure(points: readonly SweepPoint[], axis: Axis, facet: Axis | null, name: string): Figure {
  const policies = policiesOf(points)
  const isDrawn = axis.values !== axis.places.length
  const rows = isDrawn ? points.map(point => rowOf([point], point)) : groupRows()
  function rowOf(group: readonly SweepPoint[], first: SweepPoint) {
    const { low, median, high } = quantilesOf(group.map(({ result }) => result.workDoneNs))
    const policy = policies.of(first)
    return { x: axis.value(first), low, median, high, policy, facet: facet?.place(first) ?? '' }
  }
  function groupRows() {
    const key = (point: SweepPoint): string =>
      JSON.stringify([axis.value(point), policies.of(point), facet?.place(point) ?? ''])
    return [...groupBy(points, key).values()].map(group => rowOf(group, group[0])).sort((a, b) => a.x - b.x)
  }
  const xs = rows.map(({ x }) => x)
  const fx = facet === null ? {} : { fx: 'facet' }
  const color = { domain: policies.names, range: policies.names.map((_, i) => colorOf(i)) }
  const ticks = thinValues(xs, facet === null ? 9 : 4)
  const x = valueAxisX(ticks, areFarApart(xs), value => formatValue(value, axis.unit), axis.name)
  const y = timeAxisY(rows.flatMap(({ low, high }) => (isDrawn ? [low] : [low, high])))
  const legend = legendOf(policies.names)
  const band = { ...fx, x: 'x', y1: 'low', y2: 'high', fill: 'policy', fillOpacity: 0.15 }
  const svg = plot(`Work done against ${axis.name}, a line for each policy`, {
    height: Math.max(380, legendHeight(legend)),
    marginLeft: 70,
    marginRight: legend.length === 0 ? 20 : legendWidth(legend),
    marginBottom: 48,
    x: x.scale,
    y: y.scale,
    fx: { label: facet?.name ?? null },
    color,
    marks: [
      ...x.marks,
      ...y.marks,
      ...(isDrawn
        ? []
        : [
            Plot.areaY(rows, band),
            Plot.line(rows, { ...fx, x: 'x', y: 'median', stroke: 'policy', strokeWidth: 1.8 }),
          ]),
      Plot.dot(rows, {
        ...fx,
        x: 'x',
        y: 'median',
        fill: 'policy',
        r: isDrawn ? 2 : 2.5,
        ...(isDrawn ? { fillOpacity: 0.6 } : {}),
      }),
    ],
  })
  const shown = isDrawn
    ? 'A dot a cell.'
    : 'The median over everything else that is varied; the band is from the 10th to the 90th percentile.'
  return {
    name,
    title: `Work done against ${axis.name}`,
    caption: `${shown} Lower is better.`,
    svg: withLegend(svg, legend),
  }
}

/** Heat maps over two variables, a facet a policy. */
function heatMaps(points: readonly SweepPoint[], x: Axis, y: Axis, name: string): Figure {
  const policies = policiesOf(points)
  const key = (point: SweepPoint): string => JSON.stringify([x.place(point), y.place(point), policies.of(point)])
  const cells = [...groupBy(points, key).values()].map(group => {
    const at = policies.names.indexOf(policies.of(group[0]))
    return {
      x: x.place(group[0]),
      y: y.place(group[0]),
      column: at % FACET_COLUMNS,
      row: Math.floor(at / FACET_COLUMNS),
      timeNs: quantilesOf(group.map(({ result }) => result.workDoneNs)).median,
    }
  })
  const titles = policies.names.map((policy, i) => ({
    policy: shortLabel(policy),
    column: i % FACET_COLUMNS,
    row: Math.floor(i / FACET_COLUMNS),
  }))
  const rows = Math.ceil(policies.names.length / FACET_COLUMNS)
  const facets = { fx: 'column', fy: 'row' }
  const svg = plot(`Heat maps of work done over ${x.name} and ${y.name}, one for each policy`, {
    height: 90 + rows * (60 + 26 * y.places.length),
    marginLeft: 90,
    marginBottom: 48,
    marginTop: 30,
    x: { domain: [...x.places], label: x.name, labelArrow: 'none', padding: 0.03 },
    y: { domain: [...y.places].reverse(), label: y.name, labelArrow: 'none', padding: 0.03 },
    fx: { axis: null, padding: 0.12 },
    fy: { axis: null, padding: 0.22 },
    color: { ...heatScale(cells) },
    marks: [
      Plot.cell(cells, { ...facets, x: 'x', y: 'y', fill: 'timeNs' }),
      heatText(cells, facets),
      Plot.text(titles, { ...facets, text: 'policy', frameAnchor: 'top', dy: -16, fontWeight: 'bold', fontSize: 12 }),
    ],
  })
  const title = `Work done over ${x.name} and ${y.name}, by policy`
  return { name, title, caption: 'The median over everything else that is varied; darker is later.', svg }
}

/** With one variable only: policies beside it. */
function policyHeatMap(points: readonly SweepPoint[], x: Axis): Figure {
  const policies = policiesOf(points)
  const key = (point: SweepPoint): string => JSON.stringify([x.place(point), policies.of(point)])
  const cells = [...groupBy(points, key).values()].map(group => ({
    x: x.place(group[0]),
    y: shortLabel(policies.of(group[0])),
    timeNs: quantilesOf(group.map(({ result }) => result.workDoneNs)).median,
  }))
  const svg = plot(`Heat map of work done over ${x.name} and policies`, {
    height: 100 + 28 * policies.names.length,
    marginLeft: 180,
    marginBottom: 48,
    x: { domain: [...x.places], label: x.name, labelArrow: 'none', padding: 0.03 },
    y: { domain: policies.names.map(shortLabel), label: null, padding: 0.06 },
    color: heatScale(cells),
    marks: [Plot.cell(cells, { x: 'x', y: 'y', fill: 'timeNs' }), heatText(cells, {})],
  })
  const title = `Work done over ${x.name}, by policy`
  return {
    name: 'heat-policies',
    title,
    caption: 'The median over everything else that is varied; darker is later.',
    svg,
  }
}

/** Who is first, by the median, at each place. */
function winnerMap(points: readonly SweepPoint[], x: Axis, y: Axis, name: string): Figure {
  const policies = policiesOf(points)
  const key = (point: SweepPoint): string => JSON.stringify([x.place(point), y.place(point)])
  const cells = [...groupBy(points, key).values()].map(group => {
    const medians = [...groupBy(group, policies.of)]
      .map(([policy, own]) => ({ policy, timeNs: quantilesOf(own.map(({ result }) => result.workDoneNs)).median }))
      .sort((a, b) => a.timeNs - b.timeNs)
    const [first, second] = medians
    const lead = second === undefined ? '' : `${(second.timeNs / first.timeNs).toFixed(2)}×`
    return { x: x.place(group[0]), y: y.place(group[0]), policy: first.policy, lead }
  })
  const legend = legendOf(policies.names)
  const svg = plot(`The policy that is done first over ${x.name} and ${y.name}`, {
    height: Math.max(100 + 30 * y.places.length, legendHeight(legend)),
    marginLeft: 90,
    marginRight: legendWidth(legend),
    marginBottom: 48,
    x: { domain: [...x.places], label: x.name, labelArrow: 'none', padding: 0.03 },
    y: { domain: [...y.places].reverse(), label: y.name, labelArrow: 'none', padding: 0.03 },
    color: { domain: policies.names, range: policies.names.map((_, i) => colorOf(i)) },
    marks: [
      Plot.cell(cells, { x: 'x', y: 'y', fill: 'policy' }),
      Plot.text(cells, { x: 'x', y: 'y', text: 'lead', fill: 'white', fontSize: 11 }),
    ],
  })
  return {
    name,
    title: `Who is done first over ${x.name} and ${y.name}`,
    caption: `By the median; the factor is the lead over the second.`,
    svg: withLegend(svg, legend),
  }
}

interface HeatCell {
  readonly x: string
  readonly y: string
  readonly timeNs: number
}

function heatScale(cells: readonly HeatCell[]): Plot.ScaleOptions {
  const [low, high] = rangeOf(cells)
  return { type: 'log', scheme: 'Blues', domain: [low / 1.5, high * 1.05] }
}

function heatText(cells: readonly HeatCell[], facets: object): Plot.Markish {
  const [low, high] = rangeOf(cells)
  const middle = Math.sqrt(low * high)
  const text = (cell: HeatCell): string => formatDurationNs(cell.timeNs)
  const fill = (cell: HeatCell): string => (cell.timeNs > middle ? 'white' : '#1a1a1a')
  return Plot.text(cells, { ...facets, x: 'x', y: 'y', text, fill, fontSize: 9 })
}

function rangeOf(cells: readonly HeatCell[]): [low: number, high: number] {
  const times = cells.map(({ timeNs }) => Math.max(1, timeNs))
  return [Math.min(...times), Math.max(...times)]
}

/** The policies by colour; none for one alone. */
function legendOf(names: readonly string[]): LegendEntry[] {
  return names.length < 2 ? [] : names.map((name, i) => ({ label: printable(name), color: colorOf(i), dash: null }))
}

const LABEL_CHARACTERS = 40

function shortLabel(label: string): string {
  const [first, ...more] = breakLabel(printable(label), LABEL_CHARACTERS)
  return more.length === 0 ? first : `${first}…`
}
