/**
 * Eight records of one comparison to render: 1 GiB of which 60 % is zero, cold NVMe, 51.2 MiB touched. The figures are
 * those of a plausible run, written down here, so that what is rendered does not change when an engine does.
 */
import { GIB, KIB, MIB } from '../../src/core/units.ts'
import type { FaultLatency, RestoreResult } from '../../src/engine/result.ts'

const MS = 1e6
const US = 1e3
const DATA_BYTES = 413 * MIB
const TOUCHED_BYTES = 51.25 * MIB
const HOT_WORK_NS = 53 * MS
const VCPUS = 2

/** What tells one policy from another; the rest follows. */
interface Outline {
  readonly policy: string
  readonly resumeNs: number
  readonly workDoneNs: number
  readonly residentNs: number | null
  readonly faults: number
  /** Median and the spread of ln(latency). */
  readonly medianNs: number
  readonly spread: number
  readonly bytesRead: number
  /** Bytes resident at the start, and when the policy stops. */
  readonly startBytes: number
  readonly endBytes: number
}

const LAZY = { resumeNs: 8 * MS, startBytes: 0 }
const EAGER = { faults: 0, medianNs: 0, spread: 0, bytesRead: DATA_BYTES, startBytes: GIB - DATA_BYTES, endBytes: GIB }
const ALL = { bytesRead: DATA_BYTES, endBytes: GIB }

const OUTLINES: readonly Outline[] = [
  { policy: 'eager', resumeNs: 516 * MS, workDoneNs: 569 * MS, residentNs: 508 * MS, ...EAGER },
  { policy: 'eager-multi', resumeNs: 158 * MS, workDoneNs: 211 * MS, residentNs: 150 * MS, ...EAGER },
  {
    policy: 'lazy',
    ...LAZY,
    workDoneNs: 963 * MS,
    residentNs: null,
    faults: 13_108,
    medianNs: 131 * US,
    spread: 0.36,
    bytesRead: 46 * MIB,
    endBytes: TOUCHED_BYTES,
  },
  {
    policy: 'lazy-sweep',
    ...LAZY,
    ...ALL,
    workDoneNs: 479 * MS,
    residentNs: 602 * MS,
    faults: 6316,
    medianNs: 124 * US,
    spread: 0.41,
  },
  {
    policy: 'qemu-11.2',
    ...LAZY,
    ...ALL,
    workDoneNs: 542 * MS,
    residentNs: 801 * MS,
    faults: 7759,
    medianNs: 118 * US,
    spread: 0.37,
  },
  {
    policy: 'read-around',
    ...LAZY,
    workDoneNs: 566 * MS,
    residentNs: null,
    faults: 3531,
    medianNs: 289 * US,
    spread: 0.26,
    bytesRead: 176 * MIB,
    endBytes: 220 * MIB,
  },
  {
    policy: 'working-set',
    ...LAZY,
    ...ALL,
    workDoneNs: 80.6 * MS,
    residentNs: 687 * MS,
    faults: 18,
    medianNs: 87.6 * US,
    spread: 0.83,
  },
  {
    policy: 'mmap',
    resumeNs: 14.7 * MS,
    startBytes: 0,
    workDoneNs: 442 * MS,
    residentNs: null,
    faults: 11_033,
    medianNs: 59.4 * US,
    spread: 0.48,
    bytesRead: 54.9 * MIB,
    endBytes: 57 * MIB,
  },
]

/** All eight, or those named, in the order named. */
export function records(...policies: readonly string[]): RestoreResult[] {
  const wanted =
    policies.length === 0 ? OUTLINES : policies.map(name => OUTLINES.find(({ policy }) => policy === name)!)
  return wanted.map(record)
}

function record(outline: Outline): RestoreResult {
  const { policy, resumeNs, workDoneNs, residentNs, faults, bytesRead, endBytes } = outline
  const latencyCdf = cdf(outline)
  const stall = Math.round((workDoneNs - resumeNs - HOT_WORK_NS) * VCPUS * 0.98)
  const hostPages = Math.round((endBytes - outline.startBytes) / (4 * KIB))
  const zeropages = outline.startBytes > 0 ? 0 : Math.round(hostPages * 0.1)
  return {
    policy,
    engine: 'sim',
    seed: 1,
    snapshot: { name: 'vm.mig', identity: '72469141905711ffdfff29c2806dd5fc', bytes: GIB },
    workload: { name: 'working-set', accesses: 52_428, vcpus: VCPUS },
    storage: 'nvme',
    layout: 'anon 4 KiB',
    fixedNs: 8 * MS,
    resumeNs,
    firstAccessNs: resumeNs + (faults === 0 ? 3 * US : 158 * US),
    workDoneNs,
    residentNs,
    stallNs: { total: Math.max(0, stall), perVcpu: [Math.ceil(stall / 2), Math.floor(stall / 2)] },
    faults,
    minorFaults: 648,
    copies: hostPages - zeropages,
    zeropages,
    zeroCopies: 0,
    eexist: 0,
    eagain: 0,
    errors: 0,
    faultLatencyNs: faults === 0 ? null : quantiles(outline, latencyCdf),
    blocktimeDist: blocktimes(faults, latencyCdf),
    latencyCdf,
    bytesRead,
    deviceBytesRead: bytesRead,
    bytesInstalled: endBytes - outline.startBytes,
    bytesTouched: TOUCHED_BYTES,
    readAmplification: bytesRead / TOUCHED_BYTES,
    prefetchAccuracy: policy === 'lazy' ? null : 0.12,
    prefetchCoverage: Math.max(0, 1 - faults / 13_120),
    residency: residency(outline),
    slowdown: (workDoneNs - resumeNs) / HOT_WORK_NS,
  }
}

/** A straight line, from when pages start to come until they stop. */
function residency({ resumeNs, workDoneNs, residentNs, startBytes, endBytes }: Outline): RestoreResult['residency'] {
  const begin = startBytes > 0 ? 0 : resumeNs
  const end = residentNs ?? workDoneNs
  const points = Array.from({ length: 201 }, (_, i) => ({
    timeNs: Math.round(begin + ((end - begin) * i) / 200),
    bytes: Math.round(startBytes + ((endBytes - startBytes) * i) / 200),
  }))
  return begin === 0 ? points : [{ timeNs: 0, bytes: 0 }, ...points]
}

/** Log-logistic: near a log-normal, and with a quantile that can be written down. */
function cdf({ faults, medianNs, spread }: Outline): [number, number][] {
  const count = Math.min(faults, 300)
  return Array.from({ length: count }, (_, i) => {
    const share = (i + 1) / count
    const odds = (i + 0.5) / (count - i - 0.5)
    return [Math.round(medianNs * odds ** (spread * 0.6)), share]
  })
}

function quantiles({ medianNs }: Outline, points: readonly (readonly [number, number])[]): FaultLatency {
  const at = (share: number) => points.find(([, reached]) => reached >= share)![0]
  const mean = points.reduce((sum, [ns]) => sum + ns, 0) / points.length
  return { mean, p50: medianNs, p90: at(0.9), p99: at(0.99), p999: at(0.999), max: points[points.length - 1][0] }
}

function blocktimes(faults: number, points: readonly (readonly [number, number])[]): number[] {
  const counts = new Array<number>(24).fill(0)
  let before = 0
  for (const [ns, share] of points) {
    counts[Math.max(0, Math.floor(Math.log2(ns / 1000)))] += Math.round(share * faults) - before
    before = Math.round(share * faults)
  }
  return counts
}
