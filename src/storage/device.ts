/**
 * What the simulator knows about a storage device, and the presets. A read passes a gate that admits one request after the
 * other, no faster than the IOPS and bandwidth ceilings allow, and is done one access latency later; at most `queueDepth`
 * requests are between admission and completion. docs/model.md has the formulas.
 */
import { LazyRestoreError } from '../core/error.ts'
import { type OptionRules, option, parseSpec, resolveOptions } from '../core/spec-string.ts'

export interface DeviceParameters {
  /** Median latency of one isolated read, beyond its time at the gate, in ns. */
  readonly latencyNs: number
  /** 99th percentile of the same; the distribution is log-normal through the two. Equal to `latencyNs`: constant. */
  readonly latencyP99Ns: number
  /** Ceiling for large reads, in bytes per second. */
  readonly bandwidthBytesPerS: number
  /** Ceiling for small reads, in reads per second. */
  readonly iopsLimit: number
  /** Requests in service at once; the next ones wait in order. */
  readonly queueDepth: number
  /** Host CPU time of one read that reaches the device (system call, file system, driver, interrupt), in ns. */
  readonly cpuPerReadNs: number
}

export interface DevicePreset {
  readonly name: string
  readonly summary: string
  /** Where each figure comes from. */
  readonly source: string
  readonly parameters: DeviceParameters
}

export const DEVICE_PRESETS: readonly DevicePreset[] = [
  {
    name: 'nvme',
    summary: 'a PCIe 3.0 x4 NVMe SSD',
    source:
      'Samsung 970 EVO Plus 1 TB data sheet: 19 k IOPS at QD1, 600 k at QD32 x 4 threads, 3,500 MB/s; p99 = 3.5 x median as measured for virtio-ssd; CPU: XRP (OSDI 2022) table 1, 3.05 µs of software in a 6.27 µs read',
    parameters: {
      latencyNs: 51_000,
      latencyP99Ns: 178_500,
      bandwidthBytesPerS: 3.5e9,
      iopsLimit: 600_000,
      queueDepth: 128,
      cpuPerReadNs: 3050,
    },
  },
  {
    name: 'virtio-ssd',
    summary: "the cloud VM's virtual disk that the default host profile was measured with",
    source:
      'measured, Linux 6.18 nested VM: O_DIRECT 4 KiB random QD1 p50 94 µs, p99 330 µs; 58 k IOPS at 32 threads; 0.92 GB/s at 1 MiB; CPU per read by bench/c/host-costs.c',
    parameters: {
      latencyNs: 76_800,
      latencyP99Ns: 312_800,
      bandwidthBytesPerS: 0.92e9,
      iopsLimit: 58_000,
      queueDepth: 32,
      cpuPerReadNs: 24_000,
    },
  },
  {
    name: 'sata-ssd',
    summary: 'the SATA3 SSD of the REAP paper',
    source:
      "REAP, ASPLOS'21: one 4 KiB read stream 32 MB/s (128 µs), 16 streams 360 MB/s, 850 MB/s peak (533 for one read of 8 MB); spread and CPU as nvme",
    parameters: {
      latencyNs: 116_600,
      latencyP99Ns: 408_100,
      bandwidthBytesPerS: 0.85e9,
      iopsLimit: 87_900,
      queueDepth: 32,
      cpuPerReadNs: 3050,
    },
  },
]

const STORAGE_OPTIONS = {
  cache: option(
    'text',
    'cold',
    'page cache before the restore: cold (nothing of the file is in it) or warm (all of it is)',
  ),
  latency: option('durationNs', 0, "median latency; 0: the device's"),
  p99: option('durationNs', 0, "99th percentile of latency; 0: the device's, scaled with latency"),
  bandwidth: option('bytes', 0, "bytes per second; 0: the device's"),
  iops: option('count', 0, "reads per second; 0: the device's"),
  depth: option('count', 0, "requests in service; 0: the device's"),
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
