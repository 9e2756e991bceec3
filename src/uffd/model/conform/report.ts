/** What a run of `conform` found, as data (the JSON of the command) and as text. docs/conform.md has a sample. */
import { formatCount } from '../../../core/units.ts'
import type { KernelProfile } from '../profile.ts'
import type { ScriptLine, ScriptResult } from './conform.ts'
import type { RandomRun } from './random-run.ts'

export interface ConformReport {
  readonly profile: KernelProfile
  /** Names, the model first; all answers below are in this order. */
  readonly kernels: readonly string[]
  /** Why the host's kernel was not run; null when it was. */
  readonly hostMissing: string | null
  readonly cases: CaseTotals
  /** Null: none were asked for, or there was no host to compare with. */
  readonly random: { readonly seed: number; readonly scripts: number; readonly operations: number } | null
  readonly disagreements: readonly ScriptResult[]
}

export interface CaseTotals {
  readonly agreeing: number
  readonly differing: number
  /** By kernel. */
  readonly operations: readonly number[]
  /** Cases that a kernel could not run. */
  readonly skipped: readonly { readonly kernel: string; readonly reason: string; readonly cases: number }[]
}

export function createReport(
  profile: KernelProfile,
  kernels: readonly string[],
  hostMissing: string | null,
  results: readonly ScriptResult[],
  random: RandomRun | null,
): ConformReport {
  const differing = results.filter(({ state }) => state === 'differs')
  return {
    profile,
    kernels,
    hostMissing,
    cases: {
      agreeing: results.length - differing.length,
      differing: differing.length,
      operations: kernels.map((_, kernel) => countAnswers(results, kernel)),
      skipped: kernels.flatMap((name, kernel) => countSkipped(results, name, kernel)),
    },
    random: random === null ? null : { seed: random.seed, scripts: random.scripts, operations: random.operations },
    disagreements: [...differing, ...(random?.differences ?? [])],
  }
}

function countAnswers(results: readonly ScriptResult[], kernel: number): number {
  return results.reduce((sum, { lines }) => sum + lines.filter(({ answers }) => answers[kernel] !== null).length, 0)
}

function countSkipped(results: readonly ScriptResult[], kernel: string, index: number): CaseTotals['skipped'] {
  const counts = new Map<string, number>()
  for (const { skipped } of results) {
    const reason = skipped[index]
    if (reason !== null) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  }
  return [...counts].map(([reason, cases]) => ({ kernel, reason, cases }))
}

export function describeReport({ profile, kernels, hostMissing, cases, random, disagreements }: ConformReport): string {
  const operations = kernels.map((name, kernel) => `${name} ${formatCount(cases.operations[kernel])}`).join(', ')
  const lines = disagreements.flatMap(result => [describeScript(result, kernels), ''])
  lines.push(`profile   ${profile}`)
  lines.push(
    `cases     ${formatCount(cases.agreeing)} agree, ${formatCount(cases.differing)} differ; operations: ${operations}`,
  )
  for (const skip of cases.skipped)
    lines.push(`skipped   ${formatCount(skip.cases)} cases on ${skip.kernel}: ${skip.reason}`)
  if (random !== null) {
    const differing = disagreements.length - cases.differing
    const counts = `${formatCount(random.operations)} operations in ${formatCount(random.scripts)} scripts, seed ${random.seed}`
    lines.push(`random    ${counts}: ${differing} differ`)
  }
  if (hostMissing !== null) lines.push(`host      not run: ${hostMissing}`)
  return `${lines.join('\n')}\n`
}

/** The script, an operation a line with its answer; where kernels differ from each other or the case, all of them. */
function describeScript({ name, where, lines }: ScriptResult, kernels: readonly string[]): string {
  const title = name === where ? name : `${where}: ${name}`
  return [`differs   ${title}`, ...lines.flatMap(line => describeLine(line, kernels))].join('\n')
}

function describeLine({ operation, expected, answers, agrees }: ScriptLine, kernels: readonly string[]): string[] {
  if (agrees) return [`  ${operation.padEnd(40)}  ${answers.find(answer => answer !== null)}`]
  const given = kernels.map((name, kernel) => `      ${name}: ${answers[kernel] ?? 'not run'}`)
  return [`! ${operation}`, ...(expected === null ? [] : [`      expected: ${expected}`]), ...given]
}
