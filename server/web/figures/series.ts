/** The policies of a slice as every figure shows them: one colour and one dash each, in the order of the experiment. */
import type { CellRecord, RestoreRecord } from 'lazyrestore/client'

export interface Series {
  /** Place of the policy in the experiment. */
  readonly policy: number
  readonly label: string
  readonly color: string
  /** Lengths of strokes and gaps; null: solid. */
  readonly dash: readonly number[] | null
  readonly cell: CellRecord
}

/** One that has a result. */
export interface ResultSeries extends Series {
  readonly result: RestoreRecord
}

/** Okabe and Ito's, told apart by colour-blind readers too, moved until all show on white as on near-black. */
const COLORS = ['#2f7fc1', '#c98700', '#0f9d76', '#dc5f24', '#8f6fd6', '#cc6fa5', '#8a8200', '#7d8590']
const DASHES = [null, [6, 3], [2, 2], [8, 3, 2, 3]]

export function seriesOf(cells: readonly CellRecord[]): Series[] {
  return cells.map((cell, policy) => ({
    policy,
    label: cell.policy,
    color: COLORS[policy % COLORS.length],
    dash: DASHES[Math.floor(policy / COLORS.length) % DASHES.length],
    cell,
  }))
}

export function withResults(series: readonly Series[]): ResultSeries[] {
  return series.flatMap(one => (one.cell.result === null ? [] : [{ ...one, result: one.cell.result }]))
}

/** Places of policies as they stand in an address: `0,3,4`. */
export function parseHidden(text: string | undefined): ReadonlySet<number> {
  return new Set(
    (text ?? '')
      .split(',')
      .filter(part => /^\d{1,4}$/.test(part))
      .map(Number),
  )
}

export function writeHidden(hidden: ReadonlySet<number>): string {
  return [...hidden].sort((a, b) => a - b).join(',')
}
