/**
 * Remote storage that is read in whole chunks, each once: what has come stays on this host. A part of the chunks may lie in a
 * local tier from the start (drawn for each chunk on its own); of these a read takes from the tier's device what it asks for.
 * What came during the restore is in this host's memory, and costs nothing further. That the tier is written is not modelled.
 */
import { createRandom, nextFloat } from '../core/random.ts'
import { Pending } from './pending.ts'
import type { StorageModel } from './storage-model.ts'

export interface ChunkParameters {
  readonly chunkBytes: number
}

/** The local tier of a restore: its device, and the share of the chunks that is there from the start. */
export interface LocalTier {
  readonly device: StorageModel
  readonly share: number
}

const IN_TIER = -1
/** Sets the seeds of neighbouring chunks far apart: 2^32 over the golden ratio. */
const CHUNK_STRIDE = 0x9e3779b1

export class ChunkCache implements StorageModel {
  extraCpuNs = 0
  pending: Pending | null = null
  readonly #remote: StorageModel
  readonly #tier: LocalTier | null
  readonly #chunkBytes: number
  readonly #seed: number
  /** When each chunk that was asked for is here, or IN_TIER. */
  readonly #arrivals = new Map<number, number>()
  /** Chunks whose arrival is not known yet. */
  readonly #pending = new Map<number, Pending>()

  constructor(remote: StorageModel, { chunkBytes }: ChunkParameters, tier: LocalTier | null, seed: number) {
    this.#remote = remote
    this.#tier = tier
    this.#chunkBytes = chunkBytes
    this.#seed = seed
  }

  get bytesDelivered(): number {
    return this.#remote.bytesDelivered + (this.#tier?.device.bytesDelivered ?? 0)
  }

  submit(now: number, bytes: number, place: number): number {
    const size = this.#chunkBytes
    const unknown: Pending[] = []
    let known = now
    this.extraCpuNs = 0
    for (let from = place; from < place + bytes; ) {
      const chunk = Math.floor(from / size)
      const end = Math.min(place + bytes, (chunk + 1) * size)
      const readyNs = this.#read(chunk, now, from, end)
      if (readyNs < Number.POSITIVE_INFINITY) known = Math.max(known, readyNs)
      else unknown.push(this.#pending.get(chunk)!)
      from = end
    }
    this.pending = unknown.length === 0 ? null : Pending.ofAll(unknown, known)
    return this.pending === null ? known : Number.POSITIVE_INFINITY
  }

  /** When bytes [from, end) of `chunk` are here. */
  #read(chunk: number, now: number, from: number, end: number): number {
    const arrival = this.#arrivals.get(chunk) ?? this.#fetch(chunk, now)
    return arrival === IN_TIER ? this.#tier!.device.submit(now, end - from, from) : arrival
  }

  #fetch(chunk: number, now: number): number {
    if (this.#isInTier(chunk)) {
      this.#arrivals.set(chunk, IN_TIER)
      return IN_TIER
    }
    const arrival = this.#remote.submit(now, this.#chunkBytes, chunk * this.#chunkBytes)
    this.#arrivals.set(chunk, arrival)
    this.extraCpuNs += this.#remote.extraCpuNs
    if (arrival === Number.POSITIVE_INFINITY) {
      const pending = this.#remote.pending!
      this.#pending.set(chunk, pending)
      pending.whenKnown(readyNs => {
        this.#arrivals.set(chunk, readyNs)
        this.#pending.delete(chunk)
      })
    }
    return arrival
  }

  #isInTier(chunk: number): boolean {
    if (this.#tier === null) return false
    return nextFloat(createRandom(this.#seed + Math.imul(chunk + 1, CHUNK_STRIDE))) < this.#tier.share
  }
}
