/**
 * A cloud's block volume: a queue behind two token buckets, one of I/O operations and one of bytes, that fill at the base
 * rates and hold the burst credit. Buckets are kept as the generic cell rate algorithm does (ITU-T I.371): `due` is when the
 * bucket would be full again.
 *
 *   operations = ⌈bytes / operationBytes⌉
 *   admitted   = max(now, due of each bucket − its credit / its rate, when the queue has room), whole ns
 *   due       := max(admitted, due) + taken / rate                       for each bucket
 *   then as the device's queue, from `admitted` on
 *
 * Credit goes to who comes first: a volume does not know restores.
 */
import type { DeviceParameters } from './device.ts'
import { DeviceQueue } from './device-queue.ts'
import type { Medium } from './storage-model.ts'

export interface CloudBlockParameters {
  /** Operations per second that the volume is sold with, and operations that may be taken ahead of that. */
  readonly baseIops: number
  readonly iopsCredit: number
  /** Most bytes that count as one operation. */
  readonly operationBytes: number
  /** The same for bytes. */
  readonly baseBytesPerS: number
  readonly bytesCredit: number
}

export class CloudBlock implements Medium {
  readonly extraCpuNs = 0
  readonly pending = null
  readonly #operationBytes: number
  readonly #operations: Bucket
  readonly #bytes: Bucket
  readonly #queue: DeviceQueue

  constructor(device: DeviceParameters, parameters: CloudBlockParameters, seed: number) {
    const { operationBytes, baseIops, iopsCredit, baseBytesPerS, bytesCredit } = parameters
    this.#operationBytes = operationBytes
    this.#operations = new Bucket(baseIops, iopsCredit)
    this.#bytes = new Bucket(baseBytesPerS, bytesCredit)
    this.#queue = new DeviceQueue(device, seed)
  }

  get bytesDelivered(): number {
    return this.#queue.bytesDelivered
  }

  submit(now: number, bytes: number): number {
    const admitted = Math.max(now, this.freeNs())
    this.#operations.take(admitted, Math.ceil(bytes / this.#operationBytes))
    this.#bytes.take(admitted, bytes)
    return this.#queue.submit(admitted, bytes)
  }

  freeNs(): number {
    return Math.max(this.#operations.freeNs, this.#bytes.freeNs, this.#queue.freeNs())
  }
}

class Bucket {
  /** When something may be taken again, whole ns. */
  freeNs = 0
  readonly #nsEach: number
  readonly #creditNs: number
  #dueNs = 0

  constructor(perS: number, credit: number) {
    this.#nsEach = 1e9 / perS
    this.#creditNs = credit * this.#nsEach
  }

  take(now: number, count: number): void {
    this.#dueNs = Math.max(now, this.#dueNs) + count * this.#nsEach
    this.freeNs = Math.max(0, Math.round(this.#dueNs - this.#creditNs))
  }
}
