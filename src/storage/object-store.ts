/**
 * An object store: so many streams, each of which answers one range request after the other. An answer begins after the time
 * to first byte and then comes at the stream's rate; all share the host's link, in the order in which they begin. A read larger
 * than `partBytes` is asked for in parts, each on the stream that is free first.
 *
 *   start = max(now, earliest free stream)
 *   first = start + L                                         L: time to first byte
 *   link  = max(first, link free) + round(bytes / bandwidthBytesPerS)
 *   done  = max(link, first + round(bytes / streamBytesPerS)) = when the stream is free
 */
import { createRandom, nextUint32, type RandomState } from '../core/random.ts'
import type { DeviceParameters } from './device.ts'
import { latencyTable } from './device-queue.ts'
import type { Medium } from './storage-model.ts'

export interface ObjectStoreParameters {
  readonly streamBytesPerS: number
  /** Most bytes of one range request. */
  readonly partBytes: number
}

export class ObjectStore implements Medium {
  bytesDelivered = 0
  readonly extraCpuNs = 0
  readonly pending = null
  readonly #firstByte: Float64Array
  readonly #linkNsPerByte: number
  readonly #streamNsPerByte: number
  readonly #partBytes: number
  readonly #random: RandomState
  /** When each stream is free. */
  readonly #streams: Float64Array
  #linkFree = 0

  constructor(device: DeviceParameters, { streamBytesPerS, partBytes }: ObjectStoreParameters, seed: number) {
    this.#firstByte = latencyTable(device)
    this.#linkNsPerByte = 1e9 / device.bandwidthBytesPerS
    this.#streamNsPerByte = 1e9 / streamBytesPerS
    this.#partBytes = partBytes
    this.#random = createRandom(seed)
    this.#streams = new Float64Array(device.queueDepth)
  }

  submit(now: number, bytes: number): number {
    let done = now
    for (let left = bytes; left > 0; left -= this.#partBytes) {
      done = Math.max(done, this.#get(now, Math.min(left, this.#partBytes)))
    }
    this.bytesDelivered += bytes
    return done
  }

  freeNs(): number {
    return this.#streams[this.#freeStream()]
  }

  #get(now: number, bytes: number): number {
    const stream = this.#freeStream()
    const first = Math.max(now, this.#streams[stream]) + this.#firstByte[nextUint32(this.#random) >>> 20]
    this.#linkFree = Math.max(first, this.#linkFree) + Math.round(bytes * this.#linkNsPerByte)
    const done = Math.max(this.#linkFree, first + Math.round(bytes * this.#streamNsPerByte))
    this.#streams[stream] = done
    return done
  }

  #freeStream(): number {
    const streams = this.#streams
    let earliest = 0
    for (let i = 1; i < streams.length; i++) if (streams[i] < streams[earliest]) earliest = i
    return earliest
  }
}
