/**
 * A hard disk: one arm, which serves requests in order of arrival. A request that does not begin where the last one ended
 * costs a seek, by the square root of its distance (Ruemmler and Wilkes, "An introduction to disk drive modeling", IEEE
 * Computer 27(3), 1994: short seeks accelerate all the way), and a part of a revolution. A gap ahead is passed over where
 * that is quicker.
 *
 *   position = 0 at the arm's place; else seek(distance) + u · revolutionNs, and ahead at most distance · nsPerByte
 *   seek(d)  = shortestSeekNs + (fullSeekNs − shortestSeekNs) · √min(1, d / spanBytes)
 *   gate     = max(now, gate free) + round(position + bytes · nsPerByte)
 *   done     = gate + L, of the controller
 */
import { createRandom, nextFloat, nextUint32, type RandomState } from '../core/random.ts'
import type { DeviceParameters } from './device.ts'
import { latencyTable } from './device-queue.ts'
import type { Medium } from './storage-model.ts'

export interface DiskParameters {
  /** From track to track, ns. */
  readonly shortestSeekNs: number
  /** Across `spanBytes`, ns. */
  readonly fullSeekNs: number
  /** One revolution, ns. */
  readonly revolutionNs: number
  /** The disk's capacity. */
  readonly spanBytes: number
}

export class Disk implements Medium {
  bytesDelivered = 0
  readonly extraCpuNs = 0
  readonly pending = null
  readonly #parameters: DiskParameters
  readonly #latency: Float64Array
  readonly #nsPerByte: number
  readonly #random: RandomState
  #arm = 0
  #gateFree = 0

  constructor(device: DeviceParameters, parameters: DiskParameters, seed: number) {
    this.#parameters = parameters
    this.#latency = latencyTable(device)
    this.#nsPerByte = 1e9 / device.bandwidthBytesPerS
    this.#random = createRandom(seed)
  }

  submit(now: number, bytes: number, place: number): number {
    const start = Math.max(now, this.#gateFree)
    this.#gateFree = start + Math.round(this.#positionNs(place) + bytes * this.#nsPerByte)
    this.#arm = place + bytes
    this.bytesDelivered += bytes
    return this.#gateFree + this.#latency[nextUint32(this.#random) >>> 20]
  }

  freeNs(): number {
    return this.#gateFree
  }

  #positionNs(place: number): number {
    const distance = place - this.#arm
    if (distance === 0) return 0
    const { shortestSeekNs, fullSeekNs, revolutionNs, spanBytes } = this.#parameters
    const seekNs =
      shortestSeekNs + (fullSeekNs - shortestSeekNs) * Math.sqrt(Math.min(1, Math.abs(distance) / spanBytes))
    const positionNs = seekNs + nextFloat(this.#random) * revolutionNs
    return distance > 0 ? Math.min(distance * this.#nsPerByte, positionNs) : positionNs
  }
}
