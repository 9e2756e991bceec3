/** `worker`: does cells of the sweeps that are on Redis. */
import type { Command } from 'commander'
import { parseDurationNs } from '../core/units.ts'
import { countFrom } from './options.ts'
import { stopSignal } from './stop-signal.ts'

interface WorkerOptions {
  readonly redis: string
  readonly snapshotRoot: readonly string[]
  readonly threads?: string
  readonly lock: string
}

const HELP = `
A sweep names its snapshots and traces by their content: the worker looks for them below --snapshot-root, whatever they are
called there. A worker of another version than the sweep's is refused. The first line on stdout says that it is ready; the
log goes to stderr. SIGTERM and SIGINT stop it when what it is doing is done.

Example:
  lazyrestore worker --redis redis://host:6379 --snapshot-root /var/lib/snapshots`

export function addWorkerCommand(program: Command): void {
  program
    .command('worker')
    .description('Take cells of sweeps from Redis, on any number of machines.')
    .requiredOption('--redis <url>', 'redis://host:port, or unix:/path')
    .option('--snapshot-root <folder...>', 'folders with snapshots and traces; none: synthetic ones only', [])
    .option('--threads <n>', 'restores at a time; as many as there are cores when not given')
    .option('--lock <duration>', 'a worker that is silent for so long is taken for dead', '15s')
    .addHelpText('after', HELP)
    .action(runWorker)
}

async function runWorker({ redis, snapshotRoot, threads, lock }: WorkerOptions): Promise<void> {
  const atATime = threads === undefined ? {} : { threads: countFrom(threads, '--threads', 1) }
  const { cellVersion, openWorker } = await import('lazyrestore/sweeps')
  const worker = await openWorker({
    redis,
    snapshotRoots: snapshotRoot,
    lockMs: Math.max(100, parseDurationNs(lock, '--lock') / 1e6),
    onNote: line => process.stderr.write(`${line}\n`),
    ...atATime,
  })
  const { snapshots } = worker
  process.stdout.write(`ready, version ${cellVersion()}, ${snapshots} ${snapshots === 1 ? 'snapshot' : 'snapshots'}\n`)
  await worker.work(stopSignal())
}
