/** How long each vCPU stood still in faults: a column a vCPU, on one scale for all policies. */

import type { ResultSeries } from '../figures/series.ts'
import { Swatch } from '../figures/swatch.tsx'
import { duration } from '../format.ts'

const HEIGHT = 28
/** Beyond so many columns a gap between them would be thinner than a pixel. */
const MOST_WITH_GAPS = 64

export function StallBars({ series }: { series: readonly ResultSeries[] }) {
  const most = series.reduce((max, { result }) => result.stallNs.perVcpu.reduce((a, b) => Math.max(a, b), max), 0)
  const vcpus = series[0].result.stallNs.perVcpu.length
  return (
    <section class="panel stalls" aria-labelledby="stalls-title">
      <header>
        <h2 id="stalls-title">Stall per vCPU</h2>
        <span class="dim">
          {vcpus} {vcpus === 1 ? 'vCPU' : 'vCPUs'}, a column each; the tallest is {duration(most)}
        </span>
      </header>
      <ul class="stall-grid">
        {series.map(one => (
          <li key={one.policy}>
            <span class="label" title={one.label}>
              <Swatch series={one} />
              <span>{one.label}</span>
            </span>
            <StallColumns series={one} most={most} />
            <span class="value">{duration(one.result.stallNs.total)}</span>
          </li>
        ))}
      </ul>
    </section>
  )
}

function StallColumns({ series, most }: { series: ResultSeries; most: number }) {
  const { perVcpu } = series.result.stallNs
  const gap = perVcpu.length > MOST_WITH_GAPS ? 0 : 0.15
  const label = perVcpu.map((ns, vcpu) => `vCPU ${vcpu}: ${duration(ns)}`).join('\n')
  return (
    <svg
      class="stall-columns"
      viewBox={`0 0 ${Math.max(4, perVcpu.length)} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={`Stall of ${series.label}. ${label}`}
    >
      <title>{label}</title>
      {perVcpu.map((ns, vcpu) => {
        const height = most === 0 ? 0 : (ns / most) * HEIGHT
        return (
          <rect key={vcpu} x={vcpu + gap} width={1 - 2 * gap} y={HEIGHT - height} height={height} fill={series.color} />
        )
      })}
    </svg>
  )
}
