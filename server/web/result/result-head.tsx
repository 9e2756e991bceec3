/** What the experiment is, how far it is, and what can be done with it. */
import type { ExperimentRecord } from 'lazyrestore/client'
import { useState } from 'preact/hooks'
import { duration, plural } from '../format.ts'
import { addressOf } from '../router.ts'
import { useApi } from '../ui/api.ts'
import { Dialog } from '../ui/dialog.tsx'
import { isLive, Progress, StateBadge } from '../ui/progress.tsx'
import { explain } from '../ui/states.tsx'
import { goTo } from '../ui/use-place.ts'

interface ResultHeadProps {
  readonly experiment: ExperimentRecord
  /** Something was done to it. */
  readonly onChange: () => void
  readonly onDelete: () => void
}

export function ResultHead({ experiment, onChange, onDelete }: ResultHeadProps) {
  const { client } = useApi()
  const [error, setError] = useState<Error | null>(null)
  const [asksDelete, setAsksDelete] = useState(false)
  const { id, name, state, done, failed, cells, rerunOf } = experiment
  const act = (work: () => Promise<unknown>): void => {
    setError(null)
    work().catch(setError)
  }
  const rerun = async (): Promise<void> => goTo(addressOf(['experiments', (await client.experiments.rerun(id)).id]))
  return (
    <header class="result-head">
      <div class="page-head">
        <h1>{name}</h1>
        <StateBadge state={state} />
        <span class="spring" />
        {isLive(experiment) && (
          <button type="button" onClick={() => act(() => client.experiments.cancel(id))}>
            Cancel
          </button>
        )}
        {!isLive(experiment) && done + failed < cells && (
          <button type="button" onClick={() => act(() => client.experiments.resume(id).then(onChange))}>
            Resume
          </button>
        )}
        <button type="button" onClick={() => act(rerun)}>
          Run again
        </button>
        <button type="button" onClick={() => setAsksDelete(true)}>
          Delete
        </button>
      </div>
      {(isLive(experiment) || done < cells) && <Progress experiment={experiment} />}
      {error !== null && (
        <p class="failure" role="alert">
          {explain(error)}
        </p>
      )}
      <Facts experiment={experiment} />
      {rerunOf !== null && (
        <p class="dim">
          Again: <a href={addressOf(['experiments', rerunOf])}>{rerunOf}</a> ·{' '}
          <a href={addressOf(['compare'], { a: rerunOf, b: id })}>compare with it</a>
        </p>
      )}
      {asksDelete && (
        <Dialog title="Delete this experiment?" onClose={() => setAsksDelete(false)}>
          <p>
            “{name}” and its {plural(done, 'result')} will be gone.
          </p>
          <div class="row end">
            <button type="button" class="danger" onClick={onDelete}>
              Delete
            </button>
          </div>
        </Dialog>
      )}
    </header>
  )
}

function Facts({ experiment }: { experiment: ExperimentRecord }) {
  const { id, spec, createdAt, startedAt, endedAt } = experiment
  const tookNs = startedAt !== null && endedAt !== null ? (Date.parse(endedAt) - Date.parse(startedAt)) * 1e6 : null
  const facts: readonly (readonly [string, string])[] = [
    ['snapshot', spec.snapshot],
    ['workload', spec.workloads.length === 1 ? spec.workloads[0] : plural(spec.workloads.length, 'workload')],
    ['storage', spec.storages.length === 1 ? spec.storages[0] : plural(spec.storages.length, 'storage')],
    ['host pages', spec.layouts.join(', ')],
    ['engine', spec.engine],
    ['seed', String(spec.seed)],
    ['fixed', duration(spec.fixedNs)],
    ['started', new Date(createdAt).toLocaleString()],
    ['took', duration(tookNs)],
    ['id', id],
  ]
  return (
    <dl class="facts">
      {facts.map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}
