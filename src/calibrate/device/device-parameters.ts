/**
 * Fits the device model (src/storage/device.ts) to what a device delivered. In the model a read of b bytes, alone, takes
 *
 *     max(1 / IOPS limit, b / bandwidth) + L + cpuPerRead
 *
 * on the thread that reads, and many take turns at the gate. The ceilings are the best that any number of threads got; what
 * one read of 4 KiB takes beyond its time at the gate and its CPU is L. All parameters come from the phases below, none
 * from a restore.
 */
import { median, quantile } from 'simple-statistics'
import type { ProfileDevice, ProfileParameter } from '../../sim/host-profile.ts'
import { type Estimate, spreadOf } from '../estimate.ts'
import type { Phase, PhaseResult } from './device-load.ts'

const SMALL = 4096
const LARGE = 1024 * 1024

/** 4 KiB reads at random, from one thread to many, and 1 MiB reads one after the other. */
export const SMALL_PHASES: readonly Phase[] = [1, 2, 4, 8, 16].map(threads => ({
  threads,
  readBytes: SMALL,
  sequential: false,
}))
export const LARGE_PHASES: readonly Phase[] = [1, 2, 4, 8].map(threads => ({
  threads,
  readBytes: LARGE,
  sequential: true,
}))

/** Results of each phase, one a round, in the order of the phases. */
export interface DeviceRounds {
  readonly small: readonly (readonly PhaseResult[])[]
  readonly large: readonly (readonly PhaseResult[])[]
}

/** As good as the ceiling, when it comes to how many requests in flight it takes to reach it. */
const REACHES = 0.9

/** Of the time that a read alone waits: what the gate can be of it. A machine whose CPUs are busy may not reach the ceiling. */
const MOST_GATE_SHARE = 0.9

export function deviceParameters({ small, large }: DeviceRounds): ProfileDevice {
  const bandwidth = best(large.map(rounds => rounds.map(({ bytesPerS }) => bytesPerS)))
  const [alone] = small
  const cpu = overRounds(alone.map(({ cpuPerReadNs }) => cpuPerReadNs))
  const waiting = overRounds(alone.map(({ latenciesNs }) => median([...latenciesNs]))).value - cpu.value
  const iops = atLeast(
    best(small.map(rounds => rounds.map(({ readsPerS }) => readsPerS))),
    1e9 / (MOST_GATE_SHARE * Math.max(1, waiting)),
  )
  const known = 1e9 / iops.value + cpu.value
  const beyond = (share: number): Estimate =>
    shifted(overRounds(alone.map(({ latenciesNs }) => quantile([...latenciesNs], share))), -known)
  const latency = beyond(0.5)
  const latencyP99 = atLeast(beyond(0.99), latency.value)
  const less = 'less the gate (1 / IOPS limit) and cpuPerReadNs'
  return {
    latencyNs: fitted('ns', latency, `median of 4 KiB direct reads, one at a time, ${less}`),
    latencyP99Ns: fitted('ns', latencyP99, `99th percentile of the same, ${less}`),
    bandwidthBytesPerS: fitted(
      'bytes/s',
      bandwidth,
      `1 MiB direct reads in sequence, ${threadsOf(LARGE_PHASES)} threads: the best`,
    ),
    iopsLimit: fitted('reads/s', iops, `4 KiB direct reads at random, ${threadsOf(SMALL_PHASES)} threads: the best`),
    queueDepth: {
      value: queueDepth(small, iops.value, latency.value + known),
      unit: 'requests',
      source: `fitted: fewest threads that got ${REACHES * 100} % of iopsLimit, and no fewer than it takes at the latency measured`,
    },
    cpuPerReadNs: fitted('ns', cpu, 'CPU time of the thread that reads 4 KiB, one at a time'),
  }
}

/** The highest median of any phase. */
function best(phases: readonly (readonly number[])[]): Estimate {
  const estimates = phases.map(overRounds)
  return estimates.reduce((a, b) => (b.value > a.value ? b : a))
}

function overRounds(values: readonly number[]): Estimate {
  return { value: median([...values]), ...spreadOf(values) }
}

function atLeast({ value, p10, p90 }: Estimate, least: number): Estimate {
  return { value: Math.max(least, value), p10: Math.max(least, p10), p90: Math.max(least, p90) }
}

function shifted({ value, p10, p90 }: Estimate, by: number): Estimate {
  return { value: value + by, p10: p10 + by, p90: p90 + by }
}

/** By Little's law, `iops` reads a second that take `aloneNs` each are `iops · aloneNs` reads at once. */
function queueDepth(small: DeviceRounds['small'], iops: number, aloneNs: number): number {
  const reaching = SMALL_PHASES.filter(
    (_, phase) => median(small[phase].map(({ readsPerS }) => readsPerS)) >= REACHES * iops,
  )
  return Math.max(reaching[0]?.threads ?? 1, Math.ceil((iops * aloneNs) / 1e9))
}

/** All of them are at least 1. */
function fitted(unit: string, { value, p10, p90 }: Estimate, how: string): ProfileParameter {
  const whole = (figure: number) => Math.max(1, Math.round(figure))
  return { value: whole(value), unit, source: `fitted: ${how}`, spread: { p10: whole(p10), p90: whole(p90) } }
}

function threadsOf(phases: readonly Phase[]): string {
  return `${phases[0].threads} to ${phases[phases.length - 1].threads}`
}
