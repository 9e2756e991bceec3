/** The figure that answers the question: bars of resume, work done and fully resident for each policy. */
import * as Plot from '@observablehq/plot'
import { formatDurationNs } from '../core/units.ts'
import { type Figure, LABEL_CHARACTERS, labelWidth, linearTimeAxis, plot } from './plot.ts'
import { breakLabel, type Series } from './series.ts'

const MILESTONES = ['resume', 'work done', 'fully resident'] as const
/** Work done is what counts, and stands out; the others are paler shades of the policy's colour. */
const OPACITY = [0.6, 1, 0.32]
const FONT_SIZE = 11

interface Bar {
  readonly label: string
  readonly milestone: (typeof MILESTONES)[number]
  readonly timeNs: number | null
  readonly color: string
  readonly opacity: number
}

/** Policies by work done, the earliest on top. */
export function timesFigure(series: readonly Series[]): Figure {
  const sorted = [...series].sort((a, b) => a.result.workDoneNs - b.result.workDoneNs)
  const bars: Bar[] = sorted.flatMap(({ result: { resumeNs, workDoneNs, residentNs }, label, color }) =>
    [resumeNs, workDoneNs, residentNs].map((timeNs, i) => {
      return { label, milestone: MILESTONES[i], timeNs, color, opacity: OPACITY[i] }
    }),
  )
  const reached = bars.filter(({ timeNs }) => timeNs !== null)
  const latest = Math.max(1, ...reached.map(({ timeNs }) => timeNs!))
  const never = bars.filter(({ timeNs }) => timeNs === null)
  const labels = sorted.map(({ label }) => label)
  const position = { fy: 'label', y: 'milestone' }
  const text = (data: readonly Bar[], fontWeight: string) =>
    Plot.text(data, {
      ...position,
      x: (bar: Bar) => bar.timeNs ?? latest,
      text: ({ milestone, timeNs }: Bar) => `${milestone} ${timeNs === null ? 'never' : formatDurationNs(timeNs)}`,
      textAnchor: 'start',
      dx: 5,
      fontSize: FONT_SIZE,
      fontWeight,
    })
  const time = linearTimeAxis(latest, 'time since the restore was asked for')
  const svg = plot('Bars of resume, work done and fully resident for each policy, by work done', {
    height: 60 + 58 * sorted.length,
    marginTop: 8,
    marginBottom: 48,
    marginLeft: 20 + labelWidth(labels, 13),
    marginRight: 132,
    x: time.scale,
    y: { axis: null, domain: MILESTONES, padding: 0.12 },
    fy: { domain: labels, padding: 0.28 },
    marks: [
      ...time.marks,
      Plot.axisFy({
        anchor: 'left',
        label: null,
        fontSize: 13,
        tickFormat: (label: string) => breakLabel(label, LABEL_CHARACTERS).join('\n'),
      }),
      Plot.barX(reached, { ...position, x: 'timeNs', fill: 'color', fillOpacity: 'opacity' }),
      // Open to the right: no bar, but a dotted line through to the end.
      Plot.link(never, {
        ...position,
        x1: 0,
        x2: latest,
        y1: 'milestone',
        y2: 'milestone',
        stroke: 'color',
        strokeWidth: 2,
        strokeDasharray: '1 5',
        strokeLinecap: 'round',
      }),
      text(
        bars.filter(({ milestone }) => milestone === 'work done'),
        'bold',
      ),
      text(
        bars.filter(({ milestone }) => milestone !== 'work done'),
        'normal',
      ),
    ],
  })
  return {
    name: 'times',
    title: 'When the VM runs, when its work is done, when all memory is there',
    caption:
      'Sorted by work done, the solid bars. The VM running early is worth nothing by itself: its accesses may still have to wait. A dotted line: the policy never makes all memory resident.',
    svg,
  }
}
