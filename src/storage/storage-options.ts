/** The options of a storage as it is written: `name:key=value,…`. 0 leaves a preset's figure as it is. */
import { LazyRestoreError } from '../core/error.ts'
import { type OptionRules, option, resolveOptions, type Spec } from '../core/spec-string.ts'
import type { DeviceParameters, MediumParameters, Storage } from './device.ts'
import { type DevicePreset, fullSeekNs } from './presets.ts'

/** NVMe's largest queue. */
const MAX_QUEUE_DEPTH = 65_536
/** Room for an entry a chunk of the largest snapshots. */
const MIN_CHUNK_BYTES = 64 * 1024
const MAX_CHUNK_BYTES = 2 ** 30
const MAX_RATIO = 1000

const BANDWIDTH = option('bytes', 0, 'bytes per second')
const P99 = option('durationNs', 0, '99th percentile of latency; 0: scaled with latency')

const COMMON_OPTIONS = {
  cache: option(
    'text',
    '',
    'page cache before the restore: cold (nothing of the file is in it) or warm (all of it is); cold when not given, but for page-cache',
  ),
  ratio: option('text', '1', 'the file is compressed: uncompressed bytes over compressed ones'),
  decompress: option('bytes', 1.58e9, 'bytes that come out of decompression per second of one core', 1),
  chunk: option('bytes', 0, "what is read is whole chunks of so many bytes, each once; 0: the preset's, or none"),
  local: option('text', '', 'a local tier before it: the name of another storage; needs chunks'),
  hits: option('share', 0, 'share of the chunks that are in the local tier from the start'),
} satisfies OptionRules

const QUEUE_OPTIONS = {
  latency: option('durationNs', 0, 'median latency'),
  p99: P99,
  bandwidth: BANDWIDTH,
  iops: option('count', 0, 'reads of 4 KiB per second'),
  depth: option('count', 0, 'requests in service', 0, MAX_QUEUE_DEPTH),
} satisfies OptionRules

/** What each medium takes beside the common options. */
const MEDIUM_OPTIONS: Readonly<Record<MediumParameters['kind'] | 'queue', OptionRules>> = {
  queue: QUEUE_OPTIONS,
  disk: {
    latency: option('durationNs', 0, "the controller's latency"),
    bandwidth: BANDWIDTH,
    seek: option('durationNs', 0, 'mean seek'),
    revolution: option('durationNs', 0, 'one revolution'),
  },
  'cloud-block': {
    ...QUEUE_OPTIONS,
    baseiops: option('count', 0, 'operations per second without credit'),
    iopscredit: option('count', -1, "operations ahead of that; -1: the preset's"),
    basebandwidth: option('bytes', 0, 'bytes per second without credit'),
    bytescredit: option('bytes', -1, "bytes ahead of that; -1: the preset's"),
  },
  'network-file': {
    rtt: option('durationNs', 0, 'median round trip, with what the server takes'),
    p99: P99,
    bandwidth: BANDWIDTH,
    slots: option('count', 0, 'requests under way', 0, MAX_QUEUE_DEPTH),
    rsize: option('bytes', 0, 'most bytes of one request', 0),
  },
  'object-store': {
    ttfb: option('durationNs', 0, 'median time to first byte'),
    p99: P99,
    bandwidth: option('bytes', 0, "bytes per second of the host's link"),
    streams: option('count', 0, 'requests answered at a time', 0, MAX_QUEUE_DEPTH),
    stream: option('bytes', 0, 'bytes per second of one stream'),
    part: option('bytes', 0, 'most bytes of one request'),
  },
}

/** Option key → what it is for, for a help text. */
export function storageOptionHelp(kind: keyof typeof MEDIUM_OPTIONS): OptionRules {
  return { ...MEDIUM_OPTIONS[kind], ...COMMON_OPTIONS }
}

/** @param presetOf the preset of a name, for the local tier; null: there is none. @throws LazyRestoreError `usage` */
export function storageOf(
  text: string,
  spec: Spec,
  preset: DevicePreset,
  presetOf: (name: string) => DevicePreset | null,
): Storage {
  const rules = MEDIUM_OPTIONS[preset.medium?.kind ?? 'queue']
  const options = resolveOptions(spec, { ...rules, ...COMMON_OPTIONS }) as Readonly<Record<string, number | string>>
  const { cache, ratio: ratioText, local: localName } = options as Readonly<Record<string, string>>
  const { decompress, chunk, hits, ...figures } = options as Readonly<Record<string, number>>
  const where = `storage ${spec.name}`
  const ratio = Number(ratioText)
  const chunkBytes = chunk || preset.chunkBytes || 0
  if (!['', 'cold', 'warm'].includes(cache)) fail(where, `option cache: found "${cache}", expected cold or warm`)
  if (!(ratio >= 1 && ratio <= MAX_RATIO)) {
    fail(where, `option ratio: found "${ratioText}", expected a number from 1 to ${MAX_RATIO}`)
  }
  if (chunkBytes !== 0 && (chunkBytes < MIN_CHUNK_BYTES || chunkBytes > MAX_CHUNK_BYTES)) {
    fail(where, `option chunk: found ${chunkBytes}, expected from ${MIN_CHUNK_BYTES} to ${MAX_CHUNK_BYTES}`)
  }
  const local = localName === '' ? null : localTier(where, localName, presetOf)
  if (local === null && hits > 0) fail(where, 'found hits without local, expected both')
  if (local !== null && chunkBytes === 0) fail(where, 'found local without chunk, expected both')
  return {
    name: text,
    cacheWarm: cache === '' ? preset.cacheWarm === true : cache === 'warm',
    device: deviceOf(where, preset.parameters, figures),
    ...(preset.medium !== undefined && { medium: mediumOf(preset.medium, figures) }),
    ...(ratio > 1 && { compression: { ratio, decompressBytesPerS: decompress } }),
    ...(chunkBytes > 0 && { chunks: { chunkBytes } }),
    ...(local !== null && { local: { device: local, share: hits } }),
  }
}

type Figures = Readonly<Record<string, number>>

function deviceOf(where: string, device: DeviceParameters, figures: Figures): DeviceParameters {
  const { latency, rtt, ttfb, p99, bandwidth, iops, depth, slots, streams } = figures
  const latencyNs = latency || rtt || ttfb || device.latencyNs
  const latencyP99Ns = p99 || Math.round((device.latencyP99Ns * latencyNs) / device.latencyNs)
  if (latencyP99Ns < latencyNs) {
    fail(where, `found p99 ${latencyP99Ns} ns, expected at least the median, ${latencyNs} ns`)
  }
  return {
    latencyNs,
    latencyP99Ns,
    bandwidthBytesPerS: bandwidth || device.bandwidthBytesPerS,
    iopsLimit: iops || device.iopsLimit,
    queueDepth: depth || slots || streams || device.queueDepth,
    haltPollNs: device.haltPollNs,
    idleWakeNs: device.idleWakeNs,
    cpuPerReadNs: device.cpuPerReadNs,
    cpuPerRead4kNs: device.cpuPerRead4kNs,
  }
}

function mediumOf(medium: MediumParameters, figures: Figures): MediumParameters {
  switch (medium.kind) {
    case 'disk': {
      const { seek, revolution } = figures
      return {
        ...medium,
        ...(seek > 0 && { fullSeekNs: Math.max(medium.shortestSeekNs, fullSeekNs(medium.shortestSeekNs, seek)) }),
        ...(revolution > 0 && { revolutionNs: revolution }),
      }
    }
    case 'cloud-block': {
      const { baseiops, iopscredit, basebandwidth, bytescredit } = figures
      return {
        ...medium,
        baseIops: baseiops || medium.baseIops,
        iopsCredit: iopscredit < 0 ? medium.iopsCredit : iopscredit,
        baseBytesPerS: basebandwidth || medium.baseBytesPerS,
        bytesCredit: bytescredit < 0 ? medium.bytesCredit : bytescredit,
      }
    }
    case 'network-file':
      return { ...medium, pieceBytes: figures.rsize || medium.pieceBytes }
    case 'object-store':
      return {
        ...medium,
        streamBytesPerS: figures.stream || medium.streamBytesPerS,
        partBytes: figures.part || medium.partBytes,
      }
  }
}

function localTier(where: string, name: string, presetOf: (name: string) => DevicePreset | null): DeviceParameters {
  const preset = presetOf(name)
  if (preset !== null && preset.medium === undefined) return preset.parameters
  return fail(where, `option local: found "${name}", expected the name of a local SSD, page-cache, or host`)
}

function fail(where: string, what: string): never {
  throw new LazyRestoreError('usage', `${where}: ${what}`)
}
