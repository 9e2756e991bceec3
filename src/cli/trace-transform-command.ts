/** `trace transform`: trace files made of others. */
import type { Command } from 'commander'
import { LazyRestoreError } from '../core/error.ts'
import { formatBytes, formatCount, formatVcpus, parseBytes, parseCount, parseDurationNs } from '../core/units.ts'
import { memoryOfSnapshot, type WorkloadMemory } from '../workload/memory.ts'
import { workloadStats } from '../workload/stats.ts'
import { readTrace, writeTrace } from '../workload/trace-file.ts'
import { mergeWorkloads } from '../workload/transform/merge.ts'
import { remapTo, withPageSize } from '../workload/transform/remap.ts'
import { scaleTimes } from '../workload/transform/scale.ts'
import { sliceTime } from '../workload/transform/slice.ts'
import { spreadOverVcpus } from '../workload/transform/spread.ts'
import type { Workload } from '../workload/workload.ts'
import { refuseOverwrite } from './output-files.ts'
import { openForRestore } from './snapshot-options.ts'

interface TransformOptions {
  readonly output: string
  readonly merge: string
  readonly slice?: string
  readonly scale?: string
  readonly spread?: string
  readonly pageSize?: string
  readonly to?: string
  readonly from?: string
  readonly json?: boolean
}

const HELP = `
What is asked for is done in the order of these options: merge, slice, scale, spread, page size, memory.

Examples:
  lazyrestore trace transform boot.lrtrace load.lrtrace --merge after -o both.lrtrace
  lazyrestore trace transform run.lrtrace --slice 100ms..750ms --scale 0.5 -o part.lrtrace
  lazyrestore trace transform run.lrtrace --from old.mig --to new.mig -o moved.lrtrace`

export function addTransformCommand(trace: Command): void {
  trace
    .command('transform')
    .description('Merge, cut, stretch or move traces to another snapshot or page size.')
    .argument('<trace...>', 'trace files')
    .requiredOption('-o, --output <file>', 'the trace file to write')
    .option(
      '--merge <how>',
      'several traces: beside each other, each with vCPUs of its own, or after each other',
      'beside',
    )
    .option('--slice <interval>', 'only accesses of an interval of time, as in 100ms..750ms or 1s..')
    .option('--scale <factor>', 'multiply the times before accesses')
    .option('--spread <n>', 'deal the accesses of one vCPU out to n')
    .option('--page-size <bytes>', 'pages of another size')
    .option('--to <snapshot>', 'the same places in the memory of another snapshot')
    .option(
      '--from <snapshot>',
      'with --to: the snapshot that the trace is of; data goes to data, and zero pages to zero pages',
    )
    .option('--json', 'print what was written as JSON')
    .addHelpText('after', HELP)
    .action(runTransform)
}

async function runTransform(files: readonly string[], options: TransformOptions): Promise<void> {
  const { output, merge, to, from } = options
  await refuseOverwrite(output, files)
  if (merge !== 'beside' && merge !== 'after') {
    throw new LazyRestoreError('usage', `--merge: found "${merge}", expected beside or after`)
  }
  if (from !== undefined && to === undefined) {
    throw new LazyRestoreError('usage', '--from: found it without --to, expected both')
  }
  const inputs: Workload[] = []
  for (const file of files) inputs.push(await readTrace(file))
  let workload = inputs.length === 1 ? inputs[0] : mergeWorkloads(inputs, merge)
  if (options.slice !== undefined) workload = sliceTime(workload, ...parseInterval(options.slice))
  if (options.scale !== undefined) workload = scaleTimes(workload, Number(options.scale))
  if (options.spread !== undefined) workload = spreadOverVcpus(workload, parseCount(options.spread, '--spread'))
  if (options.pageSize !== undefined) workload = withPageSize(workload, parseBytes(options.pageSize, '--page-size'))
  if (to !== undefined) {
    const source = from === undefined ? null : await memoryOf(from, output)
    workload = remapTo(workload, await memoryOf(to, output), source)
  }
  await writeTrace(output, workload)
  const stats = workloadStats(workload)
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ file: output, name: workload.name, ...stats }, null, 2)}\n`)
    return
  }
  const { accesses, vcpus, distinctPages, bytesTouched } = stats
  process.stdout.write(
    `${output}: ${formatCount(accesses)} accesses of ${formatVcpus(vcpus)} to ${formatCount(distinctPages)} pages (${formatBytes(bytesTouched)})\n`,
  )
}

async function memoryOf(name: string, output: string): Promise<WorkloadMemory> {
  const snapshot = await openForRestore(name, {})
  try {
    await refuseOverwrite(output, [snapshot])
    return memoryOfSnapshot(snapshot)
  } finally {
    await snapshot.close()
  }
}

/** `100ms..750ms`, `..2s`, `1s..` */
function parseInterval(text: string): [number, number] {
  const [from, to, ...more] = text.split('..')
  if (to === undefined || more.length > 0) {
    throw new LazyRestoreError('usage', `--slice: found "${text}", expected an interval such as 100ms..750ms`)
  }
  const end = to === '' ? Number.POSITIVE_INFINITY : parseDurationNs(to, '--slice')
  return [from === '' ? 0 : parseDurationNs(from, '--slice'), end]
}
