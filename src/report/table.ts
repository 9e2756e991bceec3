/**
 * The comparison as a table for a terminal. Columns that do not fit are dropped, the least important first, and resume
 * goes before work done: a resume time alone says nothing.
 */
import picocolors from 'picocolors'
import type { Colors } from 'picocolors/types.js'
import type { RestoreResult } from '../engine/result.ts'
import { bestValue, COLUMNS, type Column } from './columns.ts'
import { comparisonFacts, conclusions } from './summary.ts'

export interface TableOptions {
  /** Mark the best value of each column by colour; by an asterisk otherwise. */
  readonly color: boolean
  /** Columns of the terminal. */
  readonly width: number
}

const GAP = '  '

export function renderTable(results: readonly RestoreResult[], { color, width }: TableOptions): string {
  if (results.length === 0) return 'no restore to show\n'
  const colors = picocolors.createColors(color)
  const columns = fitColumns(results, width).map(column => renderColumn(column, results, colors))
  const rows = ['', ...results].map((_, row) =>
    columns
      .map(cells => cells[row])
      .join(GAP)
      .trimEnd(),
  )
  const facts = comparisonFacts(results).map(([label, value]) => `${colors.dim(label.padEnd(9))} ${value}`)
  const legend = color || results.length === 1 ? [] : ['* best in its column']
  return `${[...facts, '', ...rows, '', ...legend, ...conclusions(results)].join('\n')}\n`
}

/** Drops columns until the table is no wider than `width`. */
function fitColumns(results: readonly RestoreResult[], width: number): Column[] {
  const columns = [...COLUMNS]
  const total = () => columns.reduce((sum, column) => sum + columnWidth(column, results) + GAP.length, -GAP.length)
  while (total() > width) {
    const droppable = columns.filter(({ keep }) => keep !== 'always')
    if (droppable.length === 0) break
    const least = droppable.reduce((a, b) => (b.keep < a.keep ? b : a))
    columns.splice(columns.indexOf(least), 1)
  }
  return columns
}

/** Cells have a place for the mark behind them, the first column excepted. */
function columnWidth({ title, show, rank }: Column, results: readonly RestoreResult[]): number {
  return Math.max(title.length, ...results.map(result => show(result).length)) + (rank === undefined ? 0 : 1)
}

/** Title and cells, all of one width. */
function renderColumn(column: Column, results: readonly RestoreResult[], colors: Colors): string[] {
  const width = columnWidth(column, results)
  const best = bestValue(column, results)
  const mark = column.rank === undefined ? '' : ' '
  const align = (text: string) => (column === COLUMNS[0] ? text.padEnd(width) : (text + mark).padStart(width))
  const cells = results.map(result => {
    const text = column.show(result)
    if (best === null || column.rank?.(result) !== best) return align(text)
    return colors.isColorSupported
      ? align(text).replace(text, colors.bold(colors.green(text)))
      : `${text}*`.padStart(width)
  })
  return [colors.bold(align(column.title)), ...cells]
}
