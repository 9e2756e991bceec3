/** Storages by name, each with the source of its figures. What a source does not say is called assumed. */
import type { DeviceParameters, MediumParameters } from './device.ts'

export interface DevicePreset {
  readonly name: string
  readonly summary: string
  /** Where each figure comes from. */
  readonly source: string
  readonly parameters: DeviceParameters
  readonly medium?: MediumParameters
  /** It is read in whole chunks of so many bytes. */
  readonly chunkBytes?: number
  /** The file is in the page cache unless it is said not to be. */
  readonly cacheWarm?: true
}

const MS = 1e6
const KIB = 1024
const MIB = 1024 * KIB
/** More than any restore asks for: another figure is what limits. */
const NO_IOPS_LIMIT = 1e9
/** None says that it sleeps between requests. */
const NEVER_IDLE = { haltPollNs: 0, idleWakeNs: 0 }
/** CPU of a read that reaches a device: XRP (OSDI 2022), table 1. */
const LOCAL_CPU = { cpuPerReadNs: 3050, cpuPerRead4kNs: 0 }
/** The same over a network: a request and its answer, and a copy out of socket buffers. */
const NETWORK_CPU = { cpuPerReadNs: 10_000, cpuPerRead4kNs: 500 }
const NETWORK_CPU_SOURCE = 'CPU assumed: 10 µs a request and 0.5 µs for 4 KiB'

/** Each latency of an SSD is that of a whole read of 4 KiB, less 1 / iopsLimit and cpuPerReadNs + cpuPerRead4kNs, which the model adds. */
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
      ...NEVER_IDLE,
      ...LOCAL_CPU,
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
      ...NEVER_IDLE,
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
      ...NEVER_IDLE,
      ...LOCAL_CPU,
    },
  },
  {
    name: 'sata-ssd-60k',
    summary: 'the SATA SSD that Virtuozzo measured postcopy on',
    source: 'Virtuozzo, qemu-devel 2021: 60 k IOPS, 500 MB/s; latency, spread and CPU assumed: as sata-ssd',
    parameters: {
      latencyNs: 113_600,
      latencyP99Ns: 433_600,
      bandwidthBytesPerS: 0.5e9,
      iopsLimit: 60_000,
      queueDepth: 32,
      ...NEVER_IDLE,
      ...LOCAL_CPU,
    },
  },
  {
    name: 'page-cache',
    summary: 'memory: the page cache, or a tmpfs',
    source:
      'memory 20 GB/s, sequential: pojntfx/networked-linux-memsync, docs/main.md; a read past the cache finds memory too, at an assumed 200 ns',
    parameters: {
      latencyNs: 200,
      latencyP99Ns: 200,
      bandwidthBytesPerS: 20e9,
      iopsLimit: NO_IOPS_LIMIT,
      queueDepth: 128,
      ...NEVER_IDLE,
      cpuPerReadNs: 0,
      cpuPerRead4kNs: 0,
    },
    cacheWarm: true,
  },
  {
    name: 'hdd',
    summary: 'a 7,200 rpm hard disk',
    source:
      'Ultrastar DC HC310, OEM specification 1.4: seek 7.4 ms on average, 0.23 ms to the next track, 8.33 ms a revolution, 4 TB; full seek so that random seeks take the average; 200 MB/s in the middle of the disk and 0.1 ms of controller assumed; CPU as nvme',
    parameters: {
      latencyNs: 0.1 * MS,
      latencyP99Ns: 0.1 * MS,
      bandwidthBytesPerS: 200e6,
      iopsLimit: NO_IOPS_LIMIT,
      queueDepth: 1,
      ...NEVER_IDLE,
      ...LOCAL_CPU,
    },
    medium: {
      kind: 'disk',
      shortestSeekNs: 0.23 * MS,
      fullSeekNs: fullSeekNs(0.23 * MS, 7.4 * MS),
      revolutionNs: 8.33 * MS,
      spanBytes: 4e12,
    },
  },
  {
    name: 'ebs-gp3',
    summary: 'an Amazon EBS gp3 volume as sold: 3,000 IOPS, 125 MiB/s',
    source:
      'Amazon EBS User Guide, General Purpose SSD volumes and I/O characteristics: 3,000 IOPS, 125 MiB/s, 256 KiB an operation, single-digit ms; vm0 read 2 GB at about 140 MB/s; 0.7 ms with p99 2 ms, and 0.1 s of credit assumed; CPU as virtio-ssd',
    parameters: {
      latencyNs: 0.7 * MS,
      latencyP99Ns: 2 * MS,
      bandwidthBytesPerS: 1e9,
      iopsLimit: 16_000,
      queueDepth: 64,
      ...NEVER_IDLE,
      cpuPerReadNs: 23_750,
      cpuPerRead4kNs: 250,
    },
    medium: {
      kind: 'cloud-block',
      baseIops: 3000,
      iopsCredit: 300,
      operationBytes: 256 * KIB,
      baseBytesPerS: 125 * MIB,
      bytesCredit: 12.5 * MIB,
    },
  },
  {
    name: 'ebs-gp2',
    summary: 'a 100 GiB Amazon EBS gp2 volume: 300 IOPS, and bursts to 3,000 on credit',
    source:
      'Amazon EBS User Guide, General Purpose SSD volumes: 3 IOPS a GiB, burst to 3,000 on up to 5.4 million I/O credits, 128 MiB/s below 170 GiB, 256 KiB an operation; latency and CPU as ebs-gp3',
    parameters: {
      latencyNs: 0.7 * MS,
      latencyP99Ns: 2 * MS,
      bandwidthBytesPerS: 128 * MIB,
      iopsLimit: 3000,
      queueDepth: 64,
      ...NEVER_IDLE,
      cpuPerReadNs: 23_750,
      cpuPerRead4kNs: 250,
    },
    medium: {
      kind: 'cloud-block',
      baseIops: 300,
      iopsCredit: 5_400_000,
      operationBytes: 256 * KIB,
      baseBytesPerS: 128 * MIB,
      bytesCredit: 12.8 * MIB,
    },
  },
  {
    name: 'nfs',
    summary: 'a file on a server: rtt=0.5ms unless said otherwise',
    source: `2.8 GB/s of a direct mount at no round trip: pojntfx/networked-linux-memsync, docs/main.md, which varies the round trip from 0 to 10 ms; 0.5 ms with p99 1.5 ms assumed; 64 slots, pieces of 1 MiB: Linux NFS client's defaults; ${NETWORK_CPU_SOURCE}`,
    parameters: {
      latencyNs: 0.5 * MS,
      latencyP99Ns: 1.5 * MS,
      bandwidthBytesPerS: 2.8e9,
      iopsLimit: NO_IOPS_LIMIT,
      queueDepth: 64,
      ...NEVER_IDLE,
      ...NETWORK_CPU,
    },
    medium: { kind: 'network-file', pieceBytes: MIB },
  },
  {
    name: 'object-store',
    summary: 'an object store, as E2B simulates theirs: 16 streams, chunks of 2 MiB',
    source: `E2B, dedup_sim_test.go: 25 ms to first byte, 150 MB/s a stream, 16 streams, blocks of 2 MiB; p99 100 ms and a link of 25 Gb/s assumed; ${NETWORK_CPU_SOURCE}`,
    parameters: {
      latencyNs: 25 * MS,
      latencyP99Ns: 100 * MS,
      bandwidthBytesPerS: 3.125e9,
      iopsLimit: NO_IOPS_LIMIT,
      queueDepth: 16,
      ...NEVER_IDLE,
      ...NETWORK_CPU,
    },
    medium: { kind: 'object-store', streamBytesPerS: 150e6, partBytes: 2 * MIB },
    chunkBytes: 2 * MIB,
  },
  {
    name: 'object-store-256k',
    summary: 'an object store read in chunks of 256 KiB by one stream, as AgentENV found it',
    source: `AgentENV #267: serial reads of 256 KiB at about 21 ms each; the spread is assumed to be none; ${NETWORK_CPU_SOURCE}`,
    parameters: {
      latencyNs: 21 * MS,
      latencyP99Ns: 21 * MS,
      bandwidthBytesPerS: 3.125e9,
      iopsLimit: NO_IOPS_LIMIT,
      queueDepth: 1,
      ...NEVER_IDLE,
      ...NETWORK_CPU,
    },
    medium: { kind: 'object-store', streamBytesPerS: 3.125e9, partBytes: 256 * KIB },
    chunkBytes: 256 * KIB,
  },
]

/** Between random places the mean of √(distance / span) is 8/15. */
export function fullSeekNs(shortestSeekNs: number, meanSeekNs: number): number {
  return Math.round(shortestSeekNs + (meanSeekNs - shortestSeekNs) / (8 / 15))
}
