/** `qemu`: be the migration source of a stock QEMU and restore it out of a snapshot file. */
import type { Command } from 'commander'
import { LazyRestoreError } from '../core/error.ts'
import { parseSpec } from '../core/spec-string.ts'
import { formatBytes, formatCount, formatDurationNs, parseCount, parseDurationNs } from '../core/units.ts'
import { parseHostPages } from '../destination/host-pages.ts'
import { createLayout, type Layout } from '../destination/layout.ts'
import type { Address } from '../qemu/channel.ts'
import { type QemuRestore, type RecordedPages, restoreQemu } from '../qemu/restore-qemu.ts'
import type { Stage } from '../qemu/stage.ts'
import type { ByteSource } from '../snapshot/byte-source.ts'
import type { RecordedFaults } from '../workload/fault-trace.ts'
import { Progress } from './progress.ts'
import {
  findZerosOption,
  hostPageSizeOption,
  offsetOption,
  openForRestore,
  type SnapshotOptions,
} from './snapshot-options.ts'

interface QemuOptions extends SnapshotOptions {
  readonly socket?: string
  readonly tcp?: string
  readonly policy?: string
  readonly hostPageSize: string
  readonly workingSet?: string
  readonly record?: string
  readonly preempt?: boolean
  readonly resume?: boolean
  readonly fillCache?: boolean
  readonly completeAfter: string
  readonly limit: string
  readonly json?: boolean
}

const HELP = `
QEMU must be started with the options of the saved VM and -incoming defer, and told by QMP:
  migrate-set-capabilities postcopy-ram on;  migrate-incoming unix:/run/vm.sock

Example:
  lazyrestore qemu vm.mig --socket /run/vm.sock --record run0.lrtrace
  lazyrestore workingset build vm.mig run0.lrtrace -o vm.lrws
  lazyrestore qemu vm.mig --socket /run/vm.sock --working-set vm.lrws
docs/qemu.md has the whole of it.`

const SIGNALS = ['SIGINT', 'SIGTERM'] as const

export function addQemuCommand(program: Command): void {
  program
    .command('qemu')
    .description('Restore a stock QEMU lazily, straight from the snapshot file: be its migration source.')
    .argument('<snapshot>', 'a snapshot file that QEMU wrote')
    .option('--socket <path>', 'the Unix socket that QEMU listens on')
    .option('--tcp <host:port>', 'or its TCP address')
    .option(
      '--policy <spec>',
      'which pages are sent beside those asked for; adaptive, or working-set where one is given',
    )
    .addOption(hostPageSizeOption())
    .option(
      '--working-set <file>',
      'what earlier runs used, which is sent first: made by `workingset build`, or a recording itself',
    )
    .option('--record <file>', 'write the pages that are asked for, with their times, as a trace')
    .option('--preempt', "send pages that are asked for on a connection of their own (QEMU's postcopy-preempt)")
    .option(
      '--fill-cache',
      'read through the page cache at all times: slower, and the next restore finds the file there',
    )
    .option('--resume', 'take up a QEMU that is in postcopy-paused and was told migrate-recover')
    .option('--complete-after <time>', 'without requests for so long, send what the policy leaves', '10s')
    .option('--limit <time>', 'longest wait for QEMU to answer, or to take what is sent', '60s')
    .addOption(offsetOption())
    .addOption(findZerosOption())
    .option('--json', 'print the record as JSON')
    .addHelpText('after', HELP)
    .action(runQemu)
}

async function runQemu(name: string, options: QemuOptions): Promise<void> {
  const address = addressOf(options)
  const progress = new Progress()
  const snapshot = await openForRestore(name, options)
  const interruption = new AbortController()
  let caught: NodeJS.Signals | null = null
  const onSignal = (signal: NodeJS.Signals): void => {
    caught = signal
    interruption.abort(new LazyRestoreError('io', `interrupted by ${signal}`))
  }
  for (const signal of SIGNALS) process.on(signal, onSignal)
  let workingSet: OpenWorkingSet | null = null
  try {
    if (options.record !== undefined) {
      const { refuseOverwrite } = await import('./output-files.ts')
      await refuseOverwrite(options.record, [options.workingSet, snapshot], '--record')
    }
    const layout = createLayout(snapshot, parseHostPages(options.hostPageSize))
    if (options.workingSet !== undefined) workingSet = await loadWorkingSet(options.workingSet, layout)
    const { record, faults } = await restoreQemu({
      layout,
      policy: parseSpec(options.policy ?? (workingSet === null ? 'adaptive' : 'working-set')),
      workingSet,
      address,
      preempt: options.preempt ?? false,
      resume: options.resume ?? false,
      largeReads: options.fillCache ? 'cached' : 'fastest',
      completeAfterMs: parseDurationNs(options.completeAfter, '--complete-after') / 1e6,
      limitMs: parseDurationNs(options.limit, '--limit') / 1e6,
      signal: interruption.signal,
      onStage: stage => progress.update(STAGES[stage]),
    })
    progress.done()
    if (options.record !== undefined) await writeRecording(options.record, layout, record, faults)
    process.stdout.write(options.json ? `${JSON.stringify(record, null, 2)}\n` : describe(record, options))
  } catch (error) {
    if (caught === null || !(error instanceof LazyRestoreError)) throw error
    // To be seen to end by the signal, as a shell or a service manager expects.
    process.stderr.write(`lazyrestore: ${error.message}\n`)
    for (const signal of SIGNALS) process.off(signal, onSignal)
    process.kill(process.pid, caught)
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal)
    progress.done()
    await workingSet?.close()
    await snapshot.close()
  }
}

const STAGES: { readonly [S in Stage]: string } = {
  connect: 'connecting',
  head: 'opening the stream',
  advise: 'opening the stream',
  blocks: 'opening the stream',
  before: 'sending memory, before the VM runs',
  devices: 'loading device state',
  resume: 'asking QEMU what it has',
  running: 'the VM runs; sending memory',
  end: 'all is sent; waiting for QEMU',
}

function addressOf({ socket, tcp }: QemuOptions): Address {
  if ((socket === undefined) === (tcp === undefined)) {
    const found = socket === undefined ? 'neither' : 'both'
    throw new LazyRestoreError('usage', `found ${found} of --socket and --tcp, expected one: where QEMU listens`)
  }
  if (socket !== undefined) return { kind: 'unix', path: socket }
  const colon = tcp!.lastIndexOf(':')
  const port = colon < 1 ? Number.NaN : parseCount(tcp!.slice(colon + 1), '--tcp port')
  if (!(port >= 1 && port <= 65_535)) {
    throw new LazyRestoreError('usage', `--tcp: found "${tcp}", expected HOST:PORT such as 127.0.0.1:4444`)
  }
  return { kind: 'tcp', host: tcp!.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port }
}

interface OpenWorkingSet extends RecordedPages {
  close(): Promise<void>
}

/** A working-set file, or the pages of a recording in the order of first use. */
async function loadWorkingSet(path: string, layout: Layout): Promise<OpenWorkingSet> {
  const { openFile } = await import('../snapshot/file-source.ts')
  const { checkWorkingSetFits, isWorkingSet, readWorkingSet } = await import('../working-set/open.ts')
  const file = await openFile(path, 'a working-set file or a trace')
  try {
    if (!(await isWorkingSet(file))) {
      const pages = await pagesOfRecording(file, layout)
      return { pages, readContents: null, close: () => file.close() }
    }
    const workingSet = await readWorkingSet(file, () => file.close())
    checkWorkingSetFits(workingSet, layout)
    return { pages: workingSet.pages, readContents: workingSet.read, close: workingSet.close }
  } catch (error) {
    await file.close()
    throw error
  }
}

async function pagesOfRecording(file: ByteSource, layout: Layout): Promise<Uint32Array> {
  const { decodeTrace } = await import('../workload/trace-file.ts')
  const { checkWorkloadFits } = await import('../workload/check.ts')
  const { memoryOfSnapshot } = await import('../workload/memory.ts')
  const { workingSetOf } = await import('../working-set/working-set.ts')
  const { snapshot } = layout
  const recording = await decodeTrace(file)
  checkWorkloadFits(recording, { name: snapshot.name, identity: snapshot.identity, ...memoryOfSnapshot(snapshot) })
  return workingSetOf(layout, recording).pages
}

async function writeRecording(
  file: string,
  layout: Layout,
  { policy }: QemuRestore,
  faults: RecordedFaults,
): Promise<void> {
  const { writeTrace } = await import('../workload/trace-file.ts')
  const { faultTrace } = await import('../workload/fault-trace.ts')
  const { memoryOfSnapshot } = await import('../workload/memory.ts')
  const name = `pages that a QEMU asked for under ${policy}`
  await writeTrace(file, faultTrace(faults, memoryOfSnapshot(layout.snapshot), name, null))
}

function describe(record: QemuRestore, { record: recording }: QemuOptions): string {
  const { resumeNs, residentNs, requests, requestLatencyNs, pages, bytesSent, bytesRead } = record
  const lines = [
    resumeNs === null
      ? `QEMU went on, and has all its memory after ${formatDurationNs(residentNs)} (${record.policy}).`
      : `The VM could run after ${formatDurationNs(resumeNs)}, and has all its memory after ${formatDurationNs(residentNs)} (${record.policy}).`,
    `${formatCount(requests)} pages were asked for, ${formatCount(record.requestsForSentPages)} of them on their way already` +
      (requestLatencyNs === null
        ? '.'
        : `; the others left here after ${formatDurationNs(requestLatencyNs.p50)} (p50), ${formatDurationNs(requestLatencyNs.p99)} (p99).`),
    `Sent ${formatCount(pages.data)} pages with data and ${formatCount(pages.zero)} zero pages (${formatBytes(bytesSent)}); ` +
      `${formatCount(pages.zeroLeftOut)} zero pages needed nothing; read ${formatBytes(bytesRead)}.`,
  ]
  lines.push(...record.notes)
  if (recording !== undefined) lines.push(`${recording}: the ${formatCount(requests)} pages that were asked for.`)
  return `${lines.join('\n')}\n`
}
