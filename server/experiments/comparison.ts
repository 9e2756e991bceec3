/**
 * Two experiments side by side. Cells are paired by the axes in which either experiment has a choice; an axis in which both
 * have one value each is what is compared, or the same anyway: eager here against lazy there, nvme against sata-ssd.
 */
import type { Cell } from 'lazyrestore'
import type { ExperimentComparison, ExperimentSpec } from '../schemas/experiments.ts'
import { FIGURES, type Figure } from '../schemas/figures.ts'
import { cellAt } from './axes.ts'
import type { Figures } from './records.ts'

interface Axis {
  readonly name: string
  readonly choices: (spec: ExperimentSpec) => number
  readonly value: (cell: Cell) => string
}

const AXES: readonly Axis[] = [
  { name: 'policy', choices: ({ policies }) => policies.length, value: ({ policy }) => policy },
  { name: 'workload', choices: ({ workloads }) => workloads.length, value: ({ workload }) => workload },
  { name: 'storage', choices: ({ storages }) => storages.length, value: ({ storage }) => storage },
  { name: 'layout', choices: ({ layouts }) => layouts.length, value: ({ layout }) => layout },
  { name: 'repetition', choices: ({ repetitions }) => repetitions, value: ({ repetition }) => String(repetition) },
]

export interface ComparedExperiment {
  readonly spec: ExperimentSpec
  readonly cells: number
  /** Null: the cell has none. */
  figures(index: number): Figures | null
}

export function compareExperiments(
  a: ComparedExperiment,
  b: ComparedExperiment,
): Omit<ExperimentComparison, 'a' | 'b'> {
  const axes = AXES.filter(({ choices }) => choices(a.spec) > 1 || choices(b.spec) > 1)
  const keyOf = (cell: Cell): string => JSON.stringify(axes.map(({ value }) => value(cell)))
  const partners = new Map<string, number>()
  for (let index = 0; index < b.cells; index++) partners.set(keyOf(cellAt(b.spec, index)), index)
  const pairs: ExperimentComparison['pairs'] = []
  const onlyA: number[] = []
  for (let index = 0; index < a.cells; index++) {
    const cell = cellAt(a.spec, index)
    const partner = partners.get(keyOf(cell))
    if (partner === undefined) onlyA.push(index)
    else {
      partners.delete(keyOf(cell))
      const label = axes.map(({ value }) => value(cell)).join(', ')
      pairs.push({ a: index, b: partner, label, ...compareFigures(a.figures(index), b.figures(partner)) })
    }
  }
  return { axes: axes.map(({ name }) => name), pairs, onlyA, onlyB: [...partners.values()] }
}

function compareFigures(a: Figures | null, b: Figures | null) {
  const valuesA = figuresOf(key => a?.[key] ?? null)
  const valuesB = figuresOf(key => b?.[key] ?? null)
  const ratio = figuresOf(key => {
    const [of, to] = [valuesA[key], valuesB[key]]
    return of === null || to === null || of === 0 ? null : to / of
  })
  return { valuesA, valuesB, ratio }
}

function figuresOf(of: (key: Figure) => number | null): Record<Figure, number | null> {
  return Object.fromEntries(FIGURES.map(key => [key, of(key)])) as Record<Figure, number | null>
}
