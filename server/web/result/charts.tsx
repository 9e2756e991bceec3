/** Latency of faults and residency over time, a line a policy. */

import { gridOf, sampleLines, sampleSteps } from '../figures/sample.ts'
import { type ScaleName, timeScale } from '../figures/scale.ts'
import type { ResultSeries } from '../figures/series.ts'
import { bytes, duration } from '../format.ts'
import { LineChart } from './line-chart.tsx'

interface ChartsProps {
  readonly series: readonly ResultSeries[]
  readonly scale: ScaleName
}

export function Charts({ series, scale }: ChartsProps) {
  return (
    <div class="charts">
      <LatencyChart series={series} />
      <ResidencyChart series={series} scale={scale} />
    </div>
  )
}

function LatencyChart({ series }: { series: readonly ResultSeries[] }) {
  const faulting = series.filter(({ result }) => result.latencyCdf.length > 0)
  const scale = timeScale(
    'log',
    faulting.flatMap(({ result }) => result.latencyCdf.map(([ns]) => ns)),
  )
  const grid = gridOf(scale)
  const lines = faulting.map(one => {
    const points = one.result.latencyCdf
    return {
      ...one,
      values: sampleSteps(
        points.map(([ns]) => ns),
        points.map(([, part]) => part),
        grid,
      ),
    }
  })
  return (
    <LineChart
      title="Fault latency"
      hint="share of faults that took no longer"
      lines={lines}
      grid={grid}
      scale={scale}
      top={1}
      formatY={part => `${Math.round(part * 100)} %`}
      empty="None of these policies has faults to wait for."
      describe={({ label, result: { faultLatencyNs } }) =>
        `${label}: half within ${duration(faultLatencyNs?.p50 ?? null)}, 99 % within ${duration(faultLatencyNs?.p99 ?? null)}`
      }
    />
  )
}

function ResidencyChart({ series, scale: scaleName }: ChartsProps) {
  const curved = series.filter(({ result }) => result.residency.length > 1)
  const scale = timeScale(
    scaleName,
    curved.flatMap(({ result }) => result.residency.map(({ timeNs }) => timeNs)),
  )
  const grid = gridOf(scale)
  const lines = curved.map(one => {
    const points = one.result.residency
    return {
      ...one,
      values: sampleLines(
        points.map(({ timeNs }) => timeNs),
        points.map(point => point.bytes),
        grid,
      ),
    }
  })
  return (
    <LineChart
      title="Residency"
      hint="memory that is there, over time"
      lines={lines}
      grid={grid}
      scale={scale}
      top={curved.reduce((most, { result }) => Math.max(most, result.snapshot.bytes), 1)}
      formatY={bytes}
      empty="The engine has no residency of these policies."
      describe={({ label, result: { residentNs } }) =>
        `${label}: all resident ${residentNs === null ? 'never' : `after ${duration(residentNs)}`}`
      }
    />
  )
}
