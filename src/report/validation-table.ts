/** A validation for people: predicted, measured and error of each case, and over all; as text, and as Markdown for docs/fidelity.md. */
import { formatBytes, formatDurationNs, formatShare } from '../core/units.ts'
import { type FigureName, summariseErrors, type ValidationResult } from '../experiment/validation.ts'
import { alignColumns } from './text-columns.ts'

interface Figure {
  readonly name: FigureName
  readonly title: string
  readonly format: (value: number) => string
}

const FIGURES: readonly Figure[] = [
  { name: 'workDoneNs', title: 'work done', format: formatDurationNs },
  { name: 'meanLatencyNs', title: 'mean fault latency', format: formatDurationNs },
  { name: 'p99LatencyNs', title: 'p99 fault latency', format: formatDurationNs },
  { name: 'bytesRead', title: 'bytes read', format: formatBytes },
]

type Row = readonly string[]

/** What a case is, before its figures. */
const CASE_COLUMNS = 5

/** A header and one row a case: case, then predicted, measured [min to max] and error of each figure. */
function rowsOf(results: readonly ValidationResult[], figures: readonly Figure[]): { header: Row; rows: Row[] } {
  const header = ['engine', 'policy', 'workload', 'pages', 'cache']
  for (const { title } of figures) header.push(`${title}: predicted`, 'measured', 'min to max', 'error')
  const rows = results.map(({ given, predicted, measured, error }) => {
    const cells = [given.engine, given.policy, given.workload, given.hostPages, given.cache]
    for (const { name, format } of figures) {
      const [expected, found, off] = [predicted[name], measured[name], error[name]]
      cells.push(expected === null ? '–' : format(expected))
      cells.push(found === null ? '–' : format(found.median))
      cells.push(found === null ? '–' : `${format(found.min)} to ${format(found.max)}`)
      cells.push(off === null ? '–' : signedShare(off))
    }
    return cells
  })
  return { header, rows }
}

function signedShare(share: number): string {
  return `${share < 0 ? '−' : '+'}${formatShare(Math.abs(share))}`
}

/** One line a figure: in how many cases it is known, and how far off predictions are. */
export function validationSummary(results: readonly ValidationResult[]): string[] {
  return FIGURES.flatMap(({ name, title }) => {
    const summary = summariseErrors(results, name)
    if (summary === null) return []
    const { cases, median, worst } = summary
    return [`${title}: median error ${formatShare(median)}, worst ${formatShare(worst)}, over ${cases} cases`]
  })
}

/** For a terminal: work done and mean latency of each case, and the sum over all figures. */
export function renderValidation(results: readonly ValidationResult[]): string {
  const { header, rows } = rowsOf(results, FIGURES.slice(0, 2))
  const lines = alignColumns([header, ...rows], CASE_COLUMNS)
  return `${[...lines, '', ...validationSummary(results)].join('\n')}\n`
}

/** Two Markdown tables, times and the rest, and the sums. */
export function renderValidationMarkdown(results: readonly ValidationResult[]): string {
  const tables = [FIGURES.slice(0, 1), FIGURES.slice(1)].map(figures => {
    const { header, rows } = rowsOf(results, figures)
    const line = (cells: Row) => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
    return [line(header), line(header.map((_, i) => (i < CASE_COLUMNS ? '---' : '---:'))), ...rows.map(line)].join('\n')
  })
  const sums = validationSummary(results).map(text => `- ${text}`)
  return `${sums.join('\n')}\n\n${tables.join('\n\n')}\n`
}
