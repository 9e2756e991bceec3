/** What all renderings of a comparison share: the facts that hold for every row, and the sentences that sum it up. */
import { formatBytes, formatCount, formatDurationNs, formatVcpus } from '../core/units.ts'
import type { RestoreResult } from '../engine/result.ts'
import { formatFactor } from './columns.ts'
import { printable, uniqueLabels } from './series.ts'

/** What does not differ between the rows of one comparison, label and value. @param results at least one */
export function comparisonFacts(results: readonly RestoreResult[]): [label: string, value: string][] {
  const { snapshot, workload, storage, layout, seed, fixedNs, bytesTouched } = results[0]
  const vcpus = formatVcpus(workload.vcpus)
  const engines = [...new Set(results.map(({ engine }) => engine))].join(' and ')
  const facts: [string, string][] = [
    ['snapshot', `${snapshot.name} (${formatBytes(snapshot.bytes)})`],
    [
      'workload',
      `${workload.name}: ${vcpus}, ${formatCount(workload.accesses)} accesses to ${formatBytes(bytesTouched)}`,
    ],
    ['storage', storage],
    ['memory', layout],
    ['engine', `${engines}, seed ${seed}; ${formatDurationNs(fixedNs)} of each resume is fixed`],
  ]
  return facts.map(([label, value]) => [label, printable(value)])
}

/** Ties every number to the unit behind it, for text that is about to be broken into lines. */
export function keepUnits(text: string): string {
  return text.replaceAll(/(\d) (?=(?:ns|µs|ms|s|B|[KMGT]iB)\b)/g, '$1\u00a0')
}

interface Row {
  readonly label: string
  readonly policy: string
  readonly resumeNs: number
  readonly workDoneNs: number
}

/** One or two sentences: who finishes the work first and by how much, and what an early resume is worth. */
export function conclusions(results: readonly RestoreResult[]): string[] {
  if (results.length < 2) return []
  const labels = uniqueLabels(results)
  const byWork: Row[] = results
    .map(({ policy, resumeNs, workDoneNs }, i) => ({ label: labels[i], policy, resumeNs, workDoneNs }))
    .sort((a, b) => a.workDoneNs - b.workDoneNs)
  return [aboutWork(byWork), aboutResume(byWork)].filter(sentence => sentence !== null)
}

/** The winners, held against plain `eager`, which is what people have, and against the last. */
function aboutWork(byWork: readonly Row[]): string {
  const [best] = byWork
  const last = byWork[byWork.length - 1]
  const time = formatDurationNs(best.workDoneNs)
  const winners = byWork.filter(({ workDoneNs }) => formatDurationNs(workDoneNs) === time)
  if (winners.length === byWork.length) return `All finish the work at the same time: ${time}.`
  const eager = byWork.find(({ policy }) => policy === 'eager')
  const losers = eager === undefined || eager === last || winners.includes(eager) ? [last] : [eager, last]
  const leads = losers.map(({ label, workDoneNs }) => {
    const factor = formatFactor(workDoneNs / best.workDoneNs)
    const lead = best.workDoneNs > 0 && factor !== '1.00×' ? `${factor} sooner` : 'sooner'
    return `${lead} than ${label} (${formatDurationNs(workDoneNs)})`
  })
  const who = `${list(winners)} ${winners.length === 1 ? 'finishes' : 'finish'} the work first`
  return `${who}: ${time}, ${leads.join(' and ')}.`
}

/** Who resumes first without being done first; when nobody does, who resumes last. Null when all resume together. */
function aboutResume(byWork: readonly Row[]): string | null {
  const resumes = [...byWork].sort((a, b) => a.resumeNs - b.resumeNs)
  const time = formatDurationNs(resumes[0].resumeNs)
  const lastTime = formatDurationNs(resumes[resumes.length - 1].resumeNs)
  if (lastTime === time) return null
  const early = byWork.filter(({ resumeNs }) => formatDurationNs(resumeNs) === time)
  const [first] = early
  if (formatDurationNs(first.workDoneNs) === formatDurationNs(byWork[0].workDoneNs)) {
    const late = byWork.filter(({ resumeNs }) => formatDurationNs(resumeNs) === lastTime)
    return `${list(late)} ${late.length === 1 ? 'lets' : 'let'} the VM run last, after ${lastTime}.`
  }
  const done = `finishes the work after ${formatDurationNs(first.workDoneNs)}.`
  if (early.length === 1) return `${first.label} lets the VM run first, after ${time}, and ${done}`
  return `${list(early)} let the VM run first, after ${time}; the best of them, ${first.label}, ${done}`
}

/** `a`, `a and b`, `a, b and c`; beyond four only the number. */
function list(rows: readonly Row[]): string {
  if (rows.length > 4) return `${rows.length} policies`
  const labels = rows.map(({ label }) => label)
  return labels.length === 1 ? labels[0] : `${labels.slice(0, -1).join(', ')} and ${labels[labels.length - 1]}`
}
