/** A line a policy over time, by uPlot. The line near the pointer stands out, and its value is said in the place of the hint. */
import { useEffect, useRef, useState } from 'preact/hooks'
import uPlot from 'uplot'
import { type TimeScale, ticksOf } from '../figures/scale.ts'
import type { ResultSeries } from '../figures/series.ts'
import { duration, shortDuration } from '../format.ts'
import { cssColor, useThemeCount } from '../ui/theme.ts'

export interface Line extends ResultSeries {
  /** On the grid. */
  readonly values: readonly number[]
}

interface LineChartProps {
  readonly title: string
  readonly hint: string
  readonly lines: readonly Line[]
  /** Times, ns, ascending. */
  readonly grid: readonly number[]
  readonly scale: TimeScale
  /** Upper end of the y axis. */
  readonly top: number
  readonly formatY: (value: number) => string
  /** What stands there without a line. */
  readonly empty: string
  /** A line in words, for those who do not see it. */
  readonly describe: (line: Line) => string
}

interface PlotProps extends LineChartProps {
  /** Called with what the pointer is on; with nothing when it has left. */
  readonly onReadout: (text: string) => void
}

const HEIGHT = 250
const QUARTERS = [0, 0.25, 0.5, 0.75, 1]
const AXIS_FONT = '11px system-ui, sans-serif'
/** How near the pointer has to be, px. */
const FOCUS_PX = 24

export function LineChart(props: LineChartProps) {
  const { title, hint, lines, describe, empty } = props
  const [readout, setReadout] = useState('')
  return (
    <figure class="panel chart">
      <header>
        <h2>{title}</h2>
        <span class="dim">{readout || hint}</span>
      </header>
      {lines.length === 0 ? <p class="state">{empty}</p> : <Plot {...props} onReadout={setReadout} />}
      <ul class="hidden">
        {lines.map(line => (
          <li key={line.policy}>{describe(line)}</li>
        ))}
      </ul>
    </figure>
  )
}

function Plot({ title, lines, grid, scale, top, formatY, onReadout }: PlotProps) {
  const host = useRef<HTMLDivElement>(null)
  const theme = useThemeCount()
  const content = JSON.stringify([
    lines.map(({ policy, values }) => [policy, values.at(-1), values.length]),
    scale,
    top,
  ])
  // `content` stands for lines, grid and scale, which are new objects at every look.
  useEffect(() => {
    const element = host.current!
    const chart = new uPlot(
      optionsOf(element.clientWidth, lines, scale, top, formatY, onReadout),
      [[...grid], ...lines.map(({ values }) => [...values])],
      element,
    )
    const resize = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: HEIGHT }))
    resize.observe(element)
    return () => {
      resize.disconnect()
      chart.destroy()
    }
  }, [content, theme])
  return <div ref={host} class="plot" role="img" aria-label={`${title}, ${lines.length} policies`} />
}

function optionsOf(
  width: number,
  lines: readonly Line[],
  { name, fromNs, toNs }: TimeScale,
  top: number,
  formatY: (value: number) => string,
  onReadout: (text: string) => void,
): uPlot.Options {
  const axis = {
    stroke: cssColor('--dim'),
    font: AXIS_FONT,
    grid: { stroke: cssColor('--line'), width: 1 },
    ticks: { show: false },
  }
  let focused: number | null = null
  const tell = ({ data, cursor: { idx } }: uPlot): void => {
    if (idx === null || idx === undefined) return onReadout('')
    const line = focused === null ? null : lines[focused - 1]
    const time = duration(data[0][idx])
    onReadout(line === null ? time : `${time} · ${line.label} · ${formatY(line.values[idx])}`)
  }
  return {
    width,
    height: HEIGHT,
    padding: [8, 22, 0, 0],
    legend: { show: false },
    cursor: { focus: { prox: FOCUS_PX }, drag: { x: true, y: false }, points: { size: 6 } },
    focus: { alpha: 0.25 },
    scales: {
      x: {
        time: false,
        distr: name === 'log' ? 3 : 1,
        range: (_chart, from, to) => (from === to ? [fromNs, toNs] : [from, to]),
      },
      y: { range: [0, top * 1.02] },
    },
    axes: [
      {
        ...axis,
        size: 28,
        splits: (_chart, _axis, from, to) => ticksOf({ name, fromNs: from, toNs: to }),
        // uPlot leaves out most of those of a logarithmic axis.
        filter: (_chart, splits) => splits,
        values: (_chart, splits) => splits.map(shortDuration),
      },
      {
        ...axis,
        size: 58,
        splits: () => QUARTERS.map(part => part * top),
        values: (_chart, splits) => splits.map(formatY),
      },
    ],
    series: [
      {},
      ...lines.map(({ label, color, dash }) => ({
        label,
        stroke: color,
        width: 1.75,
        points: { show: false },
        ...(dash === null ? {} : { dash: [...dash] }),
      })),
    ],
    hooks: {
      setCursor: [tell],
      setSeries: [
        (chart, index) => {
          focused = index
          tell(chart)
        },
      ],
    },
  }
}
