/**
 * One axis of an experiment: a list of specs. The known names are toggles; a text field adds one with options, and says
 * which options the name takes while one types.
 */
import type { Choices } from 'lazyrestore/client'
import { useId, useState } from 'preact/hooks'

export interface Suggestion {
  readonly value: string
  /** What to show for it; the value when not given. */
  readonly label?: string
  readonly summary?: string
}

type Definition = Choices['policies'][number]

interface SpecListProps {
  readonly label: string
  readonly hint: string
  readonly values: readonly string[]
  readonly suggestions: readonly Suggestion[]
  /** What names there are to type, with their options. */
  readonly definitions?: readonly Definition[]
  readonly placeholder: string
  readonly onChange: (values: string[]) => void
}

export function SpecList({ label, hint, values, suggestions, definitions, placeholder, onChange }: SpecListProps) {
  const id = useId()
  const [text, setText] = useState('')
  const known = new Set(suggestions.map(({ value }) => value))
  const all: readonly Suggestion[] = [
    ...suggestions,
    ...values.filter(value => !known.has(value)).map(value => ({ value })),
  ]
  const toggle = (value: string): void =>
    onChange(values.includes(value) ? values.filter(other => other !== value) : [...values, value])
  const add = (): void => {
    const value = text.trim()
    if (value !== '' && !values.includes(value)) onChange([...values, value])
    setText('')
  }
  return (
    <fieldset class="axis">
      <legend>
        {label} <span class="dim">{hint}</span>
      </legend>
      <div class="chips">
        {all.map(({ value, label: shown = value, summary }) => (
          <button
            type="button"
            key={value}
            class="chip"
            aria-pressed={values.includes(value)}
            title={summary}
            onClick={() => toggle(value)}
          >
            {shown}
          </button>
        ))}
      </div>
      <div class="row">
        <input
          id={id}
          class="mono"
          aria-label={`${label}: another one`}
          aria-describedby={`${id}-help`}
          placeholder={placeholder}
          value={text}
          autocomplete="off"
          spellcheck={false}
          onInput={event => setText(event.currentTarget.value)}
          onKeyDown={event => {
            if (event.key !== 'Enter') return
            event.preventDefault()
            add()
          }}
        />
        <button type="button" disabled={text.trim() === ''} onClick={add}>
          Add
        </button>
      </div>
      <p id={`${id}-help`} class="help mono" hidden={text === '' || definitions === undefined}>
        {describeOptions(text, definitions ?? [])}
      </p>
    </fieldset>
  )
}

/** The options of the name that is being typed, with their defaults. */
function describeOptions(text: string, definitions: readonly Definition[]): string {
  const name = text.split(':')[0].trim()
  const definition = definitions.find(candidate => candidate.name === name)
  if (definition === undefined) {
    const matches = definitions.filter(candidate => candidate.name.startsWith(name)).map(candidate => candidate.name)
    return matches.length === 0 ? `No such name: ${name}` : matches.join('  ')
  }
  if (definition.options.length === 0) return `${name} has no options`
  return definition.options.map(({ name: key, kind, initial }) => `${key}=${initial} (${kind})`).join('  ')
}
