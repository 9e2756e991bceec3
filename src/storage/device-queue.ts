/**
 * An SSD, or whatever else is a queue: the storage device of src/storage/device.ts in virtual time. Completion times are known
 * at submission, so that a request costs no event of its own:
 *
 *   admitted = max(now, when the earliest of `queueDepth` slots is free)
 *   gate     = max(admitted, gate free) + ns per read + bytes · ns per byte
 *   done     = gate + latency, drawn from the log-normal distribution through median and p99, + idle wake (halt-poll.ts)
 */
import { probit } from 'simple-statistics'
import { createRandom, nextUint32, type RandomState } from '../core/random.ts'
import { type DeviceParameters, gateTimes } from './device.ts'
import { HaltPoll } from './halt-poll.ts'
import type { Medium } from './storage-model.ts'

const QUANTILES = 4096

/** Those in use, by what they are made of. */
const tables = new Map<string, WeakRef<Float64Array>>()
const unused = new FinalizationRegistry<string>(key => {
  if (tables.get(key)?.deref() === undefined) tables.delete(key)
})

/** Latency at the middle of each of 4,096 equal shares, in whole ns. All devices of one median and p99 have the same one, as it takes some ms to make. */
export function latencyTable(device: DeviceParameters): Float64Array {
  const key = `${device.latencyNs} ${device.latencyP99Ns}`
  const known = tables.get(key)?.deref()
  if (known !== undefined) return known
  const table = makeLatencyTable(device)
  tables.set(key, new WeakRef(table))
  unused.register(table, key)
  return table
}

/** Bytes of all tables that are in use. */
export function latencyTablesBytes(): number {
  let bytes = 0
  for (const table of tables.values()) bytes += table.deref()?.byteLength ?? 0
  return bytes
}

function makeLatencyTable({ latencyNs, latencyP99Ns }: DeviceParameters): Float64Array {
  const sigma = Math.log(latencyP99Ns / latencyNs) / probit(0.99)
  return Float64Array.from({ length: QUANTILES }, (_, i) =>
    Math.round(latencyNs * Math.exp(sigma * probit((i + 0.5) / QUANTILES))),
  )
}

export class DeviceQueue implements Medium {
  readonly #latency: Float64Array
  readonly #random: RandomState
  readonly #nsPerRead: number
  readonly #nsPerByte: number
  /** When each slot is free, and the slot to try first. */
  readonly #slotFree: Float64Array
  #nextSlot = 0
  #gateFree = 0
  /** When there is nothing left to do. */
  #idleFrom = Number.NEGATIVE_INFINITY
  readonly #halts: HaltPoll
  bytesDelivered = 0
  readonly extraCpuNs = 0
  readonly pending = null

  constructor(parameters: DeviceParameters, seed: number) {
    this.#latency = latencyTable(parameters)
    this.#random = createRandom(seed)
    const { nsPerRead, nsPerByte } = gateTimes(parameters)
    this.#nsPerRead = nsPerRead
    this.#nsPerByte = nsPerByte
    this.#halts = new HaltPoll(parameters)
    this.#slotFree = new Float64Array(parameters.queueDepth)
  }

  /** Submits a read at `now` (never before an earlier call's) and returns when it is done, in whole ns beyond `now`. */
  submit(now: number, bytes: number): number {
    const slots = this.#slotFree
    let slot = this.#nextSlot
    let admitted = Math.max(now, this.#gateFree)
    // Any slot that is free by then is as good as the earliest.
    if (slots[slot] > admitted) {
      for (let i = 0; i < slots.length; i++) if (slots[i] < slots[slot]) slot = i
      admitted = Math.max(admitted, slots[slot])
    }
    const gate = admitted + Math.round(this.#nsPerRead + bytes * this.#nsPerByte)
    let done = gate + this.#latency[nextUint32(this.#random) >>> 20]
    if (now > this.#idleFrom) done += this.#halts.end(done - this.#idleFrom)
    this.#gateFree = gate
    this.#idleFrom = Math.max(this.#idleFrom, done)
    this.bytesDelivered += bytes
    slots[slot] = done
    this.#nextSlot = slot + 1 === slots.length ? 0 : slot + 1
    return done
  }

  freeNs(): number {
    let earliest = this.#slotFree[0]
    for (const freeNs of this.#slotFree) if (freeNs < earliest) earliest = freeNs
    return Math.max(earliest, this.#gateFree)
  }
}
