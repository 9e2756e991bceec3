/** `trace stats` and `trace diff`: what traces are like, and how alike they are. */
import type { Command } from 'commander'
import { formatBytes, formatCount, formatDurationNs, formatShare, formatVcpus } from '../core/units.ts'
import { diffTraces, type TraceDiff } from '../working-set/trace-diff.ts'
import { readTrace } from '../workload/trace-file.ts'
import { type TraceStats, traceStats } from '../workload/trace-stats.ts'
import { writeFigures } from './output-files.ts'

interface StatsOptions {
  readonly figures?: string
  readonly json?: boolean
}

const STATS_HELP = `
Times are those on resident memory: the trace's own, no fault costing anything.

Example:
  lazyrestore trace stats run.lrtrace --figures figures`

const DIFF_HELP = `
A is a recording, each B a run that it is held against. Recall: of what B uses, the share that is in A. Precision: of what is
in A, the share that B uses. Order: the rank correlation of first uses, 1 for the same order, 0 for any.

Example:
  lazyrestore trace diff run0.lrtrace run1.lrtrace run2.lrtrace --figures figures`

export function addStatsCommands(trace: Command): void {
  trace
    .command('stats')
    .description('What a trace is like: working set, runs, sequentiality, reuse, skew.')
    .argument('<trace>', 'a trace file')
    .option('--figures <folder>', 'write the figures as SVG into this folder')
    .option('--json', 'print the figures as JSON')
    .addHelpText('after', STATS_HELP)
    .action(runStats)
  trace
    .command('diff')
    .description('How alike traces are: Jaccard index, recall, precision, order; what all or any of them have.')
    .argument('<a>', 'a trace file: the recording')
    .argument('<b...>', 'trace files: the runs')
    .option('--figures <folder>', 'write the figure as SVG into this folder')
    .option('--json', 'print the figures as JSON')
    .addHelpText('after', DIFF_HELP)
    .action(runDiff)
}

async function runStats(file: string, { figures, json }: StatsOptions): Promise<void> {
  const workload = await readTrace(file)
  const stats = traceStats(workload)
  if (figures !== undefined) {
    const { traceFigures } = await import('../report/trace-figures.ts')
    await writeFigures(figures, traceFigures(stats))
  }
  process.stdout.write(
    json ? `${JSON.stringify({ file, name: workload.name, ...stats }, null, 2)}\n` : statsText(file, stats),
  )
}

function statsText(file: string, stats: TraceStats): string {
  const { firstTouchNs: first, zipf } = stats
  const pages = `${formatCount(stats.distinctPages)} pages, ${formatBytes(stats.bytesTouched)}, ${formatShare(stats.touchedShare)} of memory`
  const rows = [
    ['trace', file],
    [
      'accesses',
      `${formatCount(stats.accesses)} of ${formatVcpus(stats.vcpus)}, ${formatShare(stats.writeShare)} writes`,
    ],
    ['working set', pages],
    ['runs', `${formatCount(stats.runs)}, ${stats.meanRunPages.toFixed(2)} pages on the mean`],
    [
      'time',
      `computing ${formatDurationNs(stats.computeNs)}, idle ${formatDurationNs(stats.idleNs)}, longest vCPU ${formatDurationNs(stats.longestVcpuNs)}`,
    ],
    [
      'first touches',
      first === null
        ? '–'
        : `half by ${formatDurationNs(first.p50)}, 90 % by ${formatDurationNs(first.p90)}, 98 % by ${formatDurationNs(first.p98)}`,
    ],
    [
      'next page',
      `${formatShare(stats.sequentialShare)} of accesses, ${formatShare(stats.sequentialFirstTouchShare)} of first touches`,
    ],
    ['reuse', `${formatShare(stats.reuseShare)} of accesses come back to a page`],
    [
      'zipf',
      zipf === null
        ? 'no fit: accesses are all alike'
        : `skew ${zipf.skew.toFixed(2)}, shares up to a rank within ${formatShare(zipf.distance)}`,
    ],
  ]
  return table(rows)
}

async function runDiff(a: string, others: readonly string[], { figures, json }: StatsOptions): Promise<void> {
  const traces = []
  for (const name of [a, ...others]) traces.push({ name, trace: await readTrace(name) })
  const diff = diffTraces(traces)
  if (figures !== undefined) {
    const { diffFigure } = await import('../report/trace-figures.ts')
    const figure = diffFigure(diff)
    await writeFigures(figures, figure === null ? [] : [figure])
  }
  process.stdout.write(json ? `${JSON.stringify(diff, null, 2)}\n` : diffText(a, diff))
}

function diffText(a: string, { runs, inAll, inAny }: TraceDiff): string {
  const share = (value: number | null) => (value === null ? '–' : formatShare(value))
  const rows = [['B', 'pages', 'in both', 'Jaccard', 'recall', 'precision', 'order']]
  for (const { b, used, both, jaccard, recall, precision, orderCorrelation } of runs) {
    const order = orderCorrelation === null ? '–' : orderCorrelation.toFixed(2)
    rows.push([b, formatCount(used), formatCount(both), share(jaccard), share(recall), share(precision), order])
  }
  const all = inAny === 0 ? '–' : formatShare(inAll / inAny)
  const sums = `in all: ${formatCount(inAll)} pages, in any: ${formatCount(inAny)}, ${all}\n`
  return `A  ${a}, ${formatCount(runs[0].listed)} pages\n\n${table(rows)}\n${sums}`
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map(row => row[column].length)))
  return rows
    .map(
      row =>
        `${row
          .map((cell, i) => cell.padEnd(widths[i]))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}
