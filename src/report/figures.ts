/**
 * Figures as SVG text, by Observable Plot over linkedom's document: no browser. Colours are Okabe and Ito's, told apart
 * by colour-blind readers too; a policy has the same one in every figure. Text takes the page's colour (currentColor).
 */
import * as Plot from '@observablehq/plot'
import { parseHTML } from 'linkedom'
import { formatBytes, formatDurationNs } from '../core/units.ts'
import type { RestoreResult } from '../engine/result.ts'
import { escapeMarkup } from './markup.ts'

const PALETTE = ['#0072b2', '#e69f00', '#009e73', '#d55e00', '#56b4e9', '#cc79a7', '#8c7a00', '#777777']
const WIDTH = 860

export interface Figure {
  /** A file name without its ending. */
  readonly name: string
  readonly title: string
  readonly caption: string
  readonly svg: string
}

export function renderFigures(results: readonly RestoreResult[]): Figure[] {
  return [timesFigure(results), residencyFigure(results), latencyFigure(results)].filter(figure => figure !== null)
}

/** The figure as a file of its own: on white, since it cannot know what it will stand on. */
export function standaloneSvg({ svg }: Figure): string {
  return `${svg.replace('background:transparent;color:currentColor', 'background:white;color:#1a1a1a')}\n`
}

function colorScale(results: readonly RestoreResult[]): Plot.ScaleOptions {
  const domain = results.map(({ policy }) => policy)
  return { domain, range: domain.map((_, i) => PALETTE[i % PALETTE.length]), legend: false }
}

const MILESTONES = ['resume', 'work done', 'all resident'] as const

/** Bars of resume, work done and all resident, policies by work done. */
function timesFigure(results: readonly RestoreResult[]): Figure {
  const sorted = [...results].sort((a, b) => a.workDoneNs - b.workDoneNs)
  const bars = sorted.flatMap(({ policy, resumeNs, workDoneNs, residentNs }) =>
    [resumeNs, workDoneNs, residentNs].map((timeNs, i) => ({ policy, milestone: MILESTONES[i], timeNs })),
  )
  const known = bars.filter(({ timeNs }) => timeNs !== null)
  const svg = plot({
    height: 60 + 54 * sorted.length,
    marginLeft: 150,
    marginRight: 110,
    x: { label: null, tickFormat: formatDurationNs, grid: true, nice: true },
    y: { label: null, axis: null, domain: MILESTONES },
    fy: { label: null, domain: sorted.map(({ policy }) => policy), padding: 0.25 },
    color: { domain: MILESTONES, range: ['#56b4e9', '#d55e00', '#999999'], legend: false },
    marks: [
      Plot.barX(known, { fy: 'policy', y: 'milestone', x: 'timeNs', fill: 'milestone' }),
      Plot.text(bars, {
        fy: 'policy',
        y: 'milestone',
        x: ({ timeNs }) => timeNs ?? 0,
        text: ({ milestone, timeNs }) =>
          timeNs === null ? `${milestone}: never` : `${milestone} ${formatDurationNs(timeNs)}`,
        textAnchor: 'start',
        dx: 4,
        fontSize: 10,
      }),
      Plot.axisFy({ anchor: 'left', label: null, fontSize: 12 }),
    ],
  })
  return {
    name: 'times',
    title: 'When the VM runs, when its work is done, when all memory is there',
    caption:
      'Sorted by work done. The VM running early is worth nothing by itself: its accesses may still have to wait.',
    svg,
  }
}

/** Memory resident over time, work done marked on each line. */
function residencyFigure(results: readonly RestoreResult[]): Figure {
  const total = results[0].snapshot.bytes
  const points = results.flatMap(({ policy, residency }) =>
    residency.map(({ timeNs, bytes }) => ({ policy, timeNs, bytes })),
  )
  const done = results.map(({ policy, residency, workDoneNs }) => ({
    policy,
    timeNs: workDoneNs,
    bytes: residency.filter(({ timeNs }) => timeNs <= workDoneNs).at(-1)?.bytes ?? 0,
  }))
  const svg = plot({
    height: 360,
    marginLeft: 70,
    marginRight: 130,
    x: { label: null, tickFormat: formatDurationNs, grid: true },
    y: { label: null, ticks: eighths(total), tickFormat: formatBytes, grid: true, domain: [0, total] },
    color: colorScale(results),
    marks: [
      Plot.line(points, { x: 'timeNs', y: 'bytes', stroke: 'policy', curve: 'step-after', strokeWidth: 1.6 }),
      Plot.dot(done, { x: 'timeNs', y: 'bytes', fill: 'policy', r: 4 }),
    ],
  })
  return {
    name: 'residency',
    title: 'Memory resident over time',
    caption:
      'The dot marks the moment at which the work is done. Lines of policies that never finish end where they stop.',
    svg: withLegend(svg, results),
  }
}

/** Memory is a round number in binary, which a decimal axis would not show. */
function eighths(total: number): number[] {
  return Array.from({ length: 9 }, (_, i) => (i * total) / 8)
}

/** Distribution of fault latency, for policies that had faults. */
function latencyFigure(results: readonly RestoreResult[]): Figure | null {
  const points = results.flatMap(({ policy, latencyCdf }) =>
    latencyCdf.map(([ns, share]) => ({ policy, ns: Math.max(1, ns), share })),
  )
  if (points.length === 0) return null
  const svg = plot({
    height: 360,
    marginLeft: 70,
    marginRight: 130,
    x: { label: null, type: 'log', tickFormat: logTick, grid: true },
    y: { label: null, tickFormat: (share: number) => `${Math.round(share * 100)} %`, grid: true, domain: [0, 1] },
    color: colorScale(results),
    marks: [Plot.line(points, { x: 'ns', y: 'share', stroke: 'policy', curve: 'step-after', strokeWidth: 1.6 })],
  })
  return {
    name: 'latency',
    title: 'Fault latency: share of faults resolved within a time',
    caption: 'From the access to the vCPU running again. Policies without faults that wait have no line.',
    svg: withLegend(
      svg,
      results.filter(({ latencyCdf }) => latencyCdf.length > 0),
      results,
    ),
  }
}

/** Decades and their 2s and 5s only. */
function logTick(ns: number): string {
  const mantissa = ns / 10 ** Math.floor(Math.log10(ns) + 1e-9)
  return [1, 2, 5].some(shown => Math.abs(mantissa - shown) < 1e-6) ? formatDurationNs(ns).replace(/\.0+ /, ' ') : ''
}

function plot(options: Plot.PlotOptions): string {
  const { document } = parseHTML('<html><body></body></html>')
  const style = { background: 'transparent', color: 'currentColor', fontFamily: 'system-ui, sans-serif' }
  const svg = Plot.plot({ width: WIDTH, className: 'plot', document, style, ...options } as unknown as Plot.PlotOptions)
  svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg')
  svg.setAttribute('role', 'img')
  return svg.outerHTML
}

/** Names at the right edge, in the colours of the lines. */
function withLegend(svg: string, shown: readonly RestoreResult[], all: readonly RestoreResult[] = shown): string {
  const entries = shown.map(({ policy }, i) => {
    const color = PALETTE[all.findIndex(result => result.policy === policy) % PALETTE.length]
    const y = 30 + 18 * i
    return `<circle cx="${WIDTH - 118}" cy="${y - 4}" r="5" fill="${color}"/><text x="${WIDTH - 108}" y="${y}" fill="currentColor" font-size="11" text-anchor="start">${escapeMarkup(policy)}</text>`
  })
  return svg.replace(/<\/svg>$/, `<g aria-label="legend">${entries.join('')}</g></svg>`)
}
