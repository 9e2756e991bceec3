/**
 * Runs scripts on kernels, the model and the host's, and says where they answer otherwise than each other or than a case
 * expects.
 *
 *     const kernels = [modelKernel({ profile: '6.18' }), hostKernel()]
 *     const results = await runCases(parseCases(text, 'cases.tsv'), kernels, '6.18')
 *     results.every(({ state }) => state !== 'differs')
 */
import { LazyRestoreError } from '../../../core/error.ts'
import type { KernelProfile } from '../profile.ts'
import { type ConformCase, expectedAnswer } from './case-file.ts'

/** What became of a script: an answer for each operation that was run. */
export interface ScriptAnswers {
  readonly answers: readonly string[]
  /** Why it was not run here, or not to its end: `skipped` is the host's lack, `died` a hang or a crash. */
  readonly stopped: { readonly kind: 'skipped' | 'died'; readonly reason: string } | null
}

/** Something that runs scripts of operations, each from a clean state. */
export interface ConformKernel {
  readonly name: string
  /** @throws LazyRestoreError `usage` for what is no operation */
  run(script: readonly string[]): Promise<ScriptAnswers>
  close(): Promise<void>
}

/** An operation and what it was answered. */
export interface ScriptLine {
  readonly operation: string
  /** Null: anything but an error will do. */
  readonly expected: string | null
  /** One for each kernel, in their order; null where it was not run. */
  readonly answers: readonly (string | null)[]
  /** All kernels answered alike, and as expected. */
  readonly agrees: boolean
}

export interface ScriptResult {
  readonly name: string
  /** Where the script stands, as `file:line`. */
  readonly where: string
  readonly state: 'agrees' | 'differs'
  readonly lines: readonly ScriptLine[]
  /** By kernel: why it did not run the script; null when it did. */
  readonly skipped: readonly (string | null)[]
}

/** @param onResult is called after each case, for progress. @throws LazyRestoreError `format` with the line of a case that has a wrong operation */
export async function runCases(
  cases: readonly ConformCase[],
  kernels: readonly ConformKernel[],
  profile: KernelProfile,
  onResult: (result: ScriptResult) => void = () => {},
): Promise<ScriptResult[]> {
  const results: ScriptResult[] = []
  for (const { name, source, steps } of cases) {
    const script = steps.flatMap(step => [
      ...step.prepare.map(operation => ({ operation, expected: null })),
      { operation: step.operation, expected: expectedAnswer(step, profile) },
    ])
    const where = `${source}:${steps[0].line}`
    const runs = await runOnAll(
      script.map(({ operation }) => operation),
      kernels,
      where,
    )
    const result = judge(name, where, script, runs)
    results.push(result)
    onResult(result)
  }
  return results
}

/** The same for a script of which nothing is known beforehand but that kernels have to agree. */
export async function compareScript(
  name: string,
  script: readonly string[],
  kernels: readonly ConformKernel[],
): Promise<ScriptResult> {
  const runs = await runOnAll(script, kernels, name)
  return judge(
    name,
    name,
    script.map(operation => ({ operation, expected: 'anything' })),
    runs,
  )
}

async function runOnAll(
  script: readonly string[],
  kernels: readonly ConformKernel[],
  where: string,
): Promise<ScriptAnswers[]> {
  const runs: ScriptAnswers[] = []
  try {
    for (const kernel of kernels) runs.push(await kernel.run(script))
  } catch (cause) {
    if (!(cause instanceof LazyRestoreError)) throw cause
    throw new LazyRestoreError('format', `${where}: ${cause.message}`, { cause })
  }
  return runs
}

interface Expectation {
  readonly operation: string
  /** Null: no error; `anything`: whatever it is, all kernels the same. */
  readonly expected: string | null
}

function judge(
  name: string,
  where: string,
  script: readonly Expectation[],
  runs: readonly ScriptAnswers[],
): ScriptResult {
  const skipped = runs.map(({ stopped }) => (stopped?.kind === 'skipped' ? stopped.reason : null))
  const lines: ScriptLine[] = []
  for (const [index, { operation, expected }] of script.entries()) {
    const answers = runs.map(({ answers, stopped }) => {
      if (index < answers.length) return answers[index]
      return stopped?.kind === 'died' && index === answers.length ? stopped.reason : null
    })
    const given = answers.filter((answer, kernel) => answer !== null || skipped[kernel] === null)
    const agrees = given.every(answer => answer === given[0] && isAccepted(answer, expected))
    lines.push({ operation, expected: expected === 'anything' ? null : expected, answers, agrees })
  }
  return { name, where, state: lines.every(({ agrees }) => agrees) ? 'agrees' : 'differs', lines, skipped }
}

function isAccepted(answer: string | null, expected: string | null): boolean {
  if (answer === null) return false
  if (expected === null) return !/^(E[A-Z0-9]+$|errno|SIG|partial|hung|died)/.test(answer)
  return expected === 'anything' ? !/^(hung|died)/.test(answer) : answer === expected
}
