/** `compare`: restore one snapshot under several policies and show what each is worth. */
import { access, constants, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Command } from 'commander'
import picocolors from 'picocolors'
import { LazyRestoreError } from '../core/error.ts'
import { parseCount, parseDurationNs } from '../core/units.ts'
import { parseHostPages } from '../destination/host-pages.ts'
import { createLayout } from '../destination/layout.ts'
import { type ComparisonResult, compare } from '../experiment/compare.ts'
import { POLICIES } from '../policy/registry.ts'
import { renderCsv } from '../report/csv.ts'
import { renderTable } from '../report/table.ts'
import type { HostProfile } from '../sim/host-profile.ts'
import { asFile } from '../snapshot/as-file.ts'
import { openWorkingSet, type WorkingSetFile } from '../working-set/open.ts'
import { addStorageOptions, type ChosenEngine, chooseEngine, ENGINE_HELP, type EngineOptions } from './engines.ts'
import {
  addWorkloadOptions,
  DEFAULT_SNAPSHOT,
  loadHostProfile,
  loadRecording,
  loadWorkload,
  type WorkloadOptions,
} from './options.ts'
import { Progress } from './progress.ts'
import {
  findZerosOption,
  hostPageSizeOption,
  offsetOption,
  openForRestore,
  SNAPSHOT_HELP,
  type SnapshotOptions,
} from './snapshot-options.ts'

interface CompareOptions extends SnapshotOptions, WorkloadOptions, EngineOptions {
  readonly policies?: string
  readonly hostPageSize: string
  readonly fixed: string
  readonly recording?: string
  readonly workingSet?: string
  readonly profile?: string
  readonly cores?: string
  readonly json?: boolean
  readonly csv?: boolean
  readonly report?: string
  readonly figures?: string
}

const EXAMPLES = `
Policies (--policies a,b:option=value,…):
${POLICIES.map(({ name, summary }) => `  ${name.padEnd(16)} ${summary}`).join('\n')}

Examples:
  lazyrestore compare vm.mig --storage sata-ssd --workload working-set:share=10%,vcpus=4
  lazyrestore compare vm.mig --policies eager,lazy-sweep:rate=200MiB,working-set --host-page-size m0=2M
  lazyrestore compare vm.mig --workload run1.lrtrace --recording run0.lrtrace --report report.html
  lazyrestore compare vm.mig --engine uffd --cold --verify        # restored for real, on this host`

export function addCompareCommand(program: Command): void {
  const command = program
    .command('compare')
    .description('Restore a snapshot under several policies and compare resume, work done and fully resident.')
    .argument('[snapshot]', SNAPSHOT_HELP, DEFAULT_SNAPSHOT)
    .option('--policies <list>', 'policies with options; all of them when not given')
  addWorkloadOptions(command)
  addStorageOptions(command)
    .addOption(hostPageSizeOption())
    .option('--engine <name>', ENGINE_HELP, 'sim')
    .option('--verify', 'with a real engine: compare the memory with an eager load after each restore')
    .option('--fixed <duration>', 'the part of the resume that no policy changes, such as loading device state', '8ms')
    .option(
      '--recording <trace>',
      'the earlier run that working sets are taken from; the workload itself when not given',
    )
    .option('--working-set <file>', 'a working set made by `lazyrestore workingset build`, in place of a recording')
    .option('--profile <file>', "the host's costs, as `lazyrestore calibrate` measures them")
    .option('--cores <n>', "host cores that vCPUs, handlers and workers share; the profile's when not given")
    .addOption(offsetOption())
    .addOption(findZerosOption())
    .option('--json', 'print the records as JSON')
    .option('--csv', 'print the records as CSV')
    .option('--report <file>', 'write an HTML report with figures')
    .option('--figures <folder>', 'write the figures as SVG files')
    .addHelpText('after', EXAMPLES)
    .action(runCompare)
}

async function runCompare(name: string, options: CompareOptions): Promise<void> {
  if (options.json && options.csv)
    throw new LazyRestoreError('usage', 'found --json and --csv, expected one of the two')
  await prepareFiles(options)
  const progress = new Progress()
  const profile = await loadHostProfile(options.profile, options.cores)
  const chosen = await chooseEngine(options, profile)
  let snapshot = await openForRestore(name, options)
  let workingSetFile: WorkingSetFile | null = null
  try {
    if (chosen.isReal) snapshot = await asFile(snapshot, progress)
    progress.update('preparing the workload')
    const workload = await loadWorkload(options.workload, options, snapshot)
    const recording = options.recording === undefined ? null : await loadRecording(options.recording, options, snapshot)
    workingSetFile = await loadWorkingSet(options)
    const comparison = await compare({
      engine: chosen.engine,
      layout: createLayout(snapshot, parseHostPages(options.hostPageSize)),
      workload,
      storage: chosen.storage,
      policies: options.policies ?? null,
      recording,
      workingSetFile,
      seed: parseCount(options.seed, '--seed'),
      fixedNs: parseDurationNs(options.fixed, '--fixed'),
      onProgress: (policy, index, count) => progress.update(`${index + 1}/${count} ${policy}`),
    })
    progress.done()
    const { results } = comparison
    const notes = [describeHost(chosen, profile), ...chosen.notes, ...comparison.notes]
    // Before anything is printed: a reader of the output may go away in the middle of it.
    const written = await writeFiles({ results, notes }, snapshot.name, options)
    if (options.json) process.stdout.write(`${JSON.stringify({ results, notes }, null, 2)}\n`)
    else if (options.csv) process.stdout.write(renderCsv(results))
    else {
      const width = process.stdout.columns ?? 120
      process.stdout.write(
        renderTable(results, { color: picocolors.isColorSupported && process.stdout.isTTY === true, width }),
      )
      for (const line of [...notes, ...written]) process.stdout.write(`${line}\n`)
    }
  } finally {
    progress.done()
    await chosen.engine.close()
    await workingSetFile?.close()
    await snapshot.close()
  }
}

/** The file that `--working-set` names, all of it checked: a restore is not the place to find that it is damaged. */
async function loadWorkingSet({ workingSet, recording }: CompareOptions): Promise<WorkingSetFile | null> {
  if (workingSet === undefined) return null
  if (recording !== undefined) {
    throw new LazyRestoreError('usage', 'found --working-set and --recording, expected one of the two')
  }
  const file = await openWorkingSet(workingSet)
  await file.verify().catch(async error => {
    await file.close()
    throw error
  })
  return file
}

function describeHost({ isReal, engine }: ChosenEngine, { name, host, parameters }: HostProfile): string {
  if (isReal)
    return `Measured on this host by engine ${engine.name}: one run a policy, whose times vary from run to run.`
  const { value } = parameters.cores
  return `Host costs: profile ${name} (${host}), ${value} ${value === 1 ? 'core' : 'cores'}; --profile and --cores take others.`
}

/** Fails before the work rather than after it: makes the folder of the figures, and asks for that of the report. */
async function prepareFiles({ report, figures }: CompareOptions): Promise<void> {
  if (figures !== undefined) await orSay(figures, mkdir(figures, { recursive: true }))
  if (report !== undefined) await orSay(report, access(dirname(report), constants.W_OK))
}

async function orSay(file: string, work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (cause) {
    throw new LazyRestoreError('io', `${file}: ${(cause as Error).message}`, { cause })
  }
}

/** Writes the report and the figures that were asked for; returns the names of the files. */
async function writeFiles(
  { results, notes }: ComparisonResult,
  snapshot: string,
  options: CompareOptions,
): Promise<string[]> {
  const written: string[] = []
  const write = async (file: string, text: string): Promise<void> => {
    await orSay(file, writeFile(file, text))
    written.push(file)
  }
  if (options.report !== undefined) {
    const { renderHtmlReport } = await import('../report/html.ts')
    const command = ['lazyrestore', ...process.argv.slice(2)].map(quoteForShell).join(' ')
    await write(options.report, renderHtmlReport(results, { title: `Restoring ${snapshot}`, notes, command }))
  }
  if (options.figures !== undefined) {
    const { renderFigures, standaloneSvg } = await import('../report/figures.ts')
    for (const figure of renderFigures(results))
      await write(join(options.figures, `${figure.name}.svg`), standaloneSvg(figure))
  }
  return written
}

function quoteForShell(word: string): string {
  return /^[\w.,:=/%@+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
