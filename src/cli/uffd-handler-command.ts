/** `uffd-handler`: serve the memory of Firecracker VMs, which hand their userfaultfd over, out of a snapshot. */
import type { Command } from 'commander'
import { Option } from 'commander'
import { LazyRestoreError } from '../core/error.ts'
import { parseCount } from '../core/units.ts'
import { findZerosOption, type SnapshotOptions } from './snapshot-options.ts'

export interface UffdHandlerOptions extends SnapshotOptions {
  readonly socket: string
  readonly snapshot: string
  readonly policy?: string
  readonly block?: string
  readonly workingSet?: string
  readonly record?: string
  readonly onFailure: 'kill' | 'leave'
  readonly maxVms: string
  readonly readyVms: string
  readonly handshakeLimit: string
  readonly drainLimit: string
  readonly supervisor: boolean
  readonly controlDescriptor?: string
}

const HELP = `
Firecracker is told to load a snapshot with this handler as its memory:
  curl --unix-socket vm.api -X PUT http://localhost/snapshot/load -d '{"snapshot_path": "vm.state",
    "mem_backend": {"backend_type": "Uffd", "backend_path": "/run/uffd.sock"}, "resume_vm": true}'

stdout has a JSON object a line: "listening", then "vm" for each VM when it needs the handler no more, "refused", and "status"
on SIGUSR2. SIGTERM and SIGINT stop it: no VM is taken any more, those there are get all their memory and are let go.

Examples:
  lazyrestore uffd-handler --socket /run/uffd.sock --snapshot vm.mem --record run.lrtrace
  lazyrestore workingset build vm.mem run.lrtrace -o vm.lrws
  lazyrestore uffd-handler --socket /run/uffd.sock --snapshot vm.mem --working-set vm.lrws
docs/uffd-handler.md has the whole of it.`

export function addUffdHandlerCommand(program: Command): void {
  program
    .command('uffd-handler')
    .description("Serve the memory of Firecracker VMs lazily out of a snapshot: Firecracker's UFFD handler.")
    .requiredOption('--socket <path>', 'the Unix socket to listen on, the backend_path of PUT /snapshot/load')
    .requiredOption('--snapshot <file>', "the VMs' memory: a memory file, or any other snapshot")
    .option(
      '--policy <spec>',
      'which pages are installed beside those asked for; adaptive, or working-set where one is given',
    )
    .option(
      '--working-set <file>',
      'what earlier runs used, which is installed first: made by `workingset build`, or a recording itself',
    )
    .option(
      '--record <file>',
      'write the pages that the first VM asks for, with their times, as a trace; FILE-2 the second …',
    )
    .option(
      '--block <name>',
      "the block of the snapshot that is the VMs' memory, of several; all, one behind the other",
    )
    .addOption(
      new Option('--on-failure <what>', 'what becomes of a VMM whose memory cannot be served')
        .choices(['kill', 'leave'])
        .default('kill'),
    )
    .option('--max-vms <n>', 'VMs served at a time', '64')
    .option('--ready-vms <n>', 'VMs for which threads are kept ready, so that they need not wait for their start', '1')
    .option('--handshake-limit <time>', 'longest wait for what a VMM sends when it has connected', '10s')
    .option('--drain-limit <time>', 'longest time after SIGTERM for VMs to get the rest of their memory', '300s')
    .option('--no-supervisor', 'no second process that kills the VMMs should the handler be killed')
    .addOption(new Option('--control-descriptor <n>').hideHelp())
    .addOption(findZerosOption())
    .addHelpText('after', HELP)
    .action(runUffdHandler)
}

async function runUffdHandler(options: UffdHandlerOptions): Promise<void> {
  outliveReaders()
  if (parseCount(options.maxVms, '--max-vms') < 1) {
    throw new LazyRestoreError('usage', `--max-vms: found ${options.maxVms}, expected at least 1`)
  }
  if (options.supervisor && options.controlDescriptor === undefined) return superviseHandler(options)
  const { runUffdService } = await import('./uffd-service.ts')
  await runUffdService(options)
}

/** VMs are served, and killed where they must be, whether or not anybody reads what is said of them any more. */
function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.removeAllListeners('error')
    stream.on('error', () => {})
  }
}

/** This process watches, and one with the same command line serves. */
async function superviseHandler({ socket, onFailure }: UffdHandlerOptions): Promise<void> {
  const { CONTROL_DESCRIPTOR, supervise } = await import('../uffd/service/supervisor.ts')
  const again = [...process.execArgv, ...process.argv.slice(1), '--control-descriptor', String(CONTROL_DESCRIPTOR)]
  process.exitCode = await supervise({
    socketPath: socket,
    command: [process.execPath, ...again],
    onFailure,
    onListening: () => process.stdout.write(`${JSON.stringify({ event: 'listening', socket })}\n`),
    onNote: note => process.stderr.write(`lazyrestore: supervisor: ${note}\n`),
  })
}
