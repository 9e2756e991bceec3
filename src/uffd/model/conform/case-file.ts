/**
 * Reads a file of conformance cases: tab-separated, one row an operation whose answer counts. docs/conform.md specifies
 * the columns and the language of operations.
 *
 *     case            prepare                            operation     expect   7.3
 *     COPY over poison   map a anon 4; open u; register …   copy u a.0 1  done 1   EEXIST
 *                                                        pages a       P...     x...
 */
import { LazyRestoreError } from '../../../core/error.ts'
import { KERNEL_PROFILES, type KernelProfile } from '../profile.ts'

const COLUMNS = ['case', 'prepare', 'operation', 'expect'] as const

/** One row: operations that only have to work, and one whose answer is compared. */
export interface CaseStep {
  readonly line: number
  readonly prepare: readonly string[]
  readonly operation: string
  /** What every kernel answers, except the profiles that are listed apart. */
  readonly expect: string
  readonly exceptions: ReadonlyMap<KernelProfile, string>
}

export interface ConformCase {
  readonly name: string
  /** The file. */
  readonly source: string
  /** At least one. */
  readonly steps: readonly CaseStep[]
}

export function expectedAnswer(step: CaseStep, profile: KernelProfile): string {
  return step.exceptions.get(profile) ?? step.expect
}

/** @param source names the text in errors. @throws LazyRestoreError `format` */
export function parseCases(text: string, source: string): ConformCase[] {
  const rows = text.split(/\r?\n/).map((row, index) => ({ line: index + 1, row }))
  const [header, ...body] = rows.filter(({ row }) => row.trim() !== '' && !row.startsWith('#'))
  if (header === undefined)
    throw new LazyRestoreError('format', `${source}: found no header, expected ${COLUMNS.join(', ')}`)
  const profiles = parseHeader(header.row, `${source}:${header.line}`)
  const cases: { name: string; source: string; steps: CaseStep[] }[] = []
  for (const { line, row } of body) {
    const cells = row.split('\t').map(cell => cell.trim())
    const [name, prepare = '', operation = '', expect = ''] = cells
    if (name !== '') cases.push({ name, source, steps: [] })
    const current = cases.at(-1)
    if (current === undefined) {
      throw new LazyRestoreError(
        'format',
        `${source}:${line}: found a row without a case, expected a name in the first one`,
      )
    }
    if (operation === '' || expect === '') {
      throw new LazyRestoreError(
        'format',
        `${source}:${line}: found ${cells.length} cells, expected ${COLUMNS.join(', ')}`,
      )
    }
    if (cells.length > COLUMNS.length + profiles.length) {
      throw new LazyRestoreError(
        'format',
        `${source}:${line}: found ${cells.length} cells, expected as many as the header`,
      )
    }
    const exceptions = new Map<KernelProfile, string>()
    for (const [index, profile] of profiles.entries()) {
      const answer = cells[COLUMNS.length + index] ?? ''
      if (answer !== '') exceptions.set(profile, answer)
    }
    const operations = prepare === '' ? [] : prepare.split(';').map(part => part.trim())
    current.steps.push({ line, prepare: operations, operation, expect, exceptions })
  }
  return cases
}

function parseHeader(row: string, where: string): KernelProfile[] {
  const names = row.split('\t').map(cell => cell.trim())
  const wrong = COLUMNS.findIndex((column, index) => names[index] !== column)
  if (wrong >= 0) {
    throw new LazyRestoreError('format', `${where}: found column "${names[wrong] ?? ''}", expected "${COLUMNS[wrong]}"`)
  }
  return names.slice(COLUMNS.length).map(name => {
    const profile = KERNEL_PROFILES.find(known => known === name)
    if (profile === undefined) {
      throw new LazyRestoreError(
        'format',
        `${where}: found column "${name}", expected one of ${KERNEL_PROFILES.join(', ')}`,
      )
    }
    return profile
  })
}
