/** The time that the maps show: residency of both policies as a backdrop, when each resumes and is done, a slider, and play. */

import { placeAt, type TimeScale, ticksOf } from '../figures/scale.ts'
import type { ResultSeries } from '../figures/series.ts'
import { bytes, duration, shortDuration } from '../format.ts'

interface TimelineProps {
  readonly series: readonly ResultSeries[]
  readonly scale: TimeScale
  /** 0 to STEPS. */
  readonly step: number
  readonly timeNs: number
  readonly isPlaying: boolean
  readonly onStep: (step: number) => void
  readonly onPlay: () => void
}

export const STEPS = 1000
/** The drawing's own units; it is stretched to the width of the slider. */
const WIDTH = 1000
const HEIGHT = 64

export function Timeline({ series, scale, step, timeNs, isPlaying, onStep, onPlay }: TimelineProps) {
  const ticks = ticksOf(scale)
  return (
    <div class="timeline">
      <button type="button" class="play" aria-label={isPlaying ? 'Pause' : 'Play'} title="Space" onClick={onPlay}>
        <span aria-hidden="true">{isPlaying ? '❚❚' : '▶'}</span>
      </button>
      <div class="timeline-body">
        <div class="timeline-plot">
          <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
            {ticks.map(ns => (
              <line key={ns} class="tick" x1={x(scale, ns)} x2={x(scale, ns)} y1="0" y2={HEIGHT} />
            ))}
            {series.map(one => (
              <g key={one.policy} stroke={one.color} fill="none">
                <polyline points={curve(one, scale)} stroke-dasharray={one.dash?.join(' ')} />
                <line
                  class="resume"
                  x1={x(scale, one.result.resumeNs)}
                  x2={x(scale, one.result.resumeNs)}
                  y1="0"
                  y2={HEIGHT}
                />
                <line x1={x(scale, one.result.workDoneNs)} x2={x(scale, one.result.workDoneNs)} y1="0" y2={HEIGHT} />
              </g>
            ))}
            <line class="now" x1={(step / STEPS) * WIDTH} x2={(step / STEPS) * WIDTH} y1="0" y2={HEIGHT} />
          </svg>
        </div>
        <input
          type="range"
          min={0}
          max={STEPS}
          step={1}
          value={step}
          aria-label="Time"
          aria-valuetext={duration(timeNs)}
          onInput={event => onStep(event.currentTarget.valueAsNumber)}
        />
        <div class="timeline-ticks" aria-hidden="true">
          {ticks.map(ns => (
            <span key={ns} style={{ left: `${100 * placeAt(scale, ns)}%` }}>
              {shortDuration(ns)}
            </span>
          ))}
        </div>
        <p class="timeline-legend dim">
          Lines: memory that is there ({bytes(series[0].result.snapshot.bytes)} at the top); upright: the VM runs
          (dotted), its work is done.
        </p>
      </div>
      <output class="figures now">{duration(timeNs)}</output>
    </div>
  )
}

function x(scale: TimeScale, ns: number): number {
  return placeAt(scale, ns) * WIDTH
}

function curve({ result: { residency, snapshot } }: ResultSeries, scale: TimeScale): string {
  const points = residency.map(({ timeNs, bytes: resident }) => [
    x(scale, timeNs),
    HEIGHT * (1 - resident / snapshot.bytes),
  ])
  const last = points.at(-1)
  if (last !== undefined) points.push([WIDTH, last[1]])
  return points.map(([left, top]) => `${left.toFixed(1)},${top.toFixed(1)}`).join(' ')
}
