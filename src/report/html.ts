/** The comparison as one self-contained HTML file: table, figures, records. No script runs and nothing is fetched. */
import type { RestoreResult } from '../engine/result.ts'
import { bestRows, COLUMNS } from './columns.ts'
import { renderFigures } from './figures.ts'
import { escapeMarkup } from './markup.ts'
import { figureSection, paragraph, renderPage, renderTerms } from './page.ts'
import { breakLabel, uniqueLabels } from './series.ts'
import { comparisonFacts, conclusions } from './summary.ts'

export interface ReportContext {
  readonly title: string
  readonly notes: readonly string[]
  /** The command line that makes these results again. */
  readonly command: string
}

/** Longer names of policies are broken. */
const NAME_WIDTH = 24

export function renderHtmlReport(results: readonly RestoreResult[], { title, notes, command }: ReportContext): string {
  const body = results.length === 0 ? ['<p>No restore to show.</p>'] : [renderComparison(results)]
  return renderPage({
    title,
    body: `${body.join('\n')}
${notes.map(note => paragraph(note, 'dim')).join('\n')}
${results.length === 0 ? '' : `${renderFigures(results).map(figureSection).join('\n')}\n${renderHelp()}`}`,
    command,
    dataHelp: 'The records are in this file, as JSON, in the element with the id “results”.',
    data: results,
  })
}

function renderComparison(results: readonly RestoreResult[]): string {
  const sentences = conclusions(results).map(sentence => paragraph(sentence, 'conclusion'))
  return [...sentences, renderRows(results), renderTerms(comparisonFacts(results))].join('\n')
}

function renderRows(results: readonly RestoreResult[]): string {
  const head = COLUMNS.map(
    ({ title, help }) => `<th scope="col" title="${escapeMarkup(help)}">${escapeMarkup(title)}</th>`,
  )
  const best = COLUMNS.map(column => bestRows(column, results))
  const labels = uniqueLabels(results)
  const rows = results.map((result, row) => {
    const cells = COLUMNS.map(({ show, title }, column) => {
      const classes = [best[column][row] ? 'best' : '', title === 'work done' ? 'done' : ''].filter(name => name !== '')
      const attribute = classes.length === 0 ? '' : ` class="${classes.join(' ')}"`
      return `<td${attribute}>${escapeMarkup(show(result))}</td>`
    })
    return `<tr><th scope="row">${breakLabel(labels[row], NAME_WIDTH).map(escapeMarkup).join('<br>')}</th>${cells.join('')}</tr>`
  })
  return `<div class="wide"><table><thead><tr><th scope="col">policy</th>${head.join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`
}

/** What each column says, and how to read them together. */
function renderHelp(): string {
  const terms = COLUMNS.map(({ title, help }): [string, string] => [title, help])
  return `<h2>How to read it</h2>
${paragraph('All times count from the moment at which the restore was asked for, and lower is better everywhere; the best of a column is green. Judge a policy by work done: resume alone says only when the waiting moves into the guest.')}
${renderTerms(terms)}`
}
