/** Makes a storage's model: the medium, and on it what it has of compression, chunks and a local tier. */
import { ChunkCache } from './chunk-cache.ts'
import { CloudBlock } from './cloud-block.ts'
import { CompressedStorage } from './compressed.ts'
import type { Storage } from './device.ts'
import { DeviceQueue } from './device-queue.ts'
import { Disk } from './disk.ts'
import { NetworkFile } from './network-file.ts'
import { ObjectStore } from './object-store.ts'
import type { Medium, StorageModel } from './storage-model.ts'

export function createStorageModel(storage: Storage, seed: number): StorageModel {
  return onMedium(storage, createMedium(storage, seed), seed)
}

/** What serves the requests of all who share the storage. */
export function createMedium({ device, medium }: Storage, seed: number): Medium {
  switch (medium?.kind) {
    case undefined:
      return new DeviceQueue(device, seed)
    case 'disk':
      return new Disk(device, medium, seed)
    case 'cloud-block':
      return new CloudBlock(device, medium, seed)
    case 'network-file':
      return new NetworkFile(device, medium.pieceBytes, seed)
    case 'object-store':
      return new ObjectStore(device, medium, seed)
  }
}

/** What one host has of the storage, over a medium that may be shared. */
export function onMedium({ compression, chunks, local }: Storage, medium: StorageModel, seed: number): StorageModel {
  const plain = compression === undefined ? medium : new CompressedStorage(medium, compression)
  if (chunks === undefined) return plain
  const tier = local === undefined ? null : { device: new DeviceQueue(local.device, seed + 1), share: local.share }
  return new ChunkCache(plain, chunks, tier, seed)
}
