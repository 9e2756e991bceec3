/**
 * The cells of a sweep, by index: every combination of the design's parts and the repetitions. Nothing but the spec is held
 * in memory. Neighbours share what is dear to make: the policy changes fastest, then storage, repetition, workload, layout,
 * and the snapshot slowest, whatever the order in which the spec has them.
 */
import { LazyRestoreError } from '../../core/error.ts'
import type { Cell } from '../cell.ts'
import type { Point } from './design.ts'
import { CELL_TEXTS, type CellText, fillIn, type SweepSpec, variablesIn } from './spec.ts'

export interface SweepCell extends Cell {
  readonly snapshot: string
  /** Host cores; empty: those of the profile. */
  readonly cores: string
  readonly variables: Point
}

export interface SweepCells {
  readonly count: number
  /** In the order of the spec. */
  readonly variables: readonly string[]
  at(index: number): SweepCell
}

/** One digit of a cell's index. */
interface Digit {
  readonly base: number
  /** How dear it is to change; the dearest change slowest. */
  readonly cost: number
  /** Null: it counts repetitions. */
  readonly points: readonly Point[] | null
}

export const MAX_CELLS = 1_000_000

const COST: Readonly<Record<CellText, number>> = {
  policy: 0,
  storage: 1,
  cores: 1,
  workload: 3,
  layout: 4,
  snapshot: 5,
}
/** Another seed is another workload. */
const REPETITION_COST = 2

/** @throws LazyRestoreError `limit` for more cells than a sweep may have */
export function sweepCells(spec: SweepSpec): SweepCells {
  const digits = digitsOf(spec)
  const count = digits.reduce((product, { base }) => product * base, 1)
  if (count > MAX_CELLS) {
    throw new LazyRestoreError('limit', `${spec.name}: found ${count} cells, expected at most ${MAX_CELLS}`)
  }
  const at = (index: number): SweepCell => {
    let rest = index
    let repetition = 0
    const variables: Record<string, string> = {}
    for (const { base, points } of digits) {
      const digit = rest % base
      rest = (rest - digit) / base
      if (points === null) repetition = digit
      else Object.assign(variables, points[digit])
    }
    const texts = Object.fromEntries(CELL_TEXTS.map(name => [name, fillIn(spec.cell[name], variables)]))
    return { ...(texts as Record<CellText, string>), index, repetition, seed: spec.seed + repetition, variables }
  }
  return { count, variables: spec.parts.flatMap(({ variables }) => variables), at }
}

function digitsOf({ parts, repetitions, cell }: SweepSpec): Digit[] {
  const costOf = (variables: readonly string[]): number =>
    Math.max(
      ...CELL_TEXTS.filter(text => variablesIn(cell[text]).some(name => variables.includes(name))).map(
        text => COST[text],
      ),
    )
  const digits: Digit[] = parts.map(({ variables, points }) => ({
    base: points.length,
    cost: costOf(variables),
    points,
  }))
  digits.push({ base: repetitions, cost: REPETITION_COST, points: null })
  // Stable: parts of one cost stay in the order of the spec.
  return digits.sort((a, b) => a.cost - b.cost)
}
