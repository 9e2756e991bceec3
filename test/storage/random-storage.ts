/** Random storages: cheap and dear devices, every medium, compression, chunks and a local tier. */
import { fc } from '@fast-check/vitest'
import type { DeviceParameters, Storage } from '../../src/storage/device.ts'

const KIB = 1024
const MIB = 1024 * KIB

export const anyDevice: fc.Arbitrary<DeviceParameters> = fc
  .record({
    latencyNs: fc.constantFrom(1000, 5000, 80_000),
    spread: fc.constantFrom(1, 1, 3.5, 40),
    bandwidthBytesPerS: fc.constantFrom(5e7, 1e9, 3.5e9),
    iopsLimit: fc.constantFrom(900, 1e5, 1e6),
    queueDepth: fc.integer({ min: 1, max: 4 }),
    haltPollNs: fc.constantFrom(0, 20_000, 200_000),
    idleWakeNs: fc.constantFrom(0, 0, 70_000),
    cpuPerReadNs: fc.constantFrom(0, 3000),
    cpuPerRead4kNs: fc.constantFrom(0, 250),
  })
  .map(({ spread, ...device }) => ({ ...device, latencyP99Ns: device.latencyNs * spread }))

/** What a storage has beyond a device's queue. */
export type Beyond = Pick<Storage, 'medium' | 'compression' | 'chunks' | 'local'>

const anyMedium: fc.Arbitrary<NonNullable<Storage['medium']>> = fc.oneof(
  fc.record({
    kind: fc.constant('disk' as const),
    shortestSeekNs: fc.constantFrom(0, 230_000),
    fullSeekNs: fc.constantFrom(230_000, 14_000_000),
    revolutionNs: fc.constantFrom(0, 8_330_000),
    spanBytes: fc.constantFrom(MIB, 4e12),
  }),
  fc.record({
    kind: fc.constant('cloud-block' as const),
    baseIops: fc.constantFrom(300, 30_000),
    iopsCredit: fc.constantFrom(0, 5, 1e6),
    operationBytes: fc.constantFrom(4096, 256 * KIB),
    baseBytesPerS: fc.constantFrom(1e7, 1e9),
    bytesCredit: fc.constantFrom(0, MIB),
  }),
  fc.record({ kind: fc.constant('network-file' as const), pieceBytes: fc.constantFrom(8192, MIB) }),
  fc.record({
    kind: fc.constant('object-store' as const),
    streamBytesPerS: fc.constantFrom(1.5e8, 3e9),
    partBytes: fc.constantFrom(16 * KIB, 2 * MIB),
  }),
)
const anyCompression = fc.record({
  ratio: fc.constantFrom(1.5, 2.887),
  decompressBytesPerS: fc.constantFrom(1.58e9, 4e9),
})

/** Every part as often there as not. */
export const anyBeyond: fc.Arbitrary<Beyond> = fc
  .record({
    medium: fc.option(anyMedium),
    compression: fc.option(anyCompression),
    chunks: fc.option(fc.record({ chunkBytes: fc.constantFrom(64 * KIB, 256 * KIB) })),
    local: fc.option(fc.record({ device: anyDevice, share: fc.constantFrom(0, 0.5, 1) })),
  })
  .map(parts => Object.fromEntries(Object.entries(parts).filter(([, part]) => part !== null)))
