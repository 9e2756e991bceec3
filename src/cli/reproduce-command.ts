/** `reproduce`: predict published tables, and tell how far off that is. */
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { LazyRestoreError } from '../core/error.ts'
import { readJsonFile } from '../core/text-file.ts'
import { parseCount } from '../core/units.ts'
import { reproduce } from '../experiment/reproduce/reproduce.ts'
import { parseTables } from '../experiment/reproduce/tables.ts'
import { renderReproduction, renderReproductionMarkdown } from '../report/reproduction-table.ts'
import { orSay } from './output-files.ts'
import { Progress } from './progress.ts'

interface ReproduceOptions {
  readonly input?: string
  readonly only?: string
  readonly seeds: string
  readonly markdown?: string
  readonly json?: boolean
}

/** The published tables that come with the package; this file is in dist/cli. */
const TABLES = fileURLToPath(new URL('../../data/published-tables.json', import.meta.url))

const EXAMPLE = `
Examples:
  lazyrestore reproduce
  lazyrestore reproduce --only reap-fig7,reap-fig8
  lazyrestore reproduce --input mine.json --json      # rows of your own, of the form of data/published-tables.json`

export function addReproduceCommand(program: Command): void {
  program
    .command('reproduce')
    .description(
      'Predict published tables from inputs that do not depend on their results: published, predicted, error.',
    )
    .option('--input <file>', 'tables and inputs; those that come with lazyrestore when not given')
    .option('--only <tables>', 'names of tables, separated by commas')
    .option('--seeds <n>', 'simulations of each row, of which the median counts', '3')
    .option('--markdown <file>', 'write the tables as Markdown')
    .option('--json', 'print the rows as JSON')
    .addHelpText('after', EXAMPLE)
    .action(runReproduce)
}

async function runReproduce(options: ReproduceOptions): Promise<void> {
  const seeds = parseCount(options.seeds, '--seeds')
  if (seeds < 1) throw new LazyRestoreError('usage', '--seeds: found 0, expected at least 1')
  const file = options.input ?? TABLES
  const input = parseTables(readJsonFile(file, 'tables to reproduce'), file)
  const progress = new Progress()
  const only = options.only === undefined ? [] : options.only.split(',').map(name => name.trim())
  const reproduction = reproduce(input, { only, seeds, onProgress: what => progress.update(what) })
  progress.done()
  const { markdown } = options
  if (markdown !== undefined)
    await orSay(markdown, writeFile(markdown, renderReproductionMarkdown(input, reproduction)))
  process.stdout.write(
    options.json ? `${JSON.stringify(reproduction, null, 2)}\n` : renderReproduction(input, reproduction),
  )
}
