/** When the VM runs, when its work is done, when all memory is there: three bars a policy on one scale of time. */
import type { RestoreRecord } from 'lazyrestore/client'
import { leadOf } from '../figures/lead.ts'
import { placeAt, type ScaleName, ticksOf, timeScale } from '../figures/scale.ts'
import type { ResultSeries } from '../figures/series.ts'
import { Swatch } from '../figures/swatch.tsx'
import { duration, shortDuration } from '../format.ts'

interface Figure {
  readonly key: 'resumeNs' | 'workDoneNs' | 'residentNs'
  readonly title: string
  readonly name: string
}

const FIGURES: readonly Figure[] = [
  { key: 'resumeNs', title: 'resume', name: 'resume' },
  { key: 'workDoneNs', title: 'work done', name: 'work' },
  { key: 'residentNs', title: 'all resident', name: 'resident' },
]

interface TimeBarsProps {
  readonly series: readonly ResultSeries[]
  readonly scale: ScaleName
}

export function TimeBars({ series, scale: scaleName }: TimeBarsProps) {
  const times = series.flatMap(({ result }) => FIGURES.map(({ key }) => result[key] ?? 0))
  const scale = timeScale(scaleName, times)
  const ticks = ticksOf(scale)
  const best = bestOf(series.map(({ result }) => result))
  return (
    <section class="panel times" aria-labelledby="times-title">
      <header>
        <h2 id="times-title">Times</h2>
        <span class="dim">{leadOf(series)}</span>
        <ul class="legend" aria-hidden="true">
          {FIGURES.map(({ title, name }) => (
            <li key={name}>
              <span class={`key ${name}`} /> {title}
            </li>
          ))}
        </ul>
      </header>
      <div class="time-row head" aria-hidden="true">
        <span class="label">policy</span>
        <span class="track axis">
          {ticks.map(ns => (
            <span key={ns} style={{ left: `${100 * placeAt(scale, ns)}%` }}>
              {shortDuration(ns)}
            </span>
          ))}
        </span>
        {FIGURES.map(({ title, name }) => (
          <span key={name} class="value">
            {title}
          </span>
        ))}
      </div>
      <ul class="time-bars">
        {series.map(one => (
          <li key={one.policy} class="time-row">
            <span class="label" title={one.label}>
              <Swatch series={one} />
              <span>{one.label}</span>
            </span>
            <span class="track" aria-hidden="true">
              {ticks.map(ns => (
                <i key={ns} style={{ left: `${100 * placeAt(scale, ns)}%` }} />
              ))}
              {FIGURES.map(({ key, name }) => (
                <b key={name} class={name} style={{ width: `${100 * placeAt(scale, one.result[key] ?? 0)}%` }} />
              ))}
            </span>
            {FIGURES.map(({ key, name, title }) => (
              <span key={name} class={`value ${name} ${isBest(one.result[key], best[key]) ? 'best' : ''}`}>
                <span class="hidden">{title} </span>
                {one.result[key] === null ? 'never' : duration(one.result[key])}
              </span>
            ))}
          </li>
        ))}
      </ul>
    </section>
  )
}

function bestOf(results: readonly RestoreRecord[]): Record<Figure['key'], number> {
  const least = (key: Figure['key']): number =>
    results.reduce((best, result) => Math.min(best, result[key] ?? Number.POSITIVE_INFINITY), Number.POSITIVE_INFINITY)
  return { resumeNs: least('resumeNs'), workDoneNs: least('workDoneNs'), residentNs: least('residentNs') }
}

/** Values that read alike are alike. */
function isBest(ns: number | null, bestNs: number): boolean {
  return ns !== null && duration(ns) === duration(bestNs)
}
