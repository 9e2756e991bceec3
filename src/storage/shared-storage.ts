/**
 * A storage as restores on several hosts see it: one medium for all, behind a fair queue; and on each host what the host has of
 * it: decompression, chunks that have come, a local tier.
 */
import { createMedium, onMedium } from './create.ts'
import type { Storage } from './device.ts'
import { FairQueue } from './fair-queue.ts'
import type { Pending } from './pending.ts'
import type { StorageModel } from './storage-model.ts'

export class SharedStorage {
  readonly queue: FairQueue
  readonly #storage: Storage
  readonly #seed: number

  /** @param restores how many share it */
  constructor(storage: Storage, seed: number, restores: number) {
    this.queue = new FairQueue(createMedium(storage, seed), storage.device, restores)
    this.#storage = storage
    this.#seed = seed
  }

  /** What host `index` has of it; hosts differ in what is in their local tiers. */
  host(index: number): HostStorage {
    const port = new Port(this.queue)
    return new HostStorage(port, onMedium(this.#storage, port, this.#seed + index * HOST_STRIDE))
  }
}

/** Sets the seeds of hosts far apart from those of chunks: a prime. */
const HOST_STRIDE = 1_000_003

/** A host's way to the medium. */
class Port implements StorageModel {
  bytesDelivered = 0
  readonly extraCpuNs = 0
  /** Whose the next request is. */
  restore = 0
  readonly #queue: FairQueue

  constructor(queue: FairQueue) {
    this.#queue = queue
  }

  get pending(): Pending | null {
    return this.#queue.pending
  }

  submit(now: number, bytes: number, place: number): number {
    this.bytesDelivered += bytes
    return this.#queue.submit(this.restore, now, bytes, place)
  }
}

export class HostStorage {
  readonly #port: Port
  readonly #model: StorageModel

  constructor(port: Port, model: StorageModel) {
    this.#port = port
    this.#model = model
  }

  /** Bytes that came off the medium and the local tier for this host. */
  get bytesDelivered(): number {
    return this.#model.bytesDelivered
  }

  /**
   * What one restore sees.
   * @param offset where its snapshot begins
   */
  restore(index: number, offset: number): StorageModel {
    return new RestoreStorage(this.#port, this.#model, index, offset)
  }
}

class RestoreStorage implements StorageModel {
  bytesDelivered = 0
  readonly #port: Port
  readonly #model: StorageModel
  readonly #restore: number
  readonly #offset: number

  constructor(port: Port, model: StorageModel, restore: number, offset: number) {
    this.#port = port
    this.#model = model
    this.#restore = restore
    this.#offset = offset
  }

  get extraCpuNs(): number {
    return this.#model.extraCpuNs
  }

  get pending(): Pending | null {
    return this.#model.pending
  }

  submit(now: number, bytes: number, place: number): number {
    const before = this.#model.bytesDelivered
    this.#port.restore = this.#restore
    const doneNs = this.#model.submit(now, bytes, this.#offset + place)
    this.bytesDelivered += this.#model.bytesDelivered - before
    return doneNs
  }
}
