/** The comparison as one self-contained HTML file: table, figures, records. No script runs and nothing is fetched. */
import type { RestoreResult } from '../engine/result.ts'
import { bestValue, COLUMNS } from './columns.ts'
import { renderFigures } from './figures.ts'
import { escapeMarkup } from './markup.ts'
import { comparisonFacts, conclusions } from './summary.ts'

export interface ReportContext {
  readonly title: string
  readonly notes: readonly string[]
  /** The command line that makes these results again. */
  readonly command: string
}

const STYLE = `
:root { color-scheme: light dark; --text: #1a1a1a; --dim: #666; --line: #ddd; --best: #00735a; --back: #fff; --code: #f4f4f4 }
@media (prefers-color-scheme: dark) { :root { --text: #e8e8e8; --dim: #a0a0a0; --line: #3a3a3a; --best: #4fd1ae; --back: #161616; --code: #242424 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back); max-width: 68rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; overflow-wrap: anywhere } h2 { font-size: 1.1rem; margin: 2rem 0 .2rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 1rem 0 } dt, figcaption, .dim { color: var(--dim) } dd { margin: 0; overflow-wrap: anywhere }
.wide { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums; white-space: nowrap }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid var(--line) } th:first-child, td:first-child { text-align: left }
.best { color: var(--best); font-weight: 600 } figure { margin: 0 } svg { max-width: 100%; min-width: 34rem; height: auto }
pre { background: var(--code); padding: .6rem .8rem; overflow-x: auto }`

export function renderHtmlReport(results: readonly RestoreResult[], { title, notes, command }: ReportContext): string {
  const facts = comparisonFacts(results).map(
    ([label, value]) => `<dt>${escapeMarkup(label)}</dt><dd>${escapeMarkup(value)}</dd>`,
  )
  const figures = renderFigures(results).map(
    figure =>
      `<h2>${escapeMarkup(figure.title)}</h2><figure><div class="wide">${figure.svg}</div><figcaption>${escapeMarkup(figure.caption)}</figcaption></figure>`,
  )
  const sentences = [...conclusions(results), ...notes].map(sentence => `<p>${escapeMarkup(sentence)}</p>`)
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeMarkup(title)}</title><style>${STYLE}</style></head>
<body>
<h1>${escapeMarkup(title)}</h1>
<dl>${facts.join('')}</dl>
<div class="wide">${renderRows(results)}</div>
${sentences.join('\n')}
${figures.join('\n')}
<h2>Make it again</h2>
<pre>${escapeMarkup(command)}</pre>
<p class="dim">The records are in this file, as JSON, in the element with the id “results”.</p>
<script type="application/json" id="results">${embedJson(results)}</script>
</body></html>
`
}

function renderRows(results: readonly RestoreResult[]): string {
  const head = COLUMNS.map(({ title }) => `<th scope="col">${escapeMarkup(title)}</th>`).join('')
  const best = COLUMNS.map(column => bestValue(column, results))
  const rows = results.map(result => {
    const cells = COLUMNS.map(({ show, rank }, i) => {
      const isBest = best[i] !== null && rank?.(result) === best[i]
      return `<td${isBest ? ' class="best"' : ''}>${escapeMarkup(show(result))}</td>`
    })
    return `<tr>${cells.join('')}</tr>`
  })
  return `<table><thead><tr>${head}</tr></thead><tbody>${rows.join('')}</tbody></table>`
}

/** JSON that cannot end the script element it stands in. */
function embedJson(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c')
}
