/** Which snapshot: a synthetic one, one that the server knows, or a file under one of its roots. */
import type { SnapshotRecord } from 'lazyrestore/client'
import { useId } from 'preact/hooks'
import { bytes } from '../format.ts'
import { BLANK, type Draft, type SnapshotKind } from './draft.ts'

interface SnapshotFieldProps {
  readonly draft: Draft
  readonly registered: readonly SnapshotRecord[]
  readonly onChange: (changes: Partial<Draft>) => void
}

const KINDS: readonly (readonly [SnapshotKind, string])[] = [
  ['synthetic', 'Synthetic'],
  ['registered', 'Registered'],
  ['path', 'File on the server'],
]

export function SnapshotField({ draft, registered, onChange }: SnapshotFieldProps) {
  const id = useId()
  const { snapshotKind, snapshot } = draft
  const choose = (kind: SnapshotKind): void => {
    const initial = { synthetic: BLANK.snapshot, registered: registered[0]?.id ?? '', path: '' }
    onChange({ snapshotKind: kind, snapshot: initial[kind] })
  }
  return (
    <fieldset class="axis">
      <legend>Snapshot</legend>
      <fieldset class="segments" aria-label="Kind of snapshot">
        {KINDS.map(([kind, label]) => (
          <label key={kind}>
            <input
              type="radio"
              name={`${id}-kind`}
              checked={snapshotKind === kind}
              disabled={kind === 'registered' && registered.length === 0}
              onChange={() => choose(kind)}
            />
            {label}
          </label>
        ))}
      </fieldset>
      {snapshotKind === 'registered' ? (
        <select
          aria-label="Registered snapshot"
          value={snapshot}
          onChange={event => onChange({ snapshot: event.currentTarget.value })}
        >
          {registered.map(({ id: value, name, bytes: size, format }) => (
            <option key={value} value={value}>
              {name} · {bytes(size)} · {format}
            </option>
          ))}
        </select>
      ) : (
        <input
          class="mono"
          aria-label={snapshotKind === 'synthetic' ? 'Synthetic snapshot' : 'Path below a snapshot root'}
          value={snapshot}
          placeholder={snapshotKind === 'synthetic' ? 'synthetic:1GiB,zero=60%,runs=64,seed=1' : 'vm.mig'}
          autocomplete="off"
          spellcheck={false}
          onInput={event => onChange({ snapshot: event.currentTarget.value })}
        />
      )}
    </fieldset>
  )
}
