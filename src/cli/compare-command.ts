/** `compare`: restore one snapshot under several policies and show what each is worth. */
import { access, constants, mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Command } from 'commander'
import picocolors from 'picocolors'
import { LazyRestoreError } from '../core/error.ts'
import { parseCount, parseDurationNs } from '../core/units.ts'
import { parseHostPages } from '../destination/host-pages.ts'
import { createLayout } from '../destination/layout.ts'
import { type Comparison, type ComparisonResult, compare } from '../experiment/compare.ts'
import { compareInRounds, type RoundsResult } from '../experiment/rounds.ts'
import { POLICIES } from '../policy/registry.ts'
import { renderCsv } from '../report/csv.ts'
import { renderHdrLog } from '../report/hdr-log.ts'
import { renderRounds } from '../report/rounds-table.ts'
import { renderTable } from '../report/table.ts'
import { deviceOf, type HostProfile } from '../sim/host-profile.ts'
import { createSimEngine } from '../sim/sim-engine.ts'
import { asFile } from '../snapshot/as-file.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { openWorkingSet, type WorkingSetFile } from '../working-set/open.ts'
import { commandLine } from './command-line.ts'
import {
  addStorageOptions,
  type ChosenEngine,
  chooseEngine,
  ENGINE_HELP,
  type EngineOptions,
  FAULT_PATH_HELP,
} from './engines.ts'
import {
  addWorkloadOptions,
  DEFAULT_SNAPSHOT,
  loadHostProfile,
  loadRecording,
  loadStorage,
  loadWorkload,
  traceFiles,
  type WorkloadOptions,
} from './options.ts'
import { orSay, refuseOverwrite, writeFigures } from './output-files.ts'
import { Progress } from './progress.ts'
import { addQemuEngineOptions, QEMU_POLICIES, QEMU_ROUNDS } from './qemu-engine.ts'
import {
  findZerosOption,
  hostPageSizeOption,
  offsetOption,
  openForRestore,
  SNAPSHOT_HELP,
  type SnapshotOptions,
} from './snapshot-options.ts'
import { TimelineFile } from './timeline-file.ts'

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
  readonly perfetto?: string
  readonly hdr?: string
  readonly rounds?: string
}

const EXAMPLES = `
Policies (--policies a,b:option=value,…):
${POLICIES.map(({ name, summary }) => `  ${name.padEnd(16)} ${summary}`).join('\n')}

Examples:
  lazyrestore compare vm.mig --storage sata-ssd --workload working-set:share=10%,vcpus=4
  lazyrestore compare vm.mig --policies eager,lazy-sweep:rate=200MiB,working-set --host-page-size m0=2M
  lazyrestore compare vm.mig --workload run1.lrtrace --recording run0.lrtrace --report report.html
  lazyrestore compare vm.mig --engine uffd --cold --verify        # restored for real, on this host
  lazyrestore compare vm.mig --engine qemu --cold --warm --rounds 5 --until port:2222 \\
    --qemu 'qemu-system-x86_64 -m 2048 -nic user,hostfwd=tcp:127.0.0.1:2222-:22 …the other options of the saved VM'`

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
    .option('--fault-path <spec>', FAULT_PATH_HELP)
    .option('--rounds <n>', `with a real engine: restores of each policy, in turns; 1, with engine qemu ${QEMU_ROUNDS}`)
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
    .option('--perfetto <file>', 'write what each thread does when, for ui.perfetto.dev; with engine sim')
    .option('--hdr <file>', 'write the fault latencies as an HdrHistogram log')
  addQemuEngineOptions(command).addHelpText('after', EXAMPLES).action(runCompare)
}

async function runCompare(name: string, options: CompareOptions, command: Command): Promise<void> {
  if (options.json && options.csv)
    throw new LazyRestoreError('usage', 'found --json and --csv, expected one of the two')
  await prepareFiles(options)
  const progress = new Progress()
  const profile = await loadHostProfile(options.profile, options.cores)
  const timelines = options.perfetto === undefined ? null : new TimelineFile(options.perfetto, options.engine)
  const chosen = await chooseEngine(
    options,
    profile,
    undefined,
    timelines === null ? {} : { onTimeline: timelines.add },
  )
  let snapshot = await openForRestore(name, options)
  let workingSetFile: WorkingSetFile | null = null
  try {
    await refuseInputs(snapshot, options)
    timelines?.open()
    if (chosen.isReal) snapshot = await asFile(snapshot, progress)
    progress.update('preparing the workload')
    const layout = createLayout(snapshot, parseHostPages(options.hostPageSize))
    // The guest of a QEMU does what it does, unless somebody knows better.
    const isGiven = command.getOptionValueSource('workload') !== 'default'
    const workload =
      chosen.recordWork !== null && !isGiven
        ? await chosen.recordWork(layout)
        : await loadWorkload(options.workload, options, snapshot)
    const recording = options.recording === undefined ? null : await loadRecording(options.recording, options, snapshot)
    workingSetFile = await loadWorkingSet(options)
    const given = {
      layout,
      workload,
      policies: options.policies ?? (chosen.engine.name === 'qemu' ? QEMU_POLICIES : null),
      recording,
      workingSetFile,
      seed: parseCount(options.seed, '--seed'),
      fixedNs: parseDurationNs(options.fixed, '--fixed'),
    }
    const outcome = await carryOut(given, chosen, profile, options, progress)
    progress.done()
    const notes = [describeHost(chosen, profile, outcome.rounds), ...chosen.notes, ...outcome.notes]
    // Before anything is printed: a reader of the output may go away in the middle of it.
    const files = await writeFiles({ results: outcome.results, notes }, snapshot.name, options)
    const written = [...files, ...(timelines?.close() ?? [])]
    print({ ...outcome, notes }, written, options)
  } finally {
    progress.done()
    timelines?.close()
    await chosen.engine.close()
    await workingSetFile?.close()
    await snapshot.close()
  }
}

interface Outcome extends ComparisonResult {
  /** Null: each policy was restored once. */
  readonly rounds: RoundsResult | null
}

/** Restores each policy once, or in rounds beside a prediction. */
async function carryOut(
  given: Omit<Comparison, 'engine' | 'storage'>,
  { engine, storages, isReal }: ChosenEngine,
  profile: HostProfile,
  options: CompareOptions,
  progress: Progress,
): Promise<Outcome> {
  const count = parseCount(options.rounds ?? (engine.name === 'qemu' ? QEMU_ROUNDS : '1'), '--rounds')
  if (count < 1 || (count > 1 && !isReal)) {
    const expected = isReal ? 'at least 1' : '1 with --engine sim, whose times are the same in every round'
    throw new LazyRestoreError('usage', `--rounds: found ${count}, expected ${expected}`)
  }
  if (count === 1 && engine.name !== 'qemu') {
    const onProgress = (policy: string, index: number, policies: number): void =>
      progress.update(`${index + 1}/${policies} ${policy}`)
    return { ...(await compare({ ...given, engine, storage: storages[0], onProgress })), rounds: null }
  }
  const device = deviceOf(profile) === null ? 'nvme' : 'host'
  const rounds = await compareInRounds({
    ...given,
    engine,
    storages,
    rounds: count,
    predictor: createSimEngine(profile, { guest: engine.name === 'kvm' }),
    predictedStorages: storages.map(({ cacheWarm }) =>
      loadStorage(`${device}:cache=${cacheWarm ? 'warm' : 'cold'}`, profile),
    ),
    predictedFixedNs: given.fixedNs,
    onProgress: text => progress.update(text),
  })
  const predictedBy = `Predicted by the simulator with profile ${profile.name} and storage ${device}; --profile takes another host's.`
  return { results: rounds.rows.map(({ result }) => result), rounds, notes: [predictedBy, ...rounds.notes] }
}

function print(
  { results, rounds, notes }: Outcome,
  written: readonly string[],
  { json, csv }: Pick<CompareOptions, 'json' | 'csv'>,
): void {
  if (json) {
    process.stdout.write(`${JSON.stringify({ results, ...(rounds !== null && { rounds }), notes }, null, 2)}\n`)
    return
  }
  if (csv) {
    process.stdout.write(renderCsv(results))
    return
  }
  const width = process.stdout.columns ?? 120
  const color = picocolors.isColorSupported && process.stdout.isTTY === true
  for (const storage of new Set(results.map(result => result.storage))) {
    const ofStorage = results.filter(result => result.storage === storage)
    process.stdout.write(`${renderTable(ofStorage, { color, width })}\n`)
  }
  if (rounds !== null) process.stdout.write(`${renderRounds(rounds)}\n`)
  for (const line of [...notes, ...written]) process.stdout.write(`${line}\n`)
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

function describeHost(
  { isReal, engine }: ChosenEngine,
  { name, host, parameters }: HostProfile,
  rounds: RoundsResult | null,
): string {
  if (engine.name === 'qemu') {
    return "Measured on this host with QEMU: stalls are QEMU's own (postcopy-blocktime); fault times are those in this process, from the arrival of a request to the last byte of its page at the socket."
  }
  const runs = rounds === null ? 'one run a policy, whose times vary from run to run' : 'runs of the policies in turns'
  if (isReal) return `Measured on this host by engine ${engine.name}: ${runs}.`
  const { value } = parameters.cores
  return `Host costs: profile ${name} (${host}), ${value} ${value === 1 ? 'core' : 'cores'}; --profile and --cores take others.`
}

/** Fails before the work rather than after it: makes the folder of the figures, and asks for that of the report. */
async function prepareFiles({ report, figures, hdr }: CompareOptions): Promise<void> {
  if (figures !== undefined) await orSay(figures, mkdir(figures, { recursive: true }))
  for (const file of [report, hdr]) {
    if (file !== undefined) await orSay(file, access(dirname(file), constants.W_OK))
  }
}

/** No file that is written may be one that is read. */
async function refuseInputs(snapshot: Snapshot, options: CompareOptions): Promise<void> {
  const { workload, recording, workingSet, profile } = options
  const inputs = [...traceFiles([workload, recording]), workingSet, profile, snapshot]
  for (const option of ['report', 'hdr', 'perfetto'] as const) {
    await refuseOverwrite(options[option], inputs, `--${option}`)
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
    const context = { title: `Restoring ${snapshot}`, notes, command: commandLine() }
    await write(options.report, renderHtmlReport(results, context))
  }
  if (options.hdr !== undefined) await write(options.hdr, renderHdrLog(results))
  if (options.figures !== undefined) {
    const { renderFigures } = await import('../report/figures.ts')
    written.push(...(await writeFigures(options.figures, renderFigures(results))))
  }
  return written
}
