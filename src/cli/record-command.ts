/** `trace record`: restore a snapshot for real and write what its handlers were asked for as a trace. */
import type { Command } from 'commander'
import { LazyRestoreError } from '../core/error.ts'
import { parseSpecList } from '../core/spec-string.ts'
import { formatBytes, formatCount, formatDurationNs, parseCount } from '../core/units.ts'
import { parseHostPages } from '../destination/host-pages.ts'
import { createLayout, type Layout } from '../destination/layout.ts'
import { compare } from '../experiment/compare.ts'
import { createPolicy } from '../policy/registry.ts'
import { DEFAULT_HOST_PROFILE } from '../sim/host-profile.ts'
import { asFile } from '../snapshot/as-file.ts'
import { faultTrace, type RecordedFaults } from '../workload/fault-trace.ts'
import { memoryOfSnapshot } from '../workload/memory.ts'
import { workloadStats } from '../workload/stats.ts'
import { writeTrace } from '../workload/trace-file.ts'
import { addStorageOptions, chooseEngine, type EngineOptions } from './engines.ts'
import { addWorkloadOptions, loadWorkload, traceFiles, type WorkloadOptions } from './options.ts'
import { refuseOverwrite } from './output-files.ts'
import { Progress } from './progress.ts'
import {
  findZerosOption,
  hostPageSizeOption,
  offsetOption,
  openForRestore,
  SNAPSHOT_HELP,
  type SnapshotOptions,
} from './snapshot-options.ts'

interface RecordOptions extends SnapshotOptions, WorkloadOptions, EngineOptions {
  readonly output: string
  readonly policy: string
  readonly hostPageSize: string
  readonly json?: boolean
}

const HELP = `
The trace has one vCPU and an access for each page that was asked for, in the order of the answers (docs/workloads.md).

Example:
  lazyrestore trace record vm.mig --cold -o run0.lrtrace
  lazyrestore compare vm.mig --workload run1.lrtrace --recording run0.lrtrace
A name that ends in .ndjson gives lines of text instead of columns.`

export function addRecordCommand(trace: Command): void {
  const command = trace
    .command('record')
    .description('Restore a snapshot for real, once, and write the order of its faults to a trace file.')
    .argument('<snapshot>', SNAPSHOT_HELP)
    .requiredOption('-o, --output <file>', 'the trace file to write')
    .option('--engine <name>', 'uffd: threads that touch memory; kvm: a KVM guest whose memory it is', 'uffd')
    .option('--policy <spec>', 'one that uses userfaultfd; only lazy leaves every first use to a fault', 'lazy')
  addWorkloadOptions(command)
  addStorageOptions(command)
    .addOption(hostPageSizeOption())
    .option('--verify', 'compare the memory with an eager load after the restore')
    .addOption(offsetOption())
    .addOption(findZerosOption())
    .option('--json', 'print what was written, and the record of the restore, as JSON')
    .addHelpText('after', HELP)
    .action(runRecord)
}

async function runRecord(name: string, options: RecordOptions): Promise<void> {
  if (options.engine === 'sim' || options.engine === 'qemu') {
    const why = options.engine === 'sim' ? 'which has no faults to record' : 'which `lazyrestore qemu --record` records'
    throw new LazyRestoreError('usage', `--engine: found "${options.engine}", ${why}, expected uffd or kvm`)
  }
  const progress = new Progress()
  let faults: RecordedFaults | null = null
  const chosen = await chooseEngine(options, DEFAULT_HOST_PROFILE, found => {
    faults = found
  })
  let snapshot = await openForRestore(name, options)
  try {
    await refuseOverwrite(options.output, [...traceFiles([options.workload]), snapshot])
    const hostPages = parseHostPages(options.hostPageSize)
    checkPolicy(options.policy, createLayout(snapshot, hostPages))
    snapshot = await asFile(snapshot, progress)
    progress.update('preparing the workload')
    const workload = await loadWorkload(options.workload, options, snapshot)
    const { results, notes } = await compare({
      engine: chosen.engine,
      layout: createLayout(snapshot, hostPages),
      workload,
      storage: chosen.storages[0],
      policies: options.policy,
      recording: null,
      seed: parseCount(options.seed, '--seed'),
      fixedNs: 0,
      onProgress: policy => progress.update(`restoring under ${policy}`),
    })
    progress.done()
    const [result] = results
    const traceName = `faults of ${workload.name} under ${result.policy}, by engine ${result.engine}`
    const trace = faultTrace(faults!, memoryOfSnapshot(snapshot), traceName, workload.seed)
    await writeTrace(options.output, trace)
    const stats = workloadStats(trace)
    const said = [...chosen.notes, ...notes]
    if (options.json) {
      process.stdout.write(`${JSON.stringify({ file: options.output, ...stats, result, notes: said }, null, 2)}\n`)
      return
    }
    const pages = `${formatCount(stats.distinctPages)} pages (${formatBytes(stats.bytesTouched)})`
    process.stdout.write(
      `${options.output}: faults on ${pages}, recorded by engine ${result.engine} under ${result.policy}; ` +
        `the work was done after ${formatDurationNs(result.workDoneNs)}\n`,
    )
    for (const note of said) process.stdout.write(`${note}\n`)
  } finally {
    progress.done()
    await chosen.engine.close()
    await snapshot.close()
  }
}

/** @throws LazyRestoreError `usage` unless it is one policy, and one whose faults come to a handler */
function checkPolicy(text: string, layout: Layout): void {
  const specs = parseSpecList(text)
  if (specs.length !== 1) {
    throw new LazyRestoreError('usage', `--policy: found ${specs.length} policies in "${text}", expected one`)
  }
  const { mechanism } = createPolicy(specs[0], { layout, workingSet: new Uint32Array(0) })
  if (mechanism.install === 'uffd') return
  throw new LazyRestoreError(
    'usage',
    `--policy: found ${text}, whose faults no handler sees, expected one that uses userfaultfd`,
  )
}
