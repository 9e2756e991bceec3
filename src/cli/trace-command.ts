/** `trace`: workloads as files. */
import type { Command } from 'commander'
import { formatBytes, formatCount, formatShare, formatVcpus } from '../core/units.ts'
import { WORKLOADS } from '../workload/registry.ts'
import { workloadStats } from '../workload/stats.ts'
import { writeTrace } from '../workload/trace-file.ts'
import { addWorkloadOptions, loadWorkload, traceFiles, type WorkloadOptions } from './options.ts'
import { refuseOverwrite } from './output-files.ts'
import { addRecordCommand } from './record-command.ts'
import {
  findZerosOption,
  offsetOption,
  openForRestore,
  SNAPSHOT_HELP,
  type SnapshotOptions,
} from './snapshot-options.ts'
import { addImportCommand } from './trace-import-command.ts'
import { addStatsCommands } from './trace-stats-command.ts'
import { addTransformCommand } from './trace-transform-command.ts'

interface GenerateOptions extends SnapshotOptions, WorkloadOptions {
  readonly output: string
  readonly json?: boolean
}

const HELP = `
Workloads:
${WORKLOADS.map(({ name, summary }) => `  ${name.padEnd(14)} ${summary}`).join('\n')}

Example:
  lazyrestore trace generate vm.mig --workload zipf:accesses=1000000,vcpus=2 --seed 7 -o run.lrtrace
A name that ends in .ndjson gives lines of text instead of columns.`

export function addTraceCommand(program: Command): void {
  const trace = program.command('trace').description('Make, import, change and compare traces: workloads as files.')
  const generate = trace
    .command('generate')
    .description("Write a generated workload for a snapshot's memory to a trace file.")
    .argument('<snapshot>', SNAPSHOT_HELP)
    .requiredOption('-o, --output <file>', 'the trace file to write')
  addWorkloadOptions(generate)
    .addOption(offsetOption())
    .addOption(findZerosOption())
    .option('--json', 'print what was written as JSON')
    .addHelpText('after', HELP)
    .action(runGenerate)
  addRecordCommand(trace)
  addImportCommand(trace)
  addTransformCommand(trace)
  addStatsCommands(trace)
}

async function runGenerate(name: string, options: GenerateOptions): Promise<void> {
  const snapshot = await openForRestore(name, options)
  try {
    await refuseOverwrite(options.output, [...traceFiles([options.workload]), snapshot])
    const workload = await loadWorkload(options.workload, options, snapshot)
    await writeTrace(options.output, workload)
    const stats = workloadStats(workload)
    if (options.json) {
      process.stdout.write(`${JSON.stringify({ file: options.output, ...stats }, null, 2)}\n`)
      return
    }
    process.stdout.write(
      `${options.output}: ${formatCount(stats.accesses)} accesses of ${formatVcpus(stats.vcpus)} to ${formatCount(stats.distinctPages)} pages ` +
        `(${formatBytes(stats.bytesTouched)}, ${formatShare(stats.touchedShare)} of memory, ${stats.meanRunPages.toFixed(1)} pages a run)\n`,
    )
  } finally {
    await snapshot.close()
  }
}
