/** Files that a command writes: figures in a folder, and errors of ours where one cannot be written. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LazyRestoreError } from '../core/error.ts'
import type { Figure } from '../report/figures.ts'

/** @throws LazyRestoreError `io` in place of what `work` on the file throws */
export async function orSay(file: string, work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (cause) {
    throw new LazyRestoreError('io', `${file}: ${(cause as Error).message}`, { cause })
  }
}

/** Makes the folder where it is missing. Returns the files' names. */
export async function writeFigures(folder: string, figures: readonly Figure[]): Promise<string[]> {
  const { standaloneSvg } = await import('../report/figures.ts')
  await orSay(folder, mkdir(folder, { recursive: true }))
  const files = figures.map(({ name }) => join(folder, `${name}.svg`))
  for (const [i, figure] of figures.entries()) await orSay(files[i], writeFile(files[i], standaloneSvg(figure)))
  return files
}
