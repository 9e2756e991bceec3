/** `workingset`: make working-set files of recordings, and hold recordings against each other. */
import type { Command } from 'commander'
import { LazyRestoreError } from '../core/error.ts'
import { formatBytes, formatCount, formatShare, parseCount } from '../core/units.ts'
import { parseHostPages } from '../destination/host-pages.ts'
import { createLayout } from '../destination/layout.ts'
import { openFile } from '../snapshot/file-source.ts'
import { comparePages, type PageSet, pagesOfFile, pagesOfRecording } from '../working-set/diff.ts'
import { MAX_RECORDINGS } from '../working-set/file-format.ts'
import { mergeOrders } from '../working-set/merge.ts'
import { isWorkingSet, readWorkingSet } from '../working-set/open.ts'
import { workingSetOf } from '../working-set/working-set.ts'
import { buildWorkingSet } from '../working-set/write.ts'
import { checkWorkloadFits } from '../workload/check.ts'
import { memoryOfSnapshot } from '../workload/memory.ts'
import { decodeTrace, readTrace } from '../workload/trace-file.ts'
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

interface BuildOptions extends SnapshotOptions {
  readonly output: string
  readonly minRuns: string
  readonly hostPageSize: string
  readonly json?: boolean
}

const BUILD_HELP = `
The pages stand by the median of their places in the recordings that have them. Build it for the host page size of the
destination: what is in the file are whole host pages.

Examples:
  lazyrestore workingset build vm.mig run0.lrtrace -o vm.lrws
  lazyrestore workingset build vm.mig run*.lrtrace --min-runs 2 --host-page-size m0=2M -o vm.lrws
  lazyrestore compare vm.mig --workload next.lrtrace --working-set vm.lrws`

const DIFF_HELP = `
A is the list, B the run that it is held against; each is a trace or a working-set file. Recall: of what B uses, the share
that is in A. Precision: of what is in A, the share that B uses.

Example:
  lazyrestore workingset diff vm.lrws next.lrtrace`

export function addWorkingSetCommand(program: Command): void {
  const workingSet = program.command('workingset').description('Working sets: what earlier runs used, as files.')
  workingSet
    .command('build')
    .description('Write the pages that recordings have, list and contents in order of first use, to a file.')
    .argument('<snapshot>', SNAPSHOT_HELP)
    .argument('<recording...>', 'trace files of earlier runs, as `trace record` writes them')
    .requiredOption('-o, --output <file>', 'the working-set file to write')
    .option(
      '--min-runs <k>',
      'recordings that must have a page: 1 is the union, as many as there are the intersection',
      '1',
    )
    .addOption(hostPageSizeOption())
    .addOption(offsetOption())
    .addOption(findZerosOption())
    .option('--json', 'print what was written as JSON')
    .addHelpText('after', BUILD_HELP)
    .action(runBuild)
  workingSet
    .command('diff')
    .description('Compare two recordings or working sets page by page: Jaccard index, recall, precision.')
    .argument('<a>', 'trace or working-set file: the list')
    .argument('<b>', 'trace or working-set file: the run')
    .option('--json', 'print the figures as JSON')
    .addHelpText('after', DIFF_HELP)
    .action(runDiff)
}

async function runBuild(name: string, recordings: readonly string[], options: BuildOptions): Promise<void> {
  const { output } = options
  if (recordings.length > MAX_RECORDINGS) {
    const found = `found ${recordings.length} recordings`
    throw new LazyRestoreError('usage', `workingset build: ${found}, expected at most ${MAX_RECORDINGS}`)
  }
  const minRuns = parseCount(options.minRuns, '--min-runs')
  const progress = new Progress()
  const snapshot = await openForRestore(name, options)
  try {
    await refuseOverwrite(output, [...recordings, snapshot])
    const layout = createLayout(snapshot, parseHostPages(options.hostPageSize))
    const target = { name: snapshot.name, identity: snapshot.identity, ...memoryOfSnapshot(snapshot) }
    const orders: Uint32Array[] = []
    for (const recording of recordings) {
      progress.update(`reading ${recording}`)
      const trace = await readTrace(recording)
      checkWorkloadFits(trace, target)
      orders.push(workingSetOf(layout, trace).pages)
    }
    const pages = mergeOrders(orders, minRuns)
    const onProgress = (page: number, count: number) => progress.update(`writing page ${page} of ${count}`)
    const contents = await buildWorkingSet(output, { layout, pages, recordings, minRuns, onProgress })
    progress.done()
    const sizes = { pages: pages.length, contentBytes: contents.byteLength, contentOffset: contents.offset }
    if (options.json) {
      process.stdout.write(`${JSON.stringify({ file: output, recordings, minRuns, ...sizes }, null, 2)}\n`)
      return
    }
    const from = `${recordings.length} ${recordings.length === 1 ? 'recording' : 'recordings'}`
    process.stdout.write(
      `${output}: ${formatCount(pages.length)} host pages that at least ${minRuns} of ${from} used, ` +
        `${formatBytes(contents.byteLength)} of contents\n`,
    )
  } finally {
    progress.done()
    await snapshot.close()
  }
}

async function runDiff(a: string, b: string, { json }: { readonly json?: boolean }): Promise<void> {
  const list = await loadPages(a)
  const run = await loadPages(b)
  const difference = comparePages(list, run)
  if (json) {
    process.stdout.write(`${JSON.stringify({ a, b, ...difference }, null, 2)}\n`)
    return
  }
  const { listed, used, both, pageSize, jaccard, recall, precision } = difference
  const pages = (count: number) => `${formatCount(count)} pages, ${formatBytes(count * pageSize)}`
  const share = (value: number | null) => (value === null ? '–' : formatShare(value))
  const rows = [
    ['A', a, pages(listed)],
    ['B', b, pages(used)],
    ['in both', '', pages(both)],
    ['only in A', '', pages(listed - both)],
    ['only in B', '', pages(used - both)],
    ['Jaccard', 'both / (A or B)', share(jaccard)],
    ['recall', 'both / B', share(recall)],
    ['precision', 'both / A', share(precision)],
  ]
  const width = (column: number) => Math.max(...rows.map(row => row[column].length))
  const [first, second] = [width(0), width(1)]
  for (const [what, how, value] of rows) {
    process.stdout.write(`${what.padEnd(first)}  ${how.padEnd(second)}  ${value}\n`)
  }
}

/** The pages of a trace or of a working-set file, whichever it is. */
async function loadPages(path: string): Promise<PageSet> {
  const source = await openFile(path, 'a trace or working-set file')
  try {
    if (!(await isWorkingSet(source))) return pagesOfRecording(await decodeTrace(source), path)
    return pagesOfFile(await readWorkingSet(source, async () => {}))
  } finally {
    await source.close()
  }
}
