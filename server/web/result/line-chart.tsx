/** A line a policy over time, by uPlot. The line near the pointer stands out, and its value is said in the place of the hint. */
import { useEffect, useRef, useState } from 'preact/hooks'
import uPlot from 'uplot'
import type { Curve, Curves } from '../figures/curves.ts'
import { ticksOf } from '../figures/scale.ts'
import { duration, shortDuration } from '../format.ts'
import { cssColor, useThemeCount } from '../ui/theme.ts'

interface LineChartProps {
  readonly title: string
  readonly hint: string
  /** Another object: other curves. */
  readonly curves: Curves
  readonly formatY: (value: number) => string
  /** What stands there without a line. */
  readonly empty: string
  /** A line in words, for those who do not see it. */
  readonly describe: (curve: Curve) => string
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
  const { title, hint, curves, describe, empty } = props
  const [readout, setReadout] = useState('')
  return (
    <figure class="panel chart">
      <header>
        <h2>{title}</h2>
        <span class="dim">{readout || hint}</span>
      </header>
      {curves.curves.length === 0 ? <p class="state">{empty}</p> : <Plot {...props} onReadout={setReadout} />}
      <ul class="hidden">
        {curves.curves.map(curve => (
          <li key={curve.policy}>{describe(curve)}</li>
        ))}
      </ul>
    </figure>
  )
}

function Plot({ title, curves, formatY, onReadout }: PlotProps) {
  const host = useRef<HTMLDivElement>(null)
  const theme = useThemeCount()
  // Made anew with other curves or colours; what the functions do stays the same.
  useEffect(() => {
    const element = host.current!
    const chart = new uPlot(
      optionsOf(element.clientWidth, curves, formatY, onReadout),
      [[...curves.grid], ...curves.curves.map(({ values }) => [...values])],
      element,
    )
    const resize = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: HEIGHT }))
    resize.observe(element)
    return () => {
      resize.disconnect()
      chart.destroy()
    }
  }, [curves, theme])
  return <div ref={host} class="plot" role="img" aria-label={`${title}, ${curves.curves.length} policies`} />
}

function optionsOf(
  width: number,
  { scale: { name, fromNs, toNs }, curves, top }: Curves,
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
    const curve = focused === null ? null : curves[focused - 1]
    const time = duration(data[0][idx])
    onReadout(curve === null ? time : `${time} · ${curve.label} · ${formatY(curve.values[idx])}`)
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
      ...curves.map(({ label, color, dash }) => ({
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
