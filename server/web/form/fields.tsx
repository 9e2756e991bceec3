/** The fields of the form, below the presets. */
import type { Choices, EngineChoice, SnapshotRecord, TraceRecord } from 'lazyrestore/client'
import { useId } from 'preact/hooks'
import type { Draft } from './draft.ts'
import { SnapshotField } from './snapshot-field.tsx'
import { SpecList } from './spec-list.tsx'

interface FieldsProps {
  readonly draft: Draft
  readonly choices: Choices
  readonly snapshots: readonly SnapshotRecord[]
  readonly traces: readonly TraceRecord[]
  readonly onChange: (changes: Partial<Draft>) => void
}

export function Fields({ draft, choices, snapshots, traces, onChange }: FieldsProps) {
  const nameId = useId()
  const named = ({ name, summary }: { name: string; summary: string }) => ({ value: name, summary })
  const isReal = draft.engine !== 'sim'
  return (
    <div class="fields panel">
      <label for={nameId}>Name</label>
      <input
        id={nameId}
        value={draft.name}
        maxLength={200}
        placeholder="After the snapshot and the workload"
        onInput={event => onChange({ name: event.currentTarget.value })}
      />
      <SnapshotField draft={draft} registered={snapshots} onChange={onChange} />
      <SpecList
        label="Policies"
        hint="none: all"
        values={draft.policies}
        suggestions={choices.policies.map(named)}
        definitions={choices.policies}
        placeholder="lazy-sweep:rate=200MiB"
        onChange={policies => onChange({ policies })}
      />
      <SpecList
        label="Workloads"
        hint="what the guest touches"
        values={draft.workloads}
        suggestions={[
          ...choices.workloads.map(named),
          ...traces.map(({ id, name }) => ({ value: id, label: `${name} (trace)`, summary: `Uploaded trace ${id}` })),
        ]}
        definitions={choices.workloads}
        placeholder="working-set:share=10%,vcpus=4"
        onChange={workloads => onChange({ workloads })}
      />
      <SpecList
        label="Storage"
        hint={isReal ? 'none: host' : 'none: nvme'}
        values={draft.storages}
        suggestions={choices.storages.map(named).filter(({ value }) => (value === 'host') === isReal)}
        placeholder={isReal ? 'host:cache=warm' : 'sata-ssd:cache=warm'}
        onChange={storages => onChange({ storages })}
      />
      <SpecList
        label="Host pages"
        hint="none: 4K"
        values={draft.layouts}
        suggestions={choices.hostPageSizes.map(value => ({ value }))}
        placeholder="2M:hugetlb"
        onChange={layouts => onChange({ layouts })}
      />
      <EngineField
        engines={choices.engines}
        value={draft.engine}
        onChange={engine => onChange({ engine, storages: [] })}
      />
      <div class="numbers">
        <NumberField
          label="Repetitions"
          value={draft.repetitions}
          min={1}
          onChange={repetitions => onChange({ repetitions })}
        />
        <NumberField label="Seed" value={draft.seed} min={0} onChange={seed => onChange({ seed })} />
        <NumberField
          label="Fixed part of resume, ms"
          value={draft.fixedMs}
          min={0}
          step="any"
          onChange={fixedMs => onChange({ fixedMs })}
        />
      </div>
    </div>
  )
}

interface EngineFieldProps {
  readonly engines: Choices['engines']
  readonly value: EngineChoice
  readonly onChange: (engine: EngineChoice) => void
}

function EngineField({ engines, value, onChange }: EngineFieldProps) {
  const id = useId()
  return (
    <fieldset class="axis">
      <legend>Engine</legend>
      <div class="engines">
        {engines.map(({ name, summary, missing }) => (
          <label key={name} class={missing === null ? '' : 'missing'}>
            <input
              type="radio"
              name={id}
              checked={value === name}
              disabled={missing !== null}
              onChange={() => onChange(name as EngineChoice)}
            />
            <span>
              <strong>{name}</strong> <span class="dim">{missing ?? summary}</span>
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  )
}

interface NumberFieldProps {
  readonly label: string
  readonly value: number
  readonly min: number
  readonly step?: string
  readonly onChange: (value: number) => void
}

function NumberField({ label, value, min, step = '1', onChange }: NumberFieldProps) {
  const id = useId()
  return (
    <div>
      <label for={id}>{label}</label>
      <input
        id={id}
        type="number"
        min={min}
        step={step}
        value={Number.isNaN(value) ? '' : value}
        onInput={event => onChange(event.currentTarget.valueAsNumber)}
      />
    </div>
  )
}
