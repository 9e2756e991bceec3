/** The storages of docs/storage.md once more: everything in lists, nothing remembered that can be worked out. */
import { createRandom, nextFloat, nextUint32 } from '../../../src/core/random.ts'
import type { DeviceParameters, Storage } from '../../../src/storage/device.ts'
import { latencyTable } from '../../../src/storage/device-queue.ts'
import { NaiveDevice } from './disk.ts'

export type NaiveStorageInput = Omit<Storage, 'name'>
type Medium = (now: number, bytes: number, place: number) => number
type MediumOf<K> = Extract<NonNullable<Storage['medium']>, { kind: K }>

export class NaiveStorage {
  bytesDelivered = 0
  /** What all requests asked for. */
  bytesAsked = 0
  extraCpuNs = 0
  readonly #input: NaiveStorageInput
  readonly #seed: number
  readonly #medium: Medium
  readonly #tier: NaiveDevice | null
  readonly #note: (rule: string) => void
  /** Chunks that were asked for, and when they are here. */
  readonly #chunks: { chunk: number; here: number }[] = []

  constructor(input: NaiveStorageInput, seed: number, note: (rule: string) => void = () => {}) {
    this.#input = input
    this.#seed = seed
    this.#note = note
    this.#medium = naiveMedium(input, seed)
    this.#tier = input.local === undefined ? null : new NaiveDevice(input.local.device, seed + 1)
  }

  submit(now: number, bytes: number, place: number): number {
    this.extraCpuNs = 0
    this.bytesAsked += bytes
    const { chunks } = this.#input
    if (chunks === undefined) return this.#fetch(now, bytes, place)
    const ends = [now]
    // Byte by byte would be slow: chunk by chunk.
    const last = Math.floor((place + bytes - 1) / chunks.chunkBytes)
    for (let chunk = Math.floor(place / chunks.chunkBytes); chunk <= last; chunk++) {
      const from = Math.max(place, chunk * chunks.chunkBytes)
      const end = Math.min(place + bytes, (chunk + 1) * chunks.chunkBytes)
      ends.push(this.#readChunk(now, chunk, end - from))
    }
    return Math.max(...ends)
  }

  #readChunk(now: number, chunk: number, bytes: number): number {
    const { chunks, local } = this.#input
    const chance = nextFloat(createRandom(this.#seed + Math.imul(chunk + 1, 0x9e3779b1)))
    if (local !== undefined && chance < local.share) {
      this.#note('storage: a chunk is in the local tier')
      this.bytesDelivered += bytes
      return this.#tier!.submit(now, bytes)
    }
    const known = this.#chunks.find(other => other.chunk === chunk)
    if (known !== undefined) {
      this.#note('storage: a chunk is here already')
      return known.here
    }
    const here = this.#fetch(now, chunks!.chunkBytes, chunk * chunks!.chunkBytes)
    this.#chunks.push({ chunk, here })
    return here
  }

  #fetch(now: number, bytes: number, place: number): number {
    const { compression } = this.#input
    if (compression === undefined) {
      this.bytesDelivered += bytes
      return this.#medium(now, bytes, place)
    }
    const { ratio, decompressBytesPerS } = compression
    this.extraCpuNs += Math.round(bytes * (1e9 / decompressBytesPerS))
    this.bytesDelivered += Math.ceil(bytes / ratio)
    return this.#medium(now, Math.ceil(bytes / ratio), Math.floor(place / ratio))
  }
}

function naiveMedium({ device, medium }: NaiveStorageInput, seed: number): Medium {
  const queue = new NaiveDevice(device, seed)
  switch (medium?.kind) {
    case undefined:
      return (now, bytes) => queue.submit(now, bytes)
    case 'disk':
      return naiveDisk(device, medium, seed)
    case 'cloud-block':
      return naiveCloudBlock(medium, queue)
    case 'network-file':
      return (now, bytes) => Math.max(...pieces(bytes, medium.pieceBytes).map(piece => queue.submit(now, piece)))
    case 'object-store':
      return naiveObjectStore(device, medium, seed)
  }
}

function pieces(bytes: number, most: number): number[] {
  return bytes <= most ? [bytes] : [most, ...pieces(bytes - most, most)]
}

function naiveDisk(device: DeviceParameters, disk: MediumOf<'disk'>, seed: number): Medium {
  const { shortestSeekNs, fullSeekNs, revolutionNs, spanBytes } = disk
  const latencies = latencyTable(device)
  const random = createRandom(seed)
  const ns = 1e9 / device.bandwidthBytesPerS
  let arm = 0
  let free = 0
  return (now, bytes, place) => {
    let position = 0
    if (place !== arm) {
      const distance = Math.abs(place - arm)
      position = shortestSeekNs + (fullSeekNs - shortestSeekNs) * Math.sqrt(Math.min(1, distance / spanBytes))
      position += nextFloat(random) * revolutionNs
      if (place > arm && distance * ns < position) position = distance * ns
    }
    arm = place + bytes
    free = Math.max(now, free) + Math.round(position + bytes * ns)
    return free + latencies[nextUint32(random) >>> 20]
  }
}

/** When a bucket that is full at first, and from which `takings` were taken, may be taken from again. */
function bucketFree(takings: readonly { at: number; count: number }[], perS: number, credit: number): number {
  const ns = 1e9 / perS
  const full = takings.reduce((due, { at, count }) => Math.max(due, at) + count * ns, 0)
  return Math.max(0, Math.round(full - credit * ns))
}

function naiveCloudBlock(volume: MediumOf<'cloud-block'>, queue: NaiveDevice): Medium {
  const operations: { at: number; count: number }[] = []
  const taken: { at: number; count: number }[] = []
  return (now, bytes) => {
    const at = Math.max(
      now,
      queue.freeNs,
      bucketFree(operations, volume.baseIops, volume.iopsCredit),
      bucketFree(taken, volume.baseBytesPerS, volume.bytesCredit),
    )
    operations.push({ at, count: Math.ceil(bytes / volume.operationBytes) })
    taken.push({ at, count: bytes })
    return queue.submit(at, bytes)
  }
}

function naiveObjectStore(device: DeviceParameters, store: MediumOf<'object-store'>, seed: number): Medium {
  const latencies = latencyTable(device)
  const random = createRandom(seed)
  const streams: number[] = new Array(device.queueDepth).fill(0)
  let link = 0
  const get = (now: number, bytes: number): number => {
    const earliest = Math.min(...streams)
    const first = Math.max(now, earliest) + latencies[nextUint32(random) >>> 20]
    link = Math.max(first, link) + Math.round(bytes * (1e9 / device.bandwidthBytesPerS))
    const done = Math.max(link, first + Math.round(bytes * (1e9 / store.streamBytesPerS)))
    streams[streams.indexOf(earliest)] = done
    return done
  }
  return (now, bytes) => Math.max(...pieces(bytes, store.partBytes).map(piece => get(now, piece)))
}
