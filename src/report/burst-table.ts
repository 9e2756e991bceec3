/** A burst as a table for a terminal: a row a policy, the fleet's percentiles of work done before all else. */
import type { BurstResult, FleetTimes } from '../burst/result.ts'
import { formatBytes, formatCount, formatDurationNs, formatVcpus } from '../core/units.ts'
import { align } from './align.ts'

const COLUMNS: readonly (readonly [title: string, cell: (result: BurstResult) => string])[] = [
  ['policy', ({ policy }) => policy],
  ['resume p50', ({ resumeNs }) => formatDurationNs(resumeNs.p50)],
  ['work done p50', ({ workDoneNs }) => formatDurationNs(workDoneNs.p50)],
  ['p90', ({ workDoneNs }) => formatDurationNs(workDoneNs.p90)],
  ['p99', ({ workDoneNs }) => formatDurationNs(workDoneNs.p99)],
  ['max', ({ workDoneNs }) => formatDurationNs(workDoneNs.max)],
  ['alone', ({ aloneNs }) => formatDurationNs(aloneNs)],
  ['slowdown', ({ slowdown }) => `${slowdown.toPrecision(3)}×`],
  ['resident p50', ({ residentNs }) => timesOrNever(residentNs)],
  ['all done', ({ lastWorkDoneNs }) => formatDurationNs(lastWorkDoneNs)],
  ['faults', ({ faults }) => formatCount(faults)],
  ['fault p99', ({ faultLatencyNs }) => (faultLatencyNs === null ? '–' : formatDurationNs(faultLatencyNs.p99))],
  ['off storage', ({ deviceBytesRead }) => formatBytes(deviceBytesRead)],
]

export function renderBurstTable(results: readonly BurstResult[]): string {
  const [{ restores, hosts, snapshots, cores, arrivals, snapshot, workload, storage, fixedNs, seed, faultPath }] =
    results
  const variants = workload.variants === 1 ? '' : `, ${workload.variants} draws by turns`
  const facts = [
    [
      'burst',
      `${formatCount(restores)} restores, ${arrivals}, on ${formatCount(hosts)} ${hosts === 1 ? 'host' : 'hosts'} of ${cores} cores`,
    ],
    [
      'snapshot',
      `${snapshot.name} (${formatBytes(snapshot.bytes)})${snapshots === 1 ? '' : `, ${formatCount(snapshots)} alike by turns`}`,
    ],
    [
      'workload',
      `${workload.name}: ${formatVcpus(workload.vcpus)}, ${formatCount(workload.accesses)} accesses${variants}`,
    ],
    ['storage', `${storage}${faultPath === 'free' ? '' : `; faults ${faultPath}`}`],
    ['engine', `sim, seed ${seed}; ${formatDurationNs(fixedNs)} of each resume is fixed`],
  ]
  const rows = [COLUMNS.map(([title]) => title), ...results.map(result => COLUMNS.map(([, cell]) => cell(result)))]
  return `${[...facts.map(([label, fact]) => `${label.padEnd('workload'.length)}  ${fact}`), '', ...align(rows)].join('\n')}\n`
}

function timesOrNever(times: FleetTimes | null): string {
  return times === null ? 'never' : formatDurationNs(times.p50)
}
