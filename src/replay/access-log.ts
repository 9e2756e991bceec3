/**
 * All accesses of a replay in the order in which they came, and which vCPUs have ended. It is what a replay is: run again,
 * it gives the same answers. 15 bytes an access; the accesses of one vCPU are a linked list through the columns, so that
 * they can be followed in either order.
 */
import { LazyRestoreError } from '../core/error.ts'
import { withRoom } from '../core/growable.ts'
import type { Columns } from '../workload/columns.ts'
import { MAX_ACCESSES } from '../workload/workload.ts'
import type { AccessBatch } from './access-batch.ts'
import type { PolicyStretch } from './policy-stretch.ts'

/** No access: the end of a list. */
export const NONE = 2 ** 32 - 1

/** A log as plain data: the accesses, the vCPUs that have ended, and the policies before the one that is in charge. */
export interface ReplayLog extends AccessBatch {
  readonly ended: readonly number[]
  readonly earlier: readonly PolicyStretch[]
}

export class AccessLog {
  length = 0
  readonly earlier: PolicyStretch[] = []
  /** By vCPU: 1 when it has no more accesses than are here. */
  readonly ended: Uint8Array
  /** The columns; the first `length` entries count. `next` is the same vCPU's next access. */
  page = new Uint32Array(0)
  vcpu = new Uint16Array(0)
  thinkNs = new Uint32Array(0)
  flags = new Uint8Array(0)
  next = new Uint32Array(0)
  /** The first access of each vCPU that `take` has not passed; NONE: there is none. */
  readonly ahead: Uint32Array
  /** The last access of each vCPU. */
  readonly #last: Uint32Array

  constructor(vcpus: number) {
    this.ended = new Uint8Array(vcpus)
    this.ahead = new Uint32Array(vcpus).fill(NONE)
    this.#last = new Uint32Array(vcpus).fill(NONE)
  }

  /** Appends a batch that has been checked. @throws LazyRestoreError `limit` */
  append({ length, page, vcpu, thinkNs, flags }: AccessBatch): void {
    const start = this.length
    const end = start + length
    if (end > MAX_ACCESSES) {
      throw new LazyRestoreError('limit', `accesses: found ${end}, expected at most ${MAX_ACCESSES} in a replay`)
    }
    this.#grow(end)
    this.page.set(page.subarray(0, length), start)
    this.vcpu.set(vcpu.subarray(0, length), start)
    this.thinkNs.set(thinkNs.subarray(0, length), start)
    this.flags.set(flags.subarray(0, length), start)
    this.length = end
    for (let access = start; access < end; access++) this.#link(access)
  }

  #grow(entries: number): void {
    this.page = withRoom(this.page, entries)
    this.vcpu = withRoom(this.vcpu, entries)
    this.thinkNs = withRoom(this.thinkNs, entries)
    this.flags = withRoom(this.flags, entries)
    this.next = withRoom(this.next, entries)
  }

  #link(access: number): void {
    const vcpu = this.vcpu[access]
    const last = this.#last[vcpu]
    if (last !== NONE) this.next[last] = access
    if (this.ahead[vcpu] === NONE) this.ahead[vcpu] = access
    this.#last[vcpu] = access
    this.next[access] = NONE
  }

  /** vCPUs that have ended. */
  get endedVcpus(): number[] {
    return Array.from(this.ended.keys()).filter(vcpu => this.ended[vcpu] === 1)
  }

  /** The log as plain data: views, true until the log grows. */
  get content(): ReplayLog {
    const { length } = this
    return {
      length,
      page: this.page.subarray(0, length),
      vcpu: this.vcpu.subarray(0, length),
      thinkNs: this.thinkNs.subarray(0, length),
      flags: this.flags.subarray(0, length),
      ended: this.endedVcpus,
      earlier: [...this.earlier],
    }
  }

  /** The log's columns as a workload has them: the accesses of each vCPU together. */
  workloadColumns(): Columns {
    const { length } = this
    const starts = new Uint32Array(this.ended.length + 1)
    for (let access = 0; access < length; access++) starts[this.vcpu[access] + 1]++
    for (let vcpu = 0; vcpu < this.ended.length; vcpu++) starts[vcpu + 1] += starts[vcpu]
    const places = starts.slice()
    const page = new Uint32Array(length)
    const thinkNs = new Uint32Array(length)
    const flags = new Uint8Array(length)
    for (let access = 0; access < length; access++) {
      const place = places[this.vcpu[access]]++
      page[place] = this.page[access]
      thinkNs[place] = this.thinkNs[access]
      flags[place] = this.flags[access]
    }
    return { starts, page, thinkNs, flags }
  }

  get byteLength(): number {
    const { page, vcpu, thinkNs, flags, next } = this
    return page.byteLength + vcpu.byteLength + thinkNs.byteLength + flags.byteLength + next.byteLength
  }
}
