/** The comparison as one self-contained HTML file: table, figures, records. No script runs and nothing is fetched. */
import type { RestoreResult } from '../engine/result.ts'
import { bestRows, COLUMNS } from './columns.ts'
import { renderFigures } from './figures.ts'
import { escapeMarkup } from './markup.ts'
import { breakLabel, printable, uniqueLabels } from './series.ts'
import { comparisonFacts, conclusions, keepUnits } from './summary.ts'

export interface ReportContext {
  readonly title: string
  readonly notes: readonly string[]
  /** The command line that makes these results again. */
  readonly command: string
}

/** Longer names of policies are broken. */
const NAME_WIDTH = 24

const STYLE = `
:root { color-scheme: light dark; --text: #1a1a1a; --dim: #666; --line: #ddd; --best: #00735a; --back: #fff; --code: #f4f4f4 }
@media (prefers-color-scheme: dark) { :root { --text: #e8e8e8; --dim: #a0a0a0; --line: #3a3a3a; --best: #4fd1ae; --back: #161616; --code: #242424 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back); max-width: 74rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; overflow-wrap: anywhere } h2 { font-size: 1.1rem; margin: 2.5rem 0 .5rem }
p, figcaption { max-width: 50rem } .conclusion { font-size: 1.1rem; margin: .4rem 0 }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 1rem 0 } dt, figcaption, .dim { color: var(--dim) } dd { margin: 0; overflow-wrap: anywhere }
.wide { overflow-x: auto } table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; white-space: nowrap; margin: 1.5rem 0 }
th, td { text-align: right; padding: .3rem .5rem; border-bottom: 1px solid var(--line); font-weight: 400 }
thead th { font-weight: 600; vertical-align: bottom } .done { font-weight: 600 }
th:first-child { text-align: left; position: sticky; left: 0; background: var(--back); }
/* On a phone the first access goes, so that resume and work done are seen together. */
@media (max-width: 40rem) { tr > :nth-child(3) { display: none } th:first-child { white-space: normal; overflow-wrap: anywhere; min-width: 6rem; max-width: 9rem } }
.best { color: var(--best); font-weight: 600 } figure { margin: 0 } svg { display: block; width: 100%; max-width: 60rem; min-width: 44rem; height: auto }
.word { white-space: nowrap } pre { background: var(--code); padding: .6rem .8rem; overflow-x: auto }`

export function renderHtmlReport(results: readonly RestoreResult[], { title, notes, command }: ReportContext): string {
  const body = results.length === 0 ? ['<p>No restore to show.</p>'] : [renderComparison(results)]
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeMarkup(title)}</title><style>${STYLE}</style></head>
<body>
<h1>${escapeMarkup(title)}</h1>
${body.join('\n')}
${notes.map(note => paragraph(note, 'dim')).join('\n')}
${results.length === 0 ? '' : `${renderFigureSections(results)}\n${renderHelp()}`}
<h2>Make it again</h2>
<pre>${escapeMarkup(command)}</pre>
${paragraph('The records are in this file, as JSON, in the element with the id “results”.', 'dim')}
<script type="application/json" id="results">${embedJson(results)}</script>
</body></html>
`
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

function renderFigureSections(results: readonly RestoreResult[]): string {
  return renderFigures(results)
    .map(
      ({ title, svg, caption }) =>
        `<h2>${escapeMarkup(title)}</h2><figure><div class="wide">${svg}</div><figcaption>${escapeMarkup(caption)}</figcaption></figure>`,
    )
    .join('\n')
}

/** What each column says, and how to read them together. */
function renderHelp(): string {
  const terms = COLUMNS.map(({ title, help }): [string, string] => [title, help])
  return `<h2>How to read it</h2>
${paragraph('All times count from the moment at which the restore was asked for, and lower is better everywhere; the best of a column is green. Judge a policy by work done: resume alone says only when the waiting moves into the guest.')}
${renderTerms(terms)}`
}

function renderTerms(terms: readonly (readonly [term: string, meaning: string])[]): string {
  return `<dl>${terms.map(([term, meaning]) => `<dt>${escapeMarkup(term)}</dt><dd>${escapeMarkup(meaning)}</dd>`).join('')}</dl>`
}

function paragraph(text: string, name = ''): string {
  return `<p${name === '' ? '' : ` class="${name}"`}>${keepOptions(escapeMarkup(keepUnits(printable(text))))}</p>`
}

/** An option is not broken behind its hyphens. */
function keepOptions(markup: string): string {
  return markup.replaceAll(/--[a-z][a-z-]*/g, '<span class="word">$&</span>')
}

/** JSON that cannot end the script element it stands in. */
function embedJson(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c')
}
