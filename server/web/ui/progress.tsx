/** Where an experiment stands: a word and a bar. */
import type { ExperimentRecord } from 'lazyrestore/client'
import { count, remaining } from '../format.ts'

export function StateBadge({ state }: Pick<ExperimentRecord, 'state'>) {
  return <span class={`badge ${state}`}>{state}</span>
}

export function isLive({ state }: Pick<ExperimentRecord, 'state'>): boolean {
  return state === 'queued' || state === 'running'
}

export function Progress({ experiment }: { experiment: ExperimentRecord }) {
  const { done, failed, cells, etaMs, name } = experiment
  const ended = done + failed
  const left = etaMs === null || !isLive(experiment) ? '' : `, ${remaining(etaMs)} left`
  return (
    <div class="progress">
      <div
        class="bar"
        role="progressbar"
        aria-label={`Restores of ${name}`}
        aria-valuemin={0}
        aria-valuemax={cells}
        aria-valuenow={ended}
      >
        <span class="done" style={{ width: `${(100 * done) / cells}%` }} />
        <span class="failed" style={{ width: `${(100 * failed) / cells}%` }} />
      </div>
      <span class="figures">
        {count(ended)}/{count(cells)}
        {failed > 0 && <span class="bad"> · {count(failed)} failed</span>}
        {left}
      </span>
    </div>
  )
}
