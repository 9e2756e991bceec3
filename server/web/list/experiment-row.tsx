/** One experiment in the list. */
import type { ExperimentRecord } from 'lazyrestore/client'
import { ago } from '../format.ts'
import { addressOf } from '../router.ts'
import { isLive, Progress, StateBadge } from '../ui/progress.tsx'

interface ExperimentRowProps {
  readonly experiment: ExperimentRecord
  readonly nowMs: number
  readonly isChosen: boolean
  readonly onChoose: () => void
}

export function ExperimentRow({ experiment, nowMs, isChosen, onChoose }: ExperimentRowProps) {
  const { id, name, state, createdAt, spec } = experiment
  return (
    <li class={isChosen ? 'chosen' : ''}>
      <input type="checkbox" aria-label={`Choose ${name} for a comparison`} checked={isChosen} onChange={onChoose} />
      <div class="what">
        <a class="name" href={addressOf(['experiments', id])}>
          {name}
        </a>
        <span class="spec mono">{describe(spec)}</span>
      </div>
      <div class="how">
        {isLive(experiment) || experiment.failed > 0 || state !== 'done' ? (
          <Progress experiment={experiment} />
        ) : (
          <span class="figures">{experiment.cells} restores</span>
        )}
      </div>
      <StateBadge state={state} />
      <time class="figures" dateTime={createdAt} title={new Date(createdAt).toLocaleString()}>
        {ago(createdAt, nowMs)}
      </time>
    </li>
  )
}

/** The axes: the value of one, the number of several. */
function describe({ snapshot, policies, workloads, storages, layouts, engine }: ExperimentRecord['spec']): string {
  const axis = (values: readonly string[], noun: string): string =>
    values.length === 1 ? values[0] : `${values.length} ${noun}`
  return [
    snapshot,
    axis(policies, 'policies'),
    axis(workloads, 'workloads'),
    axis(storages, 'storages'),
    axis(layouts, 'layouts'),
    engine,
  ].join(' · ')
}
