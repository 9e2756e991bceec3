/**
 * What the HTML reports share: one self-contained file with its style, the command that makes it again, and its data as JSON.
 * No script runs and nothing is fetched.
 */
import { escapeMarkup } from './markup.ts'
import type { Figure } from './plot.ts'
import { printable } from './series.ts'
import { keepUnits } from './summary.ts'

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

export interface Page {
  readonly title: string
  /** HTML. */
  readonly body: string
  readonly command: string
  /** Says what the data is; it lies in the element with the id "results". */
  readonly dataHelp: string
  readonly data: unknown
}

export function renderPage({ title, body, command, dataHelp, data }: Page): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeMarkup(title)}</title><style>${STYLE}</style></head>
<body>
<h1>${escapeMarkup(title)}</h1>
${body}
<h2>Make it again</h2>
<pre>${escapeMarkup(command)}</pre>
${paragraph(dataHelp, 'dim')}
<script type="application/json" id="results">${embedJson(data)}</script>
</body></html>
`
}

export function figureSection({ title, svg, caption }: Figure): string {
  return `<h2>${escapeMarkup(title)}</h2><figure><div class="wide">${svg}</div><figcaption>${escapeMarkup(caption)}</figcaption></figure>`
}

export function renderTerms(terms: readonly (readonly [term: string, meaning: string])[]): string {
  return `<dl>${terms.map(([term, meaning]) => `<dt>${escapeMarkup(term)}</dt><dd>${escapeMarkup(meaning)}</dd>`).join('')}</dl>`
}

export function paragraph(text: string, name = ''): string {
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
