/** A break-even as one self-contained HTML file: what was found, the figure, the times as a table and as JSON. */
import { formatDurationNs } from '../core/units.ts'
import { type BreakEvenReport, breakEvenFigure, breakEvenSentences } from './break-even-figure.ts'
import { escapeMarkup } from './markup.ts'
import { figureSection, paragraph, renderPage, renderTerms } from './page.ts'
import { formatValue, quantilesOf } from './sweep-axes.ts'

export function renderBreakEvenReport(
  report: BreakEvenReport,
  facts: readonly (readonly [string, string])[],
  command: string,
): string {
  const { policies, parameter } = report
  const body = [
    ...breakEvenSentences(report).map(sentence => paragraph(sentence, 'conclusion')),
    renderTerms(facts),
    figureSection(breakEvenFigure(report)),
    renderTimes(report),
  ]
  return renderPage({
    title: `${policies.join(' or ')}: break-even over ${parameter}`,
    body: body.join('\n'),
    command,
    dataHelp: 'What was measured is in this file, as JSON, in the element with the id “results”.',
    data: report,
  })
}

function renderTimes({ policies, parameter, range, result, metric }: BreakEvenReport): string {
  const head = [parameter, ...policies.map(policy => `${metric}, ${policy}`), 'ratio']
  const rows = result.points.map(({ value, timesNs }) => {
    const [a, b] = timesNs.map(times => quantilesOf(times).median)
    const cells = [formatDurationNs(a), formatDurationNs(b), `${(a / b).toFixed(2)}×`].map(text => `<td>${text}</td>`)
    return `<tr><th scope="row">${escapeMarkup(formatValue(value, range.unit))}</th>${cells.join('')}</tr>`
  })
  const titles = head.map(title => `<th scope="col">${escapeMarkup(title)}</th>`).join('')
  return `<div class="wide"><table><thead><tr>${titles}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`
}
