/** Chooses the slice: a field for each axis that has more than one value. */
import type { ExperimentSpec } from 'lazyrestore/client'
import { useId } from 'preact/hooks'
import { countSlices, indexOf, placeOf, type SlicePlace } from '../slices.ts'
import { changeQuery } from '../ui/use-place.ts'

interface SlicePickerProps {
  readonly spec: ExperimentSpec
  readonly index: number
}

export function SlicePicker({ spec, index }: SlicePickerProps) {
  const id = useId()
  if (countSlices(spec) === 1) return null
  const place = placeOf(spec, index)
  const repetitions = Array.from({ length: spec.repetitions }, (_, i) => `${i + 1}, seed ${spec.seed + i}`)
  const axes: readonly (readonly [string, readonly string[], number])[] = [
    ['Workload', spec.workloads, 1],
    ['Storage', spec.storages, 2],
    ['Host pages', spec.layouts, 3],
    ['Repetition', repetitions, 0],
  ]
  const choose = (axis: number, value: number): void => {
    const changed = place.map((digit, i) => (i === axis ? value : digit)) as unknown as SlicePlace
    // Another layout has other host pages.
    changeQuery({ slice: String(indexOf(spec, changed)), from: undefined, count: undefined })
  }
  return (
    <div class="slice-picker">
      {axes
        .filter(([, values]) => values.length > 1)
        .map(([label, values, axis]) => (
          <div key={label}>
            <label for={`${id}-${axis}`}>{label}</label>
            <select
              id={`${id}-${axis}`}
              value={place[axis]}
              onChange={event => choose(axis, Number(event.currentTarget.value))}
            >
              {values.map((value, i) => (
                <option key={value} value={i}>
                  {value}
                </option>
              ))}
            </select>
          </div>
        ))}
    </div>
  )
}
