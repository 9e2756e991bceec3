/**
 * What the simulator knows about a storage device, and the presets. A read passes a gate that takes one request after the
 * other, each for a fixed time and a time for its bytes, and is done one access latency later; at most `queueDepth` requests
 * are between admission and completion. docs/model.md has the formulas.
 */
import { LazyRestoreError } from '../core/error.ts'
import { type OptionRules, option, parseSpec, resolveOptions } from '../core/spec-string.ts'

export interface DeviceParameters {
  /** Median latency of one isolated read, beyond its time at the gate, in ns. */
  readonly latencyNs: number
  /** 99th percentile of the same; the distribution is log-normal through the two. Equal to `latencyNs`: constant. */
  readonly latencyP99Ns: number
  /** Bytes per second, which ever larger reads come near to: a read's bytes are at the gate for `1 / bandwidthBytesPerS` each. */
  readonly bandwidthBytesPerS: number
  /**
   * Ceiling for reads of 4 KiB, in reads per second: one is at the gate for `1 / iopsLimit` in all. What its bytes leave of
   * that is the fixed time of every read; none where the bandwidth alone keeps 4 KiB below the ceiling.
   */
  readonly iopsLimit: number
  /** Requests in service at once; the next ones wait in order. */
  readonly queueDepth: number
  /** Host CPU time of one read that reaches the device (system call, file system, driver, interrupt), in ns. */
  readonly cpuPerReadNs: number
  /** The same for each 4 KiB of a read past the page cache (pages of its buffer to pin), in ns. */
  readonly cpuPerRead4kNs: number
}

/** What each read takes at the gate, in ns, and each byte of it. */
export interface GateTimes {
  readonly nsPerRead: number
  readonly nsPerByte: number
}

export function gateTimes({ iopsLimit, bandwidthBytesPerS }: DeviceParameters): GateTimes {
  const nsPerByte = 1e9 / bandwidthBytesPerS
  return { nsPerRead: Math.max(0, 1e9 / iopsLimit - 4096 * nsPerByte), nsPerByte }
}

export interface DevicePreset {
  readonly name: string
  readonly summary: string
  /** Where each figure comes from. */
  readonly source: string
  readonly parameters: DeviceParameters
}

/** Each latency is that of a whole read of 4 KiB, less 1 / iopsLimit and cpuPerReadNs + cpuPerRead4kNs, which the model adds. */
export const DEVICE_PRESETS: readonly DevicePreset[] = [
  {
    name: 'nvme',
    summary: 'a PCIe 3.0 x4 NVMe SSD',
    source:
      'Samsung 970 EVO Plus 1 TB data sheet: 19 k IOPS at QD1, 600 k at QD32 x 4 threads, 3,500 MB/s; p99 = 3.5 x median as measured for virtio-ssd; CPU: XRP (OSDI 2022) table 1, 3.05 µs of software in a 6.27 µs read; none known that grows with size',
    parameters: {
      latencyNs: 47_900,
      latencyP99Ns: 179_500,
      bandwidthBytesPerS: 3.5e9,
      iopsLimit: 600_000,
      queueDepth: 128,
      cpuPerReadNs: 3050,
      cpuPerRead4kNs: 0,
    },
  },
  {
    name: 'virtio-ssd',
    summary: "the cloud VM's virtual disk that the default host profile was measured with",
    source:
      'measured, Linux 6.18 nested VM: O_DIRECT 4 KiB random QD1 p50 94 µs, p99 330 µs; 58 k IOPS at 32 threads; 0.92 GB/s at 1 MiB, where the fixed time of a read takes 1 %; CPU of a 4 KiB read 24 µs, and 64 µs more at 1 MiB (method now in `lazyrestore calibrate`)',
    parameters: {
      latencyNs: 52_800,
      latencyP99Ns: 288_800,
      bandwidthBytesPerS: 0.93e9,
      iopsLimit: 58_000,
      queueDepth: 32,
      cpuPerReadNs: 23_750,
      cpuPerRead4kNs: 250,
    },
  },
  {
    name: 'sata-ssd',
    summary: 'the SATA3 SSD of the REAP paper',
    source:
      "REAP, ASPLOS'21: one 4 KiB read stream 32 MB/s (128 µs), 16 streams 360 MB/s, 850 MB/s peak (533 for one read of 8 MB); spread and CPU as nvme",
    parameters: {
      latencyNs: 113_600,
      latencyP99Ns: 433_600,
      bandwidthBytesPerS: 0.85e9,
      iopsLimit: 87_900,
      queueDepth: 32,
      cpuPerReadNs: 3050,
      cpuPerRead4kNs: 0,
    },
  },
]

/** NVMe's largest queue. */
const MAX_QUEUE_DEPTH = 65_536

const STORAGE_OPTIONS = {
  cache: option(
    'text',
    'cold',
    'page cache before the restore: cold (nothing of the file is in it) or warm (all of it is)',
  ),
  latency: option('durationNs', 0, "median latency; 0: the device's"),
  p99: option('durationNs', 0, "99th percentile of latency; 0: the device's, scaled with latency"),
  bandwidth: option('bytes', 0, "bytes per second; 0: the device's"),
  iops: option('count', 0, "reads of 4 KiB per second; 0: the device's"),
  depth: option('count', 0, "requests in service; 0: the device's", 0, MAX_QUEUE_DEPTH),
} satisfies OptionRules

/** A device and the state of the page cache over the snapshot at the start. */
export interface Storage {
  /** As written. */
  readonly name: string
  readonly device: DeviceParameters
  readonly cacheWarm: boolean
}

/** The name that stands for the device of a host profile. */
const HOST_DEVICE = 'host'

/**
 * `nvme`, `nvme:cache=warm`, `sata-ssd:latency=200us`, `host`.
 * @param hostDevice what `host` stands for; null: nothing
 * @throws LazyRestoreError `usage`
 */
export function parseStorage(text: string, hostDevice: DeviceParameters | null = null): Storage {
  const spec = parseSpec(text)
  const parameters = deviceByName(spec.name, hostDevice)
  if (parameters === null || spec.positional !== null) {
    const known = [...DEVICE_PRESETS.map(({ name }) => name), HOST_DEVICE].join(', ')
    throw new LazyRestoreError('usage', `storage: found "${text}", expected one of ${known}, with key=value options`)
  }
  const { cache, latency, p99, bandwidth, iops, depth } = resolveOptions(spec, STORAGE_OPTIONS)
  if (cache !== 'cold' && cache !== 'warm') {
    throw new LazyRestoreError('usage', `storage ${spec.name}: option cache: found "${cache}", expected cold or warm`)
  }
  const latencyNs = latency || parameters.latencyNs
  const latencyP99Ns = p99 || Math.round((parameters.latencyP99Ns * latencyNs) / parameters.latencyNs)
  if (latencyP99Ns < latencyNs) {
    throw new LazyRestoreError(
      'usage',
      `storage ${spec.name}: found p99 ${latencyP99Ns} ns, expected at least the median, ${latencyNs} ns`,
    )
  }
  return {
    name: text,
    cacheWarm: cache === 'warm',
    device: {
      latencyNs,
      latencyP99Ns,
      bandwidthBytesPerS: bandwidth || parameters.bandwidthBytesPerS,
      iopsLimit: iops || parameters.iopsLimit,
      queueDepth: depth || parameters.queueDepth,
      cpuPerReadNs: parameters.cpuPerReadNs,
      cpuPerRead4kNs: parameters.cpuPerRead4kNs,
    },
  }
}

function deviceByName(name: string, hostDevice: DeviceParameters | null): DeviceParameters | null {
  if (name !== HOST_DEVICE) return DEVICE_PRESETS.find(preset => preset.name === name)?.parameters ?? null
  if (hostDevice !== null) return hostDevice
  throw new LazyRestoreError(
    'usage',
    'storage host: found a profile without a device, expected one that `lazyrestore calibrate` wrote; pass it with --profile',
  )
}
