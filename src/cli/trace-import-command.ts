/** `trace import`: traces of other tools as trace files. */
import type { Command } from 'commander'
import { formatBytes, formatCount, formatShare, formatVcpus } from '../core/units.ts'
import { openFile } from '../snapshot/file-source.ts'
import { FAULT_TIMES_HELP } from '../workload/fault-times.ts'
import { ADDRESSES_HELP } from '../workload/import/address-map.ts'
import { importTrace } from '../workload/import/import-trace.ts'
import { IMPORTERS } from '../workload/import/registry.ts'
import { workloadStats } from '../workload/stats.ts'
import { writeTrace } from '../workload/trace-file.ts'
import { refuseOverwrite } from './output-files.ts'
import {
  findZerosOption,
  offsetOption,
  openForRestore,
  SNAPSHOT_HELP,
  type SnapshotOptions,
} from './snapshot-options.ts'

interface ImportOptions extends SnapshotOptions {
  readonly output: string
  readonly format?: string
  readonly addresses: string
  readonly faultTimes: string
  readonly json?: boolean
}

const HELP = `
Formats:
${IMPORTERS.map(({ name, summary }) => `  ${name.padEnd(16)} ${summary}`).join('\n')}

Examples:
  lazyrestore trace import vm.mig qemu.log -o run.lrtrace
  lazyrestore trace import vm.mig kvm.txt --addresses hole:3GiB -o run.lrtrace
  lazyrestore trace import vm.mig trace --format reap --fault-times chromium -o run.lrtrace`

export function addImportCommand(trace: Command): void {
  trace
    .command('import')
    .description("Write another tool's trace, its faults placed in a snapshot's memory, to a trace file.")
    .argument('<snapshot>', SNAPSHOT_HELP)
    .argument('<file>', 'what perf, ftrace, QEMU, CRIU, REAP, E2B or mincore wrote')
    .requiredOption('-o, --output <file>', 'the trace file to write')
    .option('--format <spec>', 'a format below, with its options; found by the content when not given')
    .option('--addresses <map>', `where addresses lie: ${ADDRESSES_HELP}`, 'offset')
    .option('--fault-times <model>', `when faults come, for a file without times: ${FAULT_TIMES_HELP}`, 'none')
    .addOption(offsetOption())
    .addOption(findZerosOption())
    .option('--json', 'print what was written as JSON')
    .addHelpText('after', HELP)
    .action(runImport)
}

async function runImport(name: string, file: string, options: ImportOptions): Promise<void> {
  const { output, addresses, faultTimes, format = null } = options
  const snapshot = await openForRestore(name, options)
  try {
    await refuseOverwrite(output, [file, snapshot])
    const source = await openFile(file, 'a trace of another tool')
    try {
      const imported = await importTrace(source, { snapshot, format, addresses, faultTimes })
      await writeTrace(output, imported.workload)
      const { accesses, vcpus, distinctPages, bytesTouched, touchedShare, ...rest } = workloadStats(imported.workload)
      const { outside, notes } = imported
      if (options.json) {
        const stats = { accesses, vcpus, distinctPages, bytesTouched, touchedShare, ...rest }
        const printed = {
          file: output,
          format: imported.format,
          name: imported.workload.name,
          outside,
          notes,
          ...stats,
        }
        process.stdout.write(`${JSON.stringify(printed, null, 2)}\n`)
        return
      }
      process.stdout.write(
        `${output}: ${formatCount(accesses)} faults of ${formatVcpus(vcpus)} on ${formatCount(distinctPages)} pages ` +
          `(${formatBytes(bytesTouched)}, ${formatShare(touchedShare)} of memory), from ${imported.format}\n`,
      )
      if (outside > 0)
        process.stdout.write(`${formatCount(outside)} faults lie outside of the memory, and are left out.\n`)
      for (const note of notes) process.stdout.write(`${note}\n`)
    } finally {
      await source.close()
    }
  } finally {
    await snapshot.close()
  }
}
