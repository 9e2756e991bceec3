/**
 * A medium that several restores share, each with a queue of its own: start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM
 * 1996). A request carries the virtual time at which it would start if every restore that waits got an equal part of the
 * medium's gate; whenever the medium can take another request, the one with the earliest goes. So the medium is never idle
 * while one waits, a restore that asks for much does not keep others waiting, and one that is alone is served as if nobody
 * else was there.
 *
 *   start  = max(virtual time, finish of the restore's last request)       finish = start + nsPerRead + bytes · nsPerByte
 *   virtual time: the start of the request that went last
 *
 * A request's end is known when it goes, and pending until then.
 */
import { MinHeap } from '../core/min-heap.ts'
import { type DeviceParameters, gateTimes } from './device.ts'
import { Pending } from './pending.ts'
import type { Medium } from './storage-model.ts'

/** A request that waits. */
class Request extends Pending {
  readonly bytes: number
  readonly place: number

  constructor(bytes: number, place: number) {
    super()
    this.bytes = bytes
    this.place = place
  }
}

export class FairQueue {
  /** Of the latest request, if it waits. */
  pending: Pending | null = null
  readonly #medium: Medium
  readonly #nsPerRead: number
  readonly #nsPerByte: number
  /** Virtual time at which each restore's last request is over. */
  readonly #finish: Float64Array
  /** Requests that wait, by number; numbers of others, to be given again. */
  readonly #requests: (Request | null)[] = []
  readonly #spare: number[] = []
  /** By virtual start. */
  readonly #waiting = new MinHeap()
  #virtual = 0
  /** When the medium can take another. */
  #freeNs = 0

  constructor(medium: Medium, device: DeviceParameters, restores: number) {
    this.#medium = medium
    const { nsPerRead, nsPerByte } = gateTimes(device)
    this.#nsPerRead = nsPerRead
    this.#nsPerByte = nsPerByte
    this.#finish = new Float64Array(restores)
  }

  /** As `StorageModel.submit`, for one of the restores. */
  submit(restore: number, now: number, bytes: number, place: number): number {
    const start = Math.max(this.#virtual, this.#finish[restore])
    this.#finish[restore] = start + this.#nsPerRead + bytes * this.#nsPerByte
    this.pending = null
    if (this.#waiting.size === 0 && this.#freeNs <= now) return this.#send(now, bytes, place, start)
    const request = new Request(bytes, place)
    const number = this.#spare.pop() ?? this.#requests.length
    this.#requests[number] = request
    this.#waiting.push(start, number)
    this.pending = request
    return Number.POSITIVE_INFINITY
  }

  /** When the next request that waits can go; Infinity: none waits. */
  get nextNs(): number {
    return this.#waiting.size === 0 ? Number.POSITIVE_INFINITY : this.#freeNs
  }

  /** Lets that request go, at `nextNs`. */
  sendNext(): void {
    const start = this.#waiting.topKey
    const number = this.#waiting.top
    const request = this.#requests[number]!
    this.#waiting.pop()
    this.#requests[number] = null
    this.#spare.push(number)
    request.resolve(this.#send(this.#freeNs, request.bytes, request.place, start))
  }

  #send(now: number, bytes: number, place: number, start: number): number {
    this.#virtual = start
    const doneNs = this.#medium.submit(now, bytes, place)
    this.#freeNs = this.#medium.freeNs()
    return doneNs
  }
}
