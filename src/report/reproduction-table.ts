/** Published against predicted, for people: as text, and as Markdown for docs/fidelity.md. */
import { formatShare } from '../core/units.ts'
import type { ReproducedRow, Reproduction } from '../experiment/reproduce/reproduce.ts'
import type { PublishedTables } from '../experiment/reproduce/tables.ts'

const HEADER = ['row', 'published', 'predicted', 'error', 'how']

/** A block for each table that has rows: title, source, rows; below them the fitted parameters. */
export function renderReproduction(input: PublishedTables, reproduction: Reproduction): string {
  const blocks = blocksOf(input, reproduction).map(({ title, source, rows, notes }) => {
    const all = [HEADER, ...rows]
    const widths = HEADER.map((_, column) => Math.max(...all.map(row => row[column].length)))
    const isText = (column: number) => column === 0 || column === HEADER.length - 1
    const lines = all.map(row =>
      row
        .map((cell, column) => (isText(column) ? cell.padEnd(widths[column]) : cell.padStart(widths[column])))
        .join('  ')
        .trimEnd(),
    )
    return [title, source, '', ...lines, ...notes.map(note => `  ${note}`)].join('\n')
  })
  return `${[...blocks, ...fittedLines(input, reproduction)].join('\n\n')}\n`
}

export function renderReproductionMarkdown(input: PublishedTables, reproduction: Reproduction): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const blocks = blocksOf(input, reproduction).map(({ title, source, rows, notes }) =>
    [
      `### ${title}`,
      '',
      source,
      '',
      line(HEADER),
      '| --- | ---: | ---: | ---: | --- |',
      ...rows.map(line),
      ...(notes.length > 0 ? ['', ...notes.map(note => `- ${note}`)] : []),
    ].join('\n'),
  )
  return `${[...blocks, ...fittedLines(input, reproduction).map(one => `- ${one}`)].join('\n\n')}\n`
}

interface Block {
  readonly title: string
  readonly source: string
  readonly rows: readonly (readonly string[])[]
  readonly notes: readonly string[]
}

function blocksOf({ tables }: PublishedTables, reproduction: Reproduction): Block[] {
  return tables.flatMap(({ name, title, source, unit }) => {
    const rows = reproduction.rows.filter(({ table }) => table === name)
    if (rows.length === 0) return []
    const notes = rows.flatMap(({ row, note }) => (note === null ? [] : [`${row}: ${note}`]))
    return [{ title: `${title} [${unit}]`, source, rows: rows.map(cellsOf), notes }]
  })
}

function cellsOf(row: ReproducedRow): string[] {
  return [row.row, showPublished(row.published), figure(row.predicted), showError(row), basisOf(row)]
}

function showPublished(published: ReproducedRow['published']): string {
  if (published === null) return '–'
  return typeof published === 'number' ? figure(published) : `${figure(published[0])} to ${figure(published[1])}`
}

function figure(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en-US', { useGrouping: false, maximumFractionDigits: 6 })
}

function showError({ error, inRange }: ReproducedRow): string {
  if (error === null) return '–'
  const signed = `${error < 0 ? '−' : '+'}${formatShare(Math.abs(error))}`
  return inRange === true ? `${signed}, in range` : signed
}

/** A row that a parameter was fitted on is none that was predicted. */
function basisOf({ published, fittedHere, fittedElsewhere }: ReproducedRow): string {
  if (fittedHere.length > 0) return `fitted here: ${fittedHere.join(', ')}`
  const kind = published === null ? 'predicted, nothing to compare with' : 'predicted'
  if (fittedElsewhere.length === 0) return kind
  return `${kind}; ${fittedElsewhere.map(({ name, row }) => `${name} fitted on ${row}`).join(', ')}`
}

function fittedLines({ parameters }: PublishedTables, { fitted }: Reproduction): string[] {
  return fitted.map(({ name, value, row }) => `fitted: ${name} = ${value}, on ${row}. ${parameters[name].source}`)
}
