/** Latency of faults and residency over time, a line a policy. */
import { useMemo } from 'preact/hooks'
import { latencyCurves, residencyCurves } from '../figures/curves.ts'
import type { ScaleName } from '../figures/scale.ts'
import type { ResultSeries } from '../figures/series.ts'
import { bytes, duration } from '../format.ts'
import { LineChart } from './line-chart.tsx'

interface ChartsProps {
  readonly series: readonly ResultSeries[]
  readonly scale: ScaleName
}

export function Charts({ series, scale }: ChartsProps) {
  const latency = useMemo(() => latencyCurves(series), [series])
  const residency = useMemo(() => residencyCurves(series, scale), [series, scale])
  return (
    <div class="charts">
      <LineChart
        title="Fault latency"
        hint="share of faults that took no longer"
        curves={latency}
        formatY={part => `${Math.round(part * 100)} %`}
        empty="None of these policies has faults to wait for."
        describe={({ label, result: { faultLatencyNs } }) =>
          `${label}: half within ${duration(faultLatencyNs?.p50 ?? null)}, 99 % within ${duration(faultLatencyNs?.p99 ?? null)}`
        }
      />
      <LineChart
        title="Residency"
        hint="memory that is there, over time"
        curves={residency}
        formatY={bytes}
        empty="The engine has no residency of these policies."
        describe={({ label, result: { residentNs } }) =>
          `${label}: all resident ${residentNs === null ? 'never' : `after ${duration(residentNs)}`}`
        }
      />
    </div>
  )
}
