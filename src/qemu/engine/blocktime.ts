/**
 * What QEMU itself says of the time that vCPUs stood still in a postcopy migration: query-migrate at the destination with the
 * capability postcopy-blocktime. Milliseconds for each vCPU since 2.12; ns and a distribution since 10.1 (qapi/migration.json, MigrationInfo).
 */

const CAPABILITY = 'postcopy-blocktime'

export { CAPABILITY as BLOCKTIME_CAPABILITY }

export interface Blocktime {
  /** Time in which all vCPUs stood still at once. */
  readonly allNs: number
  readonly perVcpuNs: readonly number[]
  /** Mean of all faults; null before 10.1. */
  readonly meanLatencyNs: number | null
  /** Bucket N counts faults of [2^N, 2^(N+1)) µs; null before 10.1. */
  readonly dist: readonly number[] | null
}

/** @param info what query-migrate says. Null when the figures are not there. */
export function blocktimeOf(info: Readonly<Record<string, unknown>>): Blocktime | null {
  const all = info['postcopy-blocktime']
  const perVcpu = info['postcopy-vcpu-blocktime']
  if (!isCount(all) || !Array.isArray(perVcpu) || !perVcpu.every(isCount)) return null
  const latency = info['postcopy-latency']
  const dist = info['postcopy-latency-dist']
  return {
    allNs: all * 1e6,
    perVcpuNs: perVcpu.map(ms => ms * 1e6),
    meanLatencyNs: isCount(latency) ? latency : null,
    dist: Array.isArray(dist) && dist.every(isCount) ? dist : null,
  }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}
