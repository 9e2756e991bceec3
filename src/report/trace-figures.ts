/**
 * Figures of traces as SVG text: how a trace comes to its pages, how long its runs are, how soon it comes back, how uneven its
 * accesses are; and of two traces, what a recording is worth that is cut. Loading this file loads Observable Plot.
 */
import * as Plot from '@observablehq/plot'
import { formatCount } from '../core/units.ts'
import type { TraceDiff } from '../working-set/trace-diff.ts'
import type { TraceStats } from '../workload/trace-stats.ts'
import { type Figure, linearTimeAxis, plot } from './plot.ts'

const HEIGHT = 320
const MARGINS = { marginLeft: 80, marginBottom: 48, marginRight: 24 }
const COLOR = '#2563eb'
/** Okabe and Ito's, which most people can tell apart. */
const COLORS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#56b4e9', '#e69f00']

/** Those for which the trace has something to show. */
export function traceFigures(stats: TraceStats): Figure[] {
  return [
    firstTouches(stats),
    histogram('runs', 'Runs of neighbouring pages, by length', 'pages in a run', 'runs', stats.runLengths),
    histogram(
      'reuse',
      'Accesses that come back to a page, by the pages touched since (LRU stack distance)',
      'distinct pages since the last access of the page',
      'accesses',
      stats.reuseDistances,
    ),
    ranks(stats),
  ].filter(figure => figure !== null)
}

function firstTouches({ workingSetCurve }: TraceStats): Figure | null {
  if (workingSetCurve.length < 2) return null
  const last = workingSetCurve[workingSetCurve.length - 1]
  const time = linearTimeAxis(Math.max(1, last.timeNs), 'time on resident memory')
  const title = 'Distinct pages touched by a time'
  const svg = plot(title, {
    height: HEIGHT,
    ...MARGINS,
    x: time.scale,
    y: { label: null, grid: true, domain: [0, last.pages], tickFormat: formatCount },
    marks: [
      ...time.marks,
      Plot.line(workingSetCurve, { x: 'timeNs', y: 'pages', stroke: COLOR, strokeWidth: 1.8, curve: 'step-after' }),
    ],
  })
  return {
    name: 'first-touches',
    title,
    caption: 'Where the line is flat, the trace stays within its working set.',
    svg,
  }
}

/** Bars over buckets [2^k, 2^(k+1)). */
function histogram(name: string, title: string, x: string, y: string, buckets: readonly number[]): Figure | null {
  if (buckets.every(count => count === 0)) return null
  const bars = buckets.map((count, k) => ({ bucket: bucketName(k), count }))
  const svg = plot(title, {
    height: HEIGHT,
    ...MARGINS,
    x: {
      label: x,
      domain: bars.map(({ bucket }) => bucket),
      labelAnchor: 'center',
      labelArrow: 'none',
      labelOffset: 40,
    },
    y: { label: y, grid: true, tickFormat: formatCount },
    marks: [Plot.barY(bars, { x: 'bucket', y: 'count', fill: COLOR }), Plot.ruleY([0])],
  })
  return { name, title, caption: 'Each bar is twice as wide as the one before it.', svg }
}

function bucketName(k: number): string {
  if (k === 0) return '1'
  return k < 7 ? `${2 ** k}–${2 ** (k + 1) - 1}` : `2^${k}`
}

function ranks({ rankCounts, zipf, accesses }: TraceStats): Figure | null {
  if (zipf === null) return null
  const pages = rankCounts[rankCounts.length - 1][0]
  let weight = 0
  for (let rank = 1; rank <= pages; rank++) weight += rank ** -zipf.skew
  const law = rankCounts.map(([rank]) => ({ x: rank, y: (accesses * rank ** -zipf.skew) / weight }))
  const found = rankCounts.map(([rank, count]) => ({ x: rank, y: count }))
  const title = 'Accesses of a page, by its rank'
  const skew = zipf.skew.toFixed(2)
  const svg = plot(title, {
    height: HEIGHT,
    ...MARGINS,
    x: {
      type: 'log',
      label: 'rank',
      labelAnchor: 'center',
      labelArrow: 'none',
      labelOffset: 40,
      tickFormat: formatCount,
    },
    y: { type: 'log', label: 'accesses', grid: true, tickFormat: formatCount },
    marks: [
      Plot.line(found, { x: 'x', y: 'y', stroke: COLOR, strokeWidth: 1.8 }),
      Plot.line(
        law.filter(({ y }) => y >= 0.5),
        { x: 'x', y: 'y', stroke: 'currentColor', strokeDasharray: '4 3' },
      ),
    ],
  })
  const distance = (zipf.distance * 100).toFixed(1)
  const caption = `Dashed: the Zipf law that fits best, skew ${skew}; shares up to a rank differ by at most ${distance} %.`
  return { name: 'ranks', title, caption, svg }
}

/** Recall of the first pages of A in each other run. */
export function diffFigure({ runs }: TraceDiff): Figure | null {
  const shown = runs.filter(({ prefixes }) => prefixes.length > 1).slice(0, COLORS.length)
  if (shown.length === 0) return null
  const title = 'Share of the pages of a run that the first pages of A are'
  const svg = plot(title, {
    height: HEIGHT,
    ...MARGINS,
    marginRight: 130,
    x: {
      label: 'pages of A, in the order of first use',
      labelAnchor: 'center',
      labelArrow: 'none',
      labelOffset: 40,
      tickFormat: formatCount,
    },
    y: { label: null, domain: [0, 1], grid: true, tickFormat: (share: number) => `${Math.round(share * 100)} %` },
    marks: shown.flatMap(({ b, prefixes }, i) => [
      Plot.line(prefixes, { x: 'listed', y: 'recall', stroke: COLORS[i], strokeWidth: 1.8 }),
      Plot.text([prefixes[prefixes.length - 1]], {
        x: 'listed',
        y: 'recall',
        text: () => shortName(b),
        fill: COLORS[i],
        textAnchor: 'start',
        dx: 6,
        dy: i * 12 - 6 * (shown.length - 1),
      }),
    ]),
  })
  return {
    name: 'recall',
    title,
    caption: 'The recall of a recording that is cut after so many pages; a straight line: its order says nothing.',
    svg,
  }
}

function shortName(name: string): string {
  const base = name.split('/').at(-1)!
  return base.length <= 18 ? base : `${base.slice(0, 17)}…`
}
