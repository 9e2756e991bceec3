/**
 * What a policy writes and an engine carries out: runs of host pages in the order in which they are wanted. Reused, with room
 * that grows to what it is used for; a policy that has more to say than fits says it at the next call.
 */
import { withRoom } from '../core/growable.ts'

/** The run's bytes come from their fixed place in the snapshot. */
export const FROM_SNAPSHOT = -1
/**
 * From their fixed place too, for a fill that only wants memory to be complete: an engine whose memory reads as zeros where
 * nothing was installed may leave zero pages out.
 */
export const FILL = -2

/** Runs that it has room for at first. Arrays of 64 bytes lie with their objects, which matters to many restores at a time. */
const FIRST_ROOM = 8

export class Plan {
  readonly capacity: number
  length = 0
  /** First host page of each run, dense index. */
  first: Uint32Array
  /** Host pages in each run, at least 1. */
  count: Uint32Array
  /** FROM_SNAPSHOT, FILL, or the offset of the run's bytes in the working-set file (whole host pages, one after the other). */
  sourceOffset: Float64Array

  constructor(capacity: number) {
    this.capacity = capacity
    const room = Math.min(capacity, FIRST_ROOM)
    this.first = new Uint32Array(room)
    this.count = new Uint32Array(room)
    this.sourceOffset = new Float64Array(room)
  }

  get full(): boolean {
    return this.length === this.capacity
  }

  clear(): void {
    this.length = 0
  }

  /** Appends a run. Pages that are claimed already are skipped by the engine. The plan must not be full. */
  add(first: number, count: number, sourceOffset: number = FROM_SNAPSHOT): void {
    if (this.length === this.first.length) this.#grow()
    this.first[this.length] = first
    this.count[this.length] = count
    this.sourceOffset[this.length] = sourceOffset
    this.length++
  }
  #grow(): void {
    this.first = withRoom(this.first, this.length + 1)
    this.count = withRoom(this.count, this.length + 1)
    this.sourceOffset = withRoom(this.sourceOffset, this.length + 1)
  }
}

/** What most policies answer a fault with. One function for all, as V8 would warm up one of its own for each policy's object. */
export function thatPage(page: number, plan: Plan): void {
  plan.add(page, 1)
}
