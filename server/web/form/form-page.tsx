/** A new experiment: start from a question, change what differs, see what it will do, and how to do it without the server. */
import { useState } from 'preact/hooks'
import { compareCommand } from '../cli-command.ts'
import { count, plural } from '../format.ts'
import { addressOf } from '../router.ts'
import { countSlices, slicesOf } from '../slices.ts'
import { useApi } from '../ui/api.ts'
import { Commands } from '../ui/commands.tsx'
import { explain } from '../ui/states.tsx'
import { useAsync } from '../ui/use-async.ts'
import { goTo } from '../ui/use-place.ts'
import { axesOf, commandFactsOf, type Draft, problemOf, requestOf } from './draft.ts'
import { Fields } from './fields.tsx'
import { PRESETS } from './presets.ts'

const SHOWN_COMMANDS = 8

export function FormPage() {
  const { client, choices } = useApi()
  const [preset, setPreset] = useState(PRESETS[0].id)
  const [draft, setDraft] = useState(PRESETS[0].draft)
  const [error, setError] = useState<Error | null>(null)
  const [isSending, setSending] = useState(false)
  const known = useAsync(
    async signal => {
      const [snapshots, traces] = await Promise.all([
        client.snapshots.list({ limit: 1000 }, { signal }),
        client.traces.list({ limit: 1000 }, { signal }),
      ])
      return { snapshots: snapshots.items, traces: traces.items }
    },
    [client],
  )
  const { snapshots, traces } = known.value ?? { snapshots: [], traces: [] }
  const problem = problemOf(draft)
  const change = (changes: Partial<Draft>): void => setDraft(before => ({ ...before, ...changes }))

  const start = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault()
    setSending(true)
    setError(null)
    try {
      const { snapshotKind, snapshot } = draft
      const name = snapshotKind === 'path' ? (await client.snapshots.create({ path: snapshot.trim() })).id : snapshot
      const { id } = await client.experiments.create(requestOf(draft, name.trim()))
      goTo(addressOf(['experiments', id]))
    } catch (caught) {
      setError(caught as Error)
      setSending(false)
    }
  }

  return (
    <form class="new-experiment" onSubmit={start}>
      <h1>New experiment</h1>
      <fieldset class="presets">
        <legend class="hidden">Start from</legend>
        {PRESETS.map(({ id, title, summary, draft: initial }) => (
          <label key={id} class="preset">
            <input
              type="radio"
              name="preset"
              checked={preset === id}
              onChange={() => {
                setPreset(id)
                setDraft(initial)
              }}
            />
            <span>
              <strong>{title}</strong>
              <span class="dim">{summary}</span>
            </span>
          </label>
        ))}
      </fieldset>
      <div class="form-columns">
        <Fields draft={draft} choices={choices} snapshots={snapshots} traces={traces} onChange={change} />
        <aside class="panel summary">
          <Extent draft={draft} known={choices.policies.length} />
          {problem !== null && <p class="dim">{problem}</p>}
          {error !== null && (
            <p class="failure" role="alert">
              {explain(error)}
            </p>
          )}
          <button type="submit" class="primary" disabled={problem !== null || isSending}>
            {isSending ? 'Starting…' : 'Start experiment'}
          </button>
          <EquivalentCommands draft={draft} snapshots={snapshots} />
        </aside>
      </div>
    </form>
  )
}

/** How many restores it will be, and why. @param known policies that there are */
function Extent({ draft, known }: { draft: Draft; known: number }) {
  const { policies, workloads, repetitions } = draft
  const { storages, layouts } = axesOf(draft)
  const slices = countSlices(axesOf(draft))
  const factors = [
    policies.length === 0 ? 'all policies' : plural(policies.length, 'policy', 'policies'),
    plural(workloads.length, 'workload'),
    plural(storages.length, 'storage'),
    plural(layouts.length, 'layout'),
    plural(repetitions, 'repetition'),
  ]
  return (
    <div class="extent" role="status">
      <strong>
        {policies.length === 0 ? 'up to ' : ''}
        {count(slices * (policies.length || known))}
      </strong>{' '}
      restores
      <span class="dim">{factors.join(' × ')}</span>
    </div>
  )
}

function EquivalentCommands({ draft, snapshots }: { draft: Draft; snapshots: Parameters<typeof commandFactsOf>[1] }) {
  const facts = commandFactsOf(draft, snapshots)
  const axes = axesOf(draft)
  const commands = slicesOf(axes, SHOWN_COMMANDS).map(slice => compareCommand(facts, slice))
  return <Commands title="On a command line" commands={commands} more={countSlices(axes) - commands.length} />
}
