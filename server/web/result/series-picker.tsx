/** The legend of all figures, which also says what they show: a toggle for each policy, and the scale of time. */

import type { ScaleName } from '../figures/scale.ts'
import { type Series, writeHidden } from '../figures/series.ts'
import { Swatch } from '../figures/swatch.tsx'
import { changeQuery } from '../ui/use-place.ts'

interface SeriesPickerProps {
  readonly series: readonly Series[]
  readonly hidden: ReadonlySet<number>
  readonly scale: ScaleName
}

export function SeriesPicker({ series, hidden, scale }: SeriesPickerProps) {
  const show = (next: ReadonlySet<number>): void => changeQuery({ hidden: writeHidden(next) })
  const toggle = (policy: number): void => {
    const next = new Set(hidden)
    if (!next.delete(policy)) next.add(policy)
    show(next)
  }
  return (
    <div class="series-picker" role="toolbar" aria-label="Figures">
      <div class="chips">
        {series.map(one => (
          <button
            type="button"
            key={one.policy}
            class="chip series"
            aria-pressed={!hidden.has(one.policy)}
            onClick={() => toggle(one.policy)}
          >
            <Swatch series={one} />
            {one.label}
          </button>
        ))}
        {hidden.size > 0 && (
          <button type="button" class="quiet small" onClick={() => show(new Set())}>
            Show all
          </button>
        )}
      </div>
      <fieldset class="segments" aria-label="Scale of time">
        {(['linear', 'log'] as const).map(name => (
          <label key={name}>
            <input
              type="radio"
              name="scale"
              checked={scale === name}
              onChange={() => changeQuery({ scale: name === 'log' ? 'log' : undefined })}
            />
            {name}
          </label>
        ))}
      </fieldset>
    </div>
  )
}
