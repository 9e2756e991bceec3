/** `burst`: many restores at a time, on one host or on several that share a store, under several policies. */
import type { Command } from 'commander'
import { ARRIVALS_HELP } from '../burst/arrivals.ts'
import { compareBursts } from '../burst/compare-bursts.ts'
import { LazyRestoreError } from '../core/error.ts'
import { parseCount, parseDurationNs } from '../core/units.ts'
import { parseHostPages } from '../destination/host-pages.ts'
import { createLayout } from '../destination/layout.ts'
import { renderBurstTable } from '../report/burst-table.ts'
import { parseFaultPath } from '../sim/fault-path.ts'
import { hostCosts } from '../sim/host-profile.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { Workload } from '../workload/workload.ts'
import { FAULT_PATH_HELP } from './engines.ts'
import {
  addWorkloadOptions,
  loadHostProfile,
  loadRecording,
  loadStorage,
  loadWorkload,
  STORAGE_HELP,
  type WorkloadOptions,
} from './options.ts'
import { Progress } from './progress.ts'
import {
  findZerosOption,
  hostPageSizeOption,
  offsetOption,
  openForRestore,
  SNAPSHOT_HELP,
  type SnapshotOptions,
} from './snapshot-options.ts'

interface BurstOptions extends SnapshotOptions, WorkloadOptions {
  readonly policies: string
  readonly hostPageSize: string
  readonly storage: string
  readonly faultPath: string
  readonly restores: string
  readonly hosts: string
  readonly snapshots: string
  readonly variants: string
  readonly arrivals: string
  readonly fixed: string
  readonly recording?: string
  readonly profile?: string
  readonly cores?: string
  readonly json?: boolean
}

const DEFAULT_BURST_SNAPSHOT = 'synthetic:256MiB,zero=60%,seed=1'
const MAX_VARIANTS = 1000

const EXAMPLES = `
Examples:
  lazyrestore burst --restores 1000 --cores 48 --arrivals poisson:rate=200
  lazyrestore burst vm.mig --restores 10000 --hosts 10000 --storage object-store --policies lazy,reap
  lazyrestore burst vm.mig --restores 100 --snapshots 100 --storage sata-ssd     # no two of the same snapshot`

export function addBurstCommand(program: Command): void {
  const command = program
    .command('burst')
    .description(
      'Restore many VMs at a time, on hosts that share a storage, and show the percentiles over all of them.',
    )
    .argument('[snapshot]', SNAPSHOT_HELP, DEFAULT_BURST_SNAPSHOT)
    .option('--policies <list>', 'policies with options', 'eager,lazy,lazy-sweep,working-set,reap')
    .option('--restores <n>', 'how many, at most 100,000', '100')
    .option(
      '--hosts <n>',
      "hosts that they are spread over by turns; cores and page cache are a host's, the storage is shared",
      '1',
    )
    .option(
      '--snapshots <n>',
      'snapshots alike that they are of by turns; one is in the page cache for all its restores',
      '1',
    )
    .option('--arrivals <process>', ARRIVALS_HELP, 'at-once')
  addWorkloadOptions(command)
    .option('--variants <n>', 'draws of the workload, with seeds of their own, that the restores run by turns', '1')
    .option('--storage <spec>', STORAGE_HELP, 'nvme')
    .addOption(hostPageSizeOption())
    .option('--fault-path <spec>', FAULT_PATH_HELP, 'free')
    .option('--fixed <duration>', 'the part of each resume that no policy changes, such as loading device state', '8ms')
    .option('--recording <trace>', 'the earlier run that working sets are taken from; the first variant when not given')
    .option('--profile <file>', "a host's costs, as `lazyrestore calibrate` measures them")
    .option('--cores <n>', "cores of each host; the profile's when not given")
    .addOption(offsetOption())
    .addOption(findZerosOption())
    .option('--json', 'print the records as JSON')
    .addHelpText('after', EXAMPLES)
    .action(runBurstCommand)
}

async function runBurstCommand(name: string, options: BurstOptions): Promise<void> {
  const profile = await loadHostProfile(options.profile, options.cores)
  const storage = loadStorage(options.storage, profile)
  const faultPath = parseFaultPath(options.faultPath)
  const restores = parseCount(options.restores, '--restores')
  const progress = new Progress()
  const snapshot = await openForRestore(name, options)
  try {
    progress.update('preparing the workload')
    const recording = options.recording === undefined ? null : await loadRecording(options.recording, options, snapshot)
    const results = compareBursts({
      layout: createLayout(snapshot, parseHostPages(options.hostPageSize)),
      policies: options.policies,
      workloads: await loadVariants(options, snapshot),
      recording,
      storage,
      costs: hostCosts(profile),
      faultPath,
      restores,
      hosts: parseCount(options.hosts, '--hosts'),
      snapshots: parseCount(options.snapshots, '--snapshots'),
      arrivals: options.arrivals,
      seed: parseCount(options.seed, '--seed'),
      fixedNs: parseDurationNs(options.fixed, '--fixed'),
      onProgress: (policy, done) => progress.update(`${policy}: ${done}/${restores}`),
    })
    progress.done()
    process.stdout.write(options.json ? `${JSON.stringify({ results }, null, 2)}\n` : renderBurstTable(results))
  } finally {
    progress.done()
    await snapshot.close()
  }
}

/** The workload under seeds that follow each other. */
async function loadVariants(options: BurstOptions, snapshot: Snapshot): Promise<Workload[]> {
  const variants = parseCount(options.variants, '--variants')
  if (variants < 1 || variants > MAX_VARIANTS) {
    throw new LazyRestoreError('usage', `--variants: found ${variants}, expected from 1 to ${MAX_VARIANTS}`)
  }
  const seed = parseCount(options.seed, '--seed')
  const workloads: Workload[] = []
  for (let variant = 0; variant < variants; variant++) {
    workloads.push(await loadWorkload(options.workload, { ...options, seed: String(seed + variant) }, snapshot))
  }
  return workloads
}
