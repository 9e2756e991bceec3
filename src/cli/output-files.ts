/** Files that a command writes: never over what it reads, figures in a folder, and errors of ours where one cannot be written. */
import { constants } from 'node:fs'
import { access, mkdir, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { LazyRestoreError } from '../core/error.ts'
import type { Figure } from '../report/figures.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'

/** What a command reads: a file, or all that were opened for a snapshot; neither where it was not given. */
type Input = string | Pick<Snapshot, 'files'> | null | undefined

/**
 * @throws LazyRestoreError `usage` when the output is one of them, under whatever name
 */
export async function refuseOverwrite(
  output: string | undefined,
  inputs: readonly Input[],
  option = '--output',
): Promise<void> {
  if (output === undefined) return
  for (const file of inputs.flatMap(filesOf)) {
    if (!(await isSameFile(file, output))) continue
    throw new LazyRestoreError('usage', `${option}: found ${output}, which is read, expected another file`)
  }
}

function filesOf(input: Input): readonly string[] {
  return typeof input === 'string' ? [input] : (input?.files ?? [])
}

async function isSameFile(a: string, b: string): Promise<boolean> {
  try {
    const [first, second] = await Promise.all([a, b].map(path => stat(path, { bigint: true })))
    return first.dev === second.dev && first.ino === second.ino
  } catch {
    return false // one of them is no file yet
  }
}

/** @throws LazyRestoreError `io` in place of what `work` on the file throws */
export async function orSay(file: string, work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (cause) {
    throw new LazyRestoreError('io', `${file}: ${(cause as Error).message}`, { cause })
  }
}

/** Before work whose result would be lost. @throws LazyRestoreError `io` when the file cannot be made or written */
export async function checkWritable(file: string): Promise<void> {
  const found = await stat(file).catch(() => null)
  if (found?.isDirectory()) throw new LazyRestoreError('io', `${file}: found a directory, expected a file to write`)
  const folder = dirname(file)
  if (found === null && !(await stat(folder).catch(() => null))?.isDirectory()) {
    throw new LazyRestoreError('io', `${file}: found no folder ${folder} to write it to`)
  }
  await orSay(file, access(found === null ? folder : file, constants.W_OK))
}

/** Makes the folder where it is missing. Returns the files' names. */
export async function writeFigures(folder: string, figures: readonly Figure[]): Promise<string[]> {
  const { standaloneSvg } = await import('../report/figures.ts')
  await orSay(folder, mkdir(folder, { recursive: true }))
  const files = figures.map(({ name }) => join(folder, `${name}.svg`))
  for (const [i, figure] of figures.entries()) await orSay(files[i], writeFile(files[i], standaloneSvg(figure)))
  return files
}
