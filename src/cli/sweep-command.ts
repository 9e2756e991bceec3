/** `sweep`: many restores from one spec, on the threads of this machine or on workers over Redis; it goes on where it was left. */
import type { Command } from 'commander'
import type { SweepProgress } from 'lazyrestore/sweeps'
import { LazyRestoreError } from '../core/error.ts'
import { formatCount, formatDurationNs } from '../core/units.ts'
import { readSweepSpec } from '../experiment/sweep/read-spec.ts'
import { commandLine } from './command-line.ts'
import { countFrom } from './options.ts'
import { Progress } from './progress.ts'
import { stopSignal } from './stop-signal.ts'

interface SweepOptions {
  readonly dataDir: string
  readonly output: readonly string[]
  readonly threads?: string
  readonly redis?: string
  readonly fresh?: boolean
  readonly json?: boolean
}

/** Between two lines of progress in a log. */
const LOG_MS = 10_000

const HELP = `
A spec is a YAML or JSON file: a restore whose texts have {variables} in them, and what the variables are.

  name: how much to read around a fault
  cell:
    snapshot: synthetic:{size},zero=60%
    workload: working-set:share={share},vcpus=2
    policy: "{policy}"                       # storage, layout, cores likewise
  grid:                                      # every combination of these …
    policy: [lazy, "read-around:window=64KiB", eager]
    size: {from: 64MiB, to: 1GiB, scale: log, points: 5}
  latinHypercube:                            # … with each of these points; also: random, list
    points: 20
    of: {share: {from: 1%, to: 50%, scale: log}}
  repetitions: 3
  seed: 1

The results are kept in the data directory, cell by cell. SIGINT stops the sweep; the same command goes on with it.

Examples:
  lazyrestore sweep spec.yaml -o results.parquet
  lazyrestore sweep spec.yaml --redis redis://host:6379      # cells are done by: lazyrestore worker --redis …`

export function addSweepCommand(program: Command): void {
  program
    .command('sweep')
    .description(
      'Restore over a grid or a sample of sizes, workloads, policies, storages; on threads or many machines.',
    )
    .argument('<spec>', 'what is varied, and over what')
    .option('--data-dir <folder>', 'where the results are kept', 'lazyrestore-data')
    .option(
      '-o, --output <file...>',
      'also write the results as .parquet, .csv, .json, .html (a report with figures) or .hlog (HdrHistogram)',
      [],
    )
    .option('--threads <n>', 'restores at a time; as many as there are cores when not given')
    .option('--redis <url>', 'have workers do them: redis://host:port, or unix:/path')
    .option('--fresh', 'do cells again that have a result')
    .option('--json', 'print what came of it as JSON')
    .addHelpText('after', HELP)
    .action(runSweep)
}

async function runSweep(file: string, options: SweepOptions): Promise<void> {
  const { dataDir, output, threads, redis, fresh = false } = options
  if (threads !== undefined && redis !== undefined) {
    throw new LazyRestoreError('usage', 'found --threads and --redis, expected one of the two')
  }
  const atATime = threads === undefined ? {} : { threads: countFrom(threads, '--threads', 1) }
  const { formatOfFile, Sweep, writeResults } = await import('lazyrestore/sweeps')
  for (const name of output) formatOfFile(name)
  const spec = await readSweepSpec(file)
  const signal = stopSignal()
  const sweep = await Sweep.open(spec, { dataDirectory: dataDir, fresh, where: file })
  const progress = new Progress(LOG_MS)
  try {
    const finished = await sweep.work({
      signal,
      onProgress: (state, workers) => progress.update(`${spec.name}: ${describeProgress(state)}, ${workers}`),
      ...atATime,
      ...(redis === undefined ? {} : { redis }),
    })
    progress.done()
    const { done, failed } = sweep.counts
    const cells = sweep.cells.count
    if (!finished) {
      throw new LazyRestoreError(
        'interrupted',
        `stopped; ${formatCount(done + failed)} of ${formatCount(cells)} cells are in ${dataDir}, the same command goes on`,
      )
    }
    for (const name of output) await writeResults(sweep, name, commandLine())
    if (options.json) {
      process.stdout.write(
        `${JSON.stringify({ id: sweep.plan.id, name: spec.name, cells, done, failed, dataDir, output })}\n`,
      )
    } else {
      process.stdout.write(
        `${spec.name}: ${formatCount(done)} of ${formatCount(cells)} cells done, ${formatCount(failed)} failed; in ${dataDir}\n`,
      )
      for (const reason of firstFailures(sweep.rows())) process.stdout.write(`  ${reason}\n`)
      for (const name of output) process.stdout.write(`${name}\n`)
    }
  } finally {
    progress.done()
    await sweep.close()
  }
}

/** `1,234 of 10,000 cells, 3 failed, 410/s, 21 s left`. */
export function describeProgress({ cells, done, failed, perS, etaMs }: SweepProgress): string {
  const parts = [`${formatCount(done + failed)} of ${formatCount(cells)} cells`]
  if (failed > 0) parts.push(`${formatCount(failed)} failed`)
  if (perS !== null) parts.push(`${perS >= 10 ? formatCount(Math.round(perS)) : perS.toPrecision(2)}/s`)
  if (etaMs !== null) parts.push(`${formatDurationNs(etaMs * 1e6)} left`)
  return parts.join(', ')
}

const MOST_REASONS = 5

/** Each reason once, with the first cell that has it. */
function firstFailures(
  rows: Iterable<{ cell: { index: number }; ended: { error: { message: string } | null } | null }>,
): string[] {
  const first = new Map<string, number>()
  for (const { cell, ended } of rows) {
    const reason = ended?.error?.message
    if (reason !== undefined && !first.has(reason)) first.set(reason, cell.index)
    if (first.size === MOST_REASONS) break
  }
  return [...first].map(([reason, index]) => `cell ${index}: ${reason}`)
}
