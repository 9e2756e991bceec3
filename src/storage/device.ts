/**
 * What the simulator knows about a storage. In the plain case, an SSD, a read passes a gate that takes one request after the
 * other, each for a fixed time and a time for its bytes, and is done one access latency later; at most `queueDepth` requests
 * are between admission and completion. docs/storage.md has the formulas, of this and of the other media.
 */
import { LazyRestoreError } from '../core/error.ts'
import { parseSpec } from '../core/spec-string.ts'
import type { ChunkParameters } from './chunk-cache.ts'
import type { CloudBlockParameters } from './cloud-block.ts'
import type { CompressionParameters } from './compressed.ts'
import type { DiskParameters } from './disk.ts'
import type { ObjectStoreParameters } from './object-store.ts'
import { DEVICE_PRESETS, type DevicePreset } from './presets.ts'
import { storageOf } from './storage-options.ts'

export { DEVICE_PRESETS } from './presets.ts'

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
  /**
   * The CPU that is told of a read's end halts in between. For so long at most its hypervisor waits at hand for what wakes it
   * (KVM's halt_poll_ns); where it was not at hand, the read takes `idleWakeNs` more. 0: it always is.
   */
  readonly haltPollNs: number
  readonly idleWakeNs: number
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

/** What a medium has beyond a device's queue; docs/storage.md says what the device's parameters mean for each. */
export type MediumParameters =
  | ({ readonly kind: 'disk' } & DiskParameters)
  | ({ readonly kind: 'cloud-block' } & CloudBlockParameters)
  | { readonly kind: 'network-file'; readonly pieceBytes: number }
  | ({ readonly kind: 'object-store' } & ObjectStoreParameters)

/** A storage and the state of the page cache over the snapshot at the start. */
export interface Storage {
  /** As written. */
  readonly name: string
  readonly device: DeviceParameters
  readonly cacheWarm: boolean
  /** Absent: the device is a queue, and no more. */
  readonly medium?: MediumParameters
  /** Absent: the file is stored as it is. */
  readonly compression?: CompressionParameters
  /** Absent: what is asked for is what is read. */
  readonly chunks?: ChunkParameters
  /** A tier on this host that has a share of the chunks from the start. Absent: none. */
  readonly local?: { readonly device: DeviceParameters; readonly share: number }
}

/** The name that stands for the device of a host profile. */
const HOST_DEVICE = 'host'

/**
 * `nvme`, `nvme:cache=warm`, `sata-ssd:latency=200us`, `object-store:local=nvme,hits=67%`, `host`.
 * @param hostDevice what `host` stands for; null: nothing
 * @throws LazyRestoreError `usage`
 */
export function parseStorage(text: string, hostDevice: DeviceParameters | null = null): Storage {
  const spec = parseSpec(text)
  const preset = presetByName(spec.name, hostDevice)
  if (preset === null || spec.positional !== null) {
    const known = [...DEVICE_PRESETS.map(({ name }) => name), HOST_DEVICE].join(', ')
    throw new LazyRestoreError('usage', `storage: found "${text}", expected one of ${known}, with key=value options`)
  }
  return storageOf(text, spec, preset, name => presetByName(name, hostDevice))
}

function presetByName(name: string, hostDevice: DeviceParameters | null): DevicePreset | null {
  if (name !== HOST_DEVICE) return DEVICE_PRESETS.find(preset => preset.name === name) ?? null
  if (hostDevice !== null) return { name, summary: '', source: '', parameters: hostDevice }
  throw new LazyRestoreError(
    'usage',
    'storage host: found a profile without a device, expected one that `lazyrestore calibrate` wrote; pass it with --profile',
  )
}
