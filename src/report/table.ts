/**
 * The comparison as a table for a terminal. Columns that do not fit are dropped, the least important first, and resume
 * goes before work done: a resume time alone says nothing.
 */
import picocolors from 'picocolors'
import type { Colors } from 'picocolors/types.js'
import type { RestoreResult } from '../engine/result.ts'
import { bestRows, COLUMNS, type Column } from './columns.ts'
import { breakLabel, uniqueLabels } from './series.ts'
import { comparisonFacts, conclusions, keepUnits } from './summary.ts'

export interface TableOptions {
  /** Mark the best value of each column by colour; by an asterisk otherwise. */
  readonly color: boolean
  /** Columns of the terminal. */
  readonly width: number
}

const GAP = '  '
const LABEL_WIDTH = 'snapshot'.length
/** Names up to this are never broken, in terminals wider than three of them up to a third of the width. */
const NAME_WIDTH = 24

export function renderTable(results: readonly RestoreResult[], { color, width }: TableOptions): string {
  if (results.length === 0) return 'no restore to show\n'
  const colors = picocolors.createColors(color)
  const longest = Math.max(NAME_WIDTH, Math.floor(width / 3))
  const names = ['policy', ...uniqueLabels(results)].map(label => breakLabel(label, longest))
  const nameWidth = Math.max(...names.map(([first]) => first.length))
  const shown = fitColumns(results, width - nameWidth)
  const columns = shown.map(column => renderColumn(column, results, colors))
  const rows = names.flatMap(([name, ...more], row) => {
    const first = row === 0 ? colors.bold(name.padEnd(nameWidth)) : name.padEnd(nameWidth)
    return [[first, ...columns.map(cells => cells[row])].join(GAP).trimEnd(), ...more.map(line => GAP + line)]
  })
  const facts = comparisonFacts(results).flatMap(([label, value]) =>
    wrap(value, width - LABEL_WIDTH - GAP.length).map(
      (line, i) => colors.dim((i === 0 ? label : '').padEnd(LABEL_WIDTH)) + GAP + line,
    ),
  )
  const marked = !color && shown.some(column => bestRows(column, results).includes(true))
  const legend = marked ? ['* best in its column'] : []
  const below = [...legend, ...conclusions(results).flatMap(sentence => wrap(sentence, width))]
  return `${[...facts, '', ...rows, ...(below.length > 0 ? ['', ...below] : [])].join('\n')}\n`
}

/** Drops columns until the table is no wider than `width`. */
function fitColumns(results: readonly RestoreResult[], width: number): Column[] {
  const columns = [...COLUMNS]
  const total = () => columns.reduce((sum, column) => sum + GAP.length + columnWidth(column, results), 0)
  while (total() > width) {
    const droppable = columns.filter(({ keep }) => keep !== 'always')
    if (droppable.length === 0) break
    const least = droppable.reduce((a, b) => (b.keep < a.keep ? b : a))
    columns.splice(columns.indexOf(least), 1)
  }
  return columns
}

/** Columns with a best value have a place for the mark behind it. */
function columnWidth({ title, show, rank }: Column, results: readonly RestoreResult[]): number {
  return Math.max(title.length, ...results.map(result => show(result).length)) + (rank === undefined ? 0 : 1)
}

/** Title and cells, all of one width. */
function renderColumn(column: Column, results: readonly RestoreResult[], colors: Colors): string[] {
  const width = columnWidth(column, results)
  const best = bestRows(column, results)
  const unmarked = column.rank === undefined ? '' : ' '
  const cells = results.map((result, row) => {
    const text = column.show(result)
    if (!best[row]) return (text + unmarked).padStart(width)
    if (!colors.isColorSupported) return `${text}*`.padStart(width)
    return ' '.repeat(width - text.length - 1) + colors.bold(colors.green(text)) + unmarked
  })
  return [colors.bold((column.title + unmarked).padStart(width)), ...cells]
}

/** Breaks a text at spaces, but not between number and unit, into lines of at most `width`; a longer word stays whole. */
function wrap(text: string, width: number): string[] {
  const lines = ['']
  for (const word of keepUnits(text).split(' ')) {
    const last = lines.length - 1
    if (lines[last] === '') lines[last] = word
    else if (lines[last].length + 1 + word.length <= width) lines[last] += ` ${word}`
    else lines.push(word)
  }
  return lines.map(line => line.replaceAll('\u00a0', ' '))
}
