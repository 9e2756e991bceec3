/** The report of a sweep as one self-contained HTML file: who is first how often, figures, heat maps, what failed, the data. */
import { formatCount, formatDurationNs, formatShare } from '../core/units.ts'
import { escapeMarkup } from './markup.ts'
import { figureSection, paragraph, renderPage } from './page.ts'
import { groupBy, policiesOf, quantilesOf, type SweepPoint } from './sweep-axes.ts'
import { sweepFigures } from './sweep-figures.ts'

export interface SweepReport {
  readonly title: string
  readonly notes: readonly string[]
  readonly command: string
  readonly cells: number
  readonly variables: readonly string[]
  readonly points: readonly SweepPoint[]
  /** Reasons of cells that failed, with their number. */
  readonly failures: ReadonlyMap<string, number>
}

/** Cells whose figures are in the file as data; of more, those of every n-th. */
const MOST_DATA = 20_000

export function renderSweepReport(report: SweepReport): string {
  const { title, notes, command, cells, variables, points, failures } = report
  const failed = [...failures.values()].reduce((sum, count) => sum + count, 0)
  const stride = Math.max(1, Math.ceil(points.length / MOST_DATA))
  const body = [
    paragraph(
      `${formatCount(points.length)} of ${formatCount(cells)} cells have a result, ${formatCount(failed)} failed.`,
    ),
    points.length === 0 ? '' : renderPolicies(points),
    ...notes.map(note => paragraph(note, 'dim')),
    ...sweepFigures(points, variables).map(figureSection),
    ...(failed === 0 ? [] : ['<h2>What failed</h2>', renderFailures(failures)]),
  ]
  return renderPage({
    title,
    body: body.join('\n'),
    command,
    dataHelp: `The figures of ${stride === 1 ? 'the cells' : `every ${stride}th cell`} are in this file, as JSON, in the element with the id “results”.`,
    data: points.filter((_, i) => i % stride === 0).map(dataOf),
  })
}

function dataOf({ cell, result }: SweepPoint): object {
  const { index, seed, policy, variables } = cell
  const { resumeNs, workDoneNs, residentNs, stallNs, faults, bytesRead } = result
  return { index, seed, policy, variables, resumeNs, workDoneNs, residentNs, stallNs: stallNs.total, faults, bytesRead }
}

/** A row a policy: how late its work is done over all cells, and in which share of the cases it is first. */
function renderPolicies(points: readonly SweepPoint[]): string {
  const policies = policiesOf(points)
  const wins = new Map<string, number>()
  const cases = groupBy(points, caseOf)
  for (const group of cases.values()) {
    const best = group.reduce((first, point) => (point.result.workDoneNs < first.result.workDoneNs ? point : first))
    wins.set(policies.of(best), (wins.get(policies.of(best)) ?? 0) + 1)
  }
  const rows = [...groupBy(points, policies.of)].map(([policy, own]) => {
    const { low, median, high } = quantilesOf(own.map(({ result }) => result.workDoneNs))
    const resume = quantilesOf(own.map(({ result }) => result.resumeNs)).median
    const times = [resume, median, low, high].map(ns => `<td>${escapeMarkup(formatDurationNs(ns))}</td>`)
    const share = formatShare((wins.get(policy) ?? 0) / cases.size)
    return {
      median,
      row: `<tr><th scope="row">${escapeMarkup(policy)}</th><td>${own.length}</td>${times.join('')}<td>${share}</td></tr>`,
    }
  })
  const head = [
    'policy',
    'cells',
    'resume, median',
    'work done, median',
    '10th percentile',
    '90th percentile',
    'first in',
  ]
  const titles = head.map(title => `<th scope="col">${title}</th>`).join('')
  const body = rows.sort((a, b) => a.median - b.median).map(({ row }) => row)
  return `<div class="wide"><table><thead><tr>${titles}</tr></thead><tbody>${body.join('')}</tbody></table></div>
${paragraph('First in: the share of cases, everything but the policy being equal, in which its work is done first.', 'dim')}`
}

/** Everything of a cell but the policy. */
function caseOf({ cell }: SweepPoint): string {
  const { snapshot, layout, workload, storage, cores, seed } = cell
  return JSON.stringify([snapshot, layout, workload, storage, cores, seed])
}

function renderFailures(failures: ReadonlyMap<string, number>): string {
  const items = [...failures].map(([reason, count]) => `<li>${formatCount(count)} × ${escapeMarkup(reason)}</li>`)
  return `<ul>${items.join('')}</ul>`
}
