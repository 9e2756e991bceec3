/** Two experiments, cell beside cell: what each took, and by what factor they differ. */
import type { ExperimentComparison, ExperimentRecord, Figure } from 'lazyrestore/client'
import { useEffect, useState } from 'preact/hooks'
import { bytes, count, duration, factor, plural } from '../format.ts'
import { addressOf } from '../router.ts'
import { useApi } from '../ui/api.ts'
import { StateBadge } from '../ui/progress.tsx'
import { Scroll } from '../ui/scroll.tsx'
import { Empty, Failure, Loading } from '../ui/states.tsx'
import { useAsync } from '../ui/use-async.ts'
import { distanceOf } from './distance.ts'

interface ComparePageProps {
  readonly a: string
  readonly b: string
}

interface FigureChoice {
  readonly key: Figure
  readonly title: string
  readonly show: (value: number | null) => string
}

const FIGURES: readonly FigureChoice[] = [
  { key: 'resumeNs', title: 'resume', show: duration },
  { key: 'workDoneNs', title: 'work done', show: duration },
  { key: 'residentNs', title: 'all resident', show: duration },
  { key: 'stallNs', title: 'stall', show: duration },
  { key: 'faults', title: 'faults', show: count },
  { key: 'bytesRead', title: 'read', show: bytes },
  { key: 'slowdown', title: 'slowdown', show: factor },
]

const SHOWN_PAIRS = 200

export function ComparePage({ a, b }: ComparePageProps) {
  const { client } = useApi()
  const [attempt, setAttempt] = useState(0)
  const answer = useAsync(signal => client.experiments.compare(a, b, { signal }), [client, a, b, attempt])
  useEffect(() => {
    document.title = 'Comparison · lazyrestore'
  }, [])
  if (answer.state === 'failed') return <Failure error={answer.error} retry={() => setAttempt(attempt + 1)} />
  if (answer.value === null) return <Loading what="the comparison" />
  return <Comparison comparison={answer.value} />
}

function Comparison({ comparison }: { comparison: ExperimentComparison }) {
  const [figure, setFigure] = useState(FIGURES[1])
  const [shownPairs, setShownPairs] = useState(SHOWN_PAIRS)
  const { a, b, axes, pairs, onlyA, onlyB } = comparison
  const shown = pairs.slice(0, shownPairs)
  const reach = pairs.reduce((most, { ratio }) => Math.max(most, Math.abs(distanceOf(ratio[figure.key]) ?? 0)), 1)
  return (
    <>
      <div class="page-head">
        <h1>Comparison</h1>
        <span class="spring" />
        <a class="button" href={addressOf(['compare'], { a: b.id, b: a.id })}>
          Swap
        </a>
      </div>
      <div class="sides">
        <Side name="A" experiment={a} />
        <Side name="B" experiment={b} />
      </div>
      <section class="panel" aria-labelledby="pairs-title">
        <header>
          <h2 id="pairs-title">{plural(pairs.length, 'pair')}</h2>
          <span class="dim">{axes.length === 0 ? 'one cell each' : `equal in ${axes.join(', ')}`}; B over A</span>
          <span class="spring" />
          <select
            aria-label="Figure"
            value={figure.key}
            onChange={event => setFigure(FIGURES.find(({ key }) => key === event.currentTarget.value)!)}
          >
            {FIGURES.map(({ key, title }) => (
              <option key={key} value={key}>
                {title}
              </option>
            ))}
          </select>
        </header>
        {pairs.length === 0 ? (
          <Empty title="No cell of one has a partner in the other." />
        ) : (
          <Scroll labelledBy="pairs-title">
            <table class="figures pairs">
              <thead>
                <tr>
                  <th scope="col">{axes.join(', ') || 'cell'}</th>
                  <th scope="col">A</th>
                  <th scope="col">B</th>
                  <th scope="col">B / A</th>
                  <th scope="col" class="wide">
                    <span class="hidden">difference</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {shown.map(({ a: index, label, valuesA, valuesB, ratio }) => (
                  <tr key={index}>
                    <th scope="row">{label || 'all'}</th>
                    <td>{figure.show(valuesA[figure.key])}</td>
                    <td>{figure.show(valuesB[figure.key])}</td>
                    <td class={tone(ratio[figure.key])}>{factor(ratio[figure.key])}</td>
                    <td class="wide">
                      <Difference ratio={ratio[figure.key]} reach={reach} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroll>
        )}
        <p class="dim">
          {pairs.length > shown.length && (
            <button type="button" onClick={() => setShownPairs(shownPairs + SHOWN_PAIRS)}>
              Show more
            </button>
          )}
          {onlyA.length + onlyB.length > 0 &&
            ` Without a partner: ${plural(onlyA.length, 'cell')} of A, ${count(onlyB.length)} of B.`}
        </p>
      </section>
    </>
  )
}

function Side({ name, experiment }: { name: string; experiment: ExperimentRecord }) {
  const { id, spec, state } = experiment
  return (
    <section class="panel side" aria-label={name}>
      <span class="side-name">{name}</span>
      <div class="what">
        <a class="name" href={addressOf(['experiments', id])}>
          {experiment.name}
        </a>
        <span class="spec mono">
          {[spec.snapshot, spec.workloads.join(' '), spec.storages.join(' '), spec.layouts.join(' '), spec.engine].join(
            ' · ',
          )}
        </span>
      </div>
      <StateBadge state={state} />
    </section>
  )
}

/** To the left when B is less, to the right when it is more; equal lengths are equal factors. */
function Difference({ ratio, reach }: { ratio: number | null; reach: number }) {
  const distance = distanceOf(ratio)
  if (distance === null) return null
  const width = `${(50 * Math.abs(distance)) / reach}%`
  return (
    <span class="difference" aria-hidden="true">
      <i class={tone(ratio)} style={distance < 0 ? { right: '50%', width } : { left: '50%', width }} />
    </span>
  )
}

/** All figures are such that less is better. */
function tone(ratio: number | null): string {
  const distance = distanceOf(ratio)
  if (distance === null || Math.abs(distance) < 0.01) return ''
  return distance < 0 ? 'good' : 'bad'
}
