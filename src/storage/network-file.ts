/**
 * A file on a server, as NFS reads it: a read goes out in pieces of at most `pieceBytes` (rsize), all at once, as far as there
 * are slots (RFC 8881, section 2.10.6). Each takes a round trip, the device's latency, and its time on the link, the device's
 * gate; so the whole is done when its last piece is.
 */
import type { DeviceParameters } from './device.ts'
import { DeviceQueue } from './device-queue.ts'
import type { Medium } from './storage-model.ts'

export class NetworkFile implements Medium {
  readonly extraCpuNs = 0
  readonly pending = null
  readonly #queue: DeviceQueue
  readonly #pieceBytes: number

  constructor(device: DeviceParameters, pieceBytes: number, seed: number) {
    this.#queue = new DeviceQueue(device, seed)
    this.#pieceBytes = pieceBytes
  }

  get bytesDelivered(): number {
    return this.#queue.bytesDelivered
  }

  submit(now: number, bytes: number): number {
    let done = now
    for (let left = bytes; left > 0; left -= this.#pieceBytes) {
      done = Math.max(done, this.#queue.submit(now, Math.min(left, this.#pieceBytes)))
    }
    return done
  }

  freeNs(): number {
    return this.#queue.freeNs()
  }
}
