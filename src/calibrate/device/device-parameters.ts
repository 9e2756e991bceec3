/**
 * Fits the device model (src/storage/device.ts) to what a device delivered. In the model a read of b bytes, alone, takes
 *
 *     ns per read + b · ns per byte + L + cpuPerRead + b/4096 · cpuPerRead4k
 *
 * on the thread that reads, and many take turns at the gate, which is the first two. They come from the best rates of small and
 * of large reads that any number of threads got; L is what one read of 4 KiB takes beyond the rest. All parameters come from
 * the phases of device-phases.ts, none from a restore.
 */
import { mean, median, probit, quantile } from 'simple-statistics'
import type { ProfileDevice, ProfileParameter } from '../../sim/host-profile.ts'
import { type Estimate, spreadOf } from '../estimate.ts'
import { fitLine, type Line } from '../line.ts'
import { DIRECT_PAGES, directReads, LARGE, type PhaseRounds, readSamples, SMALL, spacedReads } from './device-phases.ts'
import { SPACES_NS } from './reader-job.ts'

/** As good as the best rate, when it comes to how many requests in flight it takes. */
const REACHES = 0.9

/** Of the time that a read alone waits: what the gate can be of it. A machine whose CPUs are busy may not reach the ceiling. */
const MOST_GATE_SHARE = 0.9

/** Of the time that a large read takes at the gate: what must be for its bytes, however slow small ones came out. */
const LEAST_BYTES_SHARE = 0.5

/** Of a read after the shortest pause: what a longer pause must add to it to count. */
const LEAST_STEP_SHARE = 0.2

/** The longest that a hypervisor waits at hand for a CPU that has halted: its default (virt/kvm/kvm_main.c, halt_poll_ns), as a guest cannot ask. */
const KVM_HALT_POLL_NS = 200_000

const NOTHING: Estimate = { value: 0, p10: 0, p90: 0 }

export function deviceParameters(rounds: readonly PhaseRounds[]): ProfileDevice {
  const small = directReads(rounds, SMALL)
  const large = directReads(rounds, LARGE)
  const alone = small[0].results
  const lines = cpuLines(rounds)
  const cpu = overRounds(lines.map(({ intercept }) => intercept))
  const cpu4k = overRounds(lines.map(({ slope }) => slope))
  const cpuNs = cpu.value + cpu4k.value
  const waitingNs = overRounds(alone.map(({ latenciesNs }) => median([...latenciesNs]))).value - cpuNs
  const iops = mapped(bestRate(small), rate => Math.max(rate, 1e9 / (MOST_GATE_SHARE * Math.max(1, waitingNs))))
  const bandwidth = mapped(bestRate(large), rate => bandwidthOf(1e9 / rate, 1e9 / iops.value))
  const knownNs = 1e9 / iops.value + cpuNs
  const beyond = (share: number): Estimate =>
    mapped(overRounds(alone.map(({ latenciesNs }) => quantile([...latenciesNs], share))), ns => ns - knownNs)
  const latency = beyond(0.5)
  const latencyP99 = mapped(beyond(0.99), ns => Math.max(latency.value, ns))
  const idle = idleWake(rounds)
  const less = 'less the gate (1 / iopsLimit) and its CPU'
  return {
    latencyNs: fitted('ns', latency, `median of 4 KiB direct reads, one at a time, ${less}`),
    latencyP99Ns: fitted('ns', latencyP99, `99th percentile of the same, ${less}`),
    bandwidthBytesPerS: fitted(
      'bytes/s',
      bandwidth,
      `1 MiB direct reads at random, ${threadsOf(large)} threads: the best, less the fixed time of a read`,
    ),
    iopsLimit: fitted('reads/s', iops, `4 KiB direct reads at random, ${threadsOf(small)} threads: the best`),
    queueDepth: {
      value: queueDepth(small, iops.value, Math.max(1, latency.value), Math.max(1, latencyP99.value)),
      unit: 'requests',
      source: `fitted: fewest threads that got ${REACHES * 100} % of the best rate, and no fewer than iopsLimit takes at the mean latency`,
    },
    haltPollNs: {
      value: idle.value > 0 ? KVM_HALT_POLL_NS : 0,
      unit: 'ns',
      source: "KVM's default; 0 where a pause before a read makes no difference",
    },
    idleWakeNs: fitted(
      'ns',
      idle,
      '4 KiB direct reads after the longest pause less those after the shortest, medians',
      0,
    ),
    cpuPerReadNs: fitted('ns', cpu, 'CPU time of a thread that reads directly, intercept over 4 KiB to 1 MiB'),
    cpuPerRead4kNs: fitted('ns', cpu4k, 'CPU time of a thread that reads directly, slope over 4 KiB to 1 MiB'),
  }
}

/**
 * What a read takes more after a pause that was too long for the CPU that is told of its end to be waited for. How long that is
 * cannot be had from pauses in a row that are all alike, as what is learnt from one helps the next.
 */
function idleWake(rounds: readonly PhaseRounds[]): Estimate {
  const byRound = spacedReads(rounds)
  const value = wakeOf(SPACES_NS.map((_, space) => byRound.flatMap(spaces => spaces[space])))
  return value === 0 ? NOTHING : { value, ...spreadOf(byRound.map(wakeOf)) }
}

/** 0: reads take the same time whatever the pause, or next to it. */
function wakeOf(spaces: readonly (readonly number[])[]): number {
  const [shortest, longest] = [spaces[0], spaces[spaces.length - 1]]
  if (shortest.length === 0 || longest.length === 0) return 0
  const shortestNs = median([...shortest])
  const wakeNs = median([...longest]) - shortestNs
  return wakeNs < LEAST_STEP_SHARE * shortestNs ? 0 : wakeNs
}

/** In each round: CPU of a direct read by its pages. */
function cpuLines(rounds: readonly PhaseRounds[]): Line[] {
  const samples = readSamples(rounds)
  const bySize = DIRECT_PAGES.map(pages => ({ pages, cpuNs: samples.get(`direct read ${pages}`)! }))
  return bySize[0].cpuNs.map((_, round) =>
    fitLine(bySize.map(({ pages, cpuNs }) => [pages, Math.max(1, cpuNs[round])])),
  )
}

/** What remains of a large read's time at the gate without the fixed time, over the bytes that it has more. */
function bandwidthOf(largeNs: number, smallNs: number): number {
  return ((LARGE - SMALL) * 1e9) / Math.max(largeNs - smallNs, LEAST_BYTES_SHARE * largeNs)
}

/** Reads per second: the highest mean of any phase. */
function bestRate(phases: readonly PhaseRounds[]): Estimate {
  const estimates = phases.map(({ results }) => overRounds(results.map(({ readsPerS }) => readsPerS)))
  return estimates.reduce((a, b) => (b.value > a.value ? b : a))
}

function overRounds(values: readonly number[]): Estimate {
  return { value: mean([...values]), ...spreadOf(values) }
}

function mapped({ value, p10, p90 }: Estimate, change: (figure: number) => number): Estimate {
  return { value: change(value), p10: change(p10), p90: change(p90) }
}

/**
 * The fewest threads that came near the best rate; and, or the model would not come near its own ceiling, by Little's law no
 * fewer than `iopsLimit` reads a second are at once that take their time at the gate and the mean of their latency.
 */
function queueDepth(small: readonly PhaseRounds[], iopsLimit: number, latencyNs: number, p99Ns: number): number {
  const rates = small.map(({ results }) => mean(results.map(({ readsPerS }) => readsPerS)))
  const reaching = rates.findIndex(rate => rate >= REACHES * Math.max(...rates))
  const sigma = Math.log(p99Ns / latencyNs) / probit(0.99)
  const meanNs = latencyNs * Math.exp(sigma ** 2 / 2)
  return Math.max(small[reaching].phase.threads, Math.ceil(1 + (iopsLimit * meanNs) / 1e9))
}

/** @param least most of them are at least 1 */
function fitted(unit: string, { value, p10, p90 }: Estimate, how: string, least = 1): ProfileParameter {
  const whole = (figure: number) => Math.max(least, Math.round(figure))
  return { value: whole(value), unit, source: `fitted: ${how}`, spread: { p10: whole(p10), p90: whole(p90) } }
}

function threadsOf(phases: readonly PhaseRounds[]): string {
  return `${phases[0].phase.threads} to ${phases[phases.length - 1].phase.threads}`
}
