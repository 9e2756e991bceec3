/**
 * Feeds a simulation from the log, window by window, and writes down what becomes of each access. The windows of all vCPUs
 * have a fixed size, so that a replay's memory does not depend on how far one vCPU is ahead of the others.
 */
import { blockOfHostPage, hostPageOf, type Layout } from '../destination/layout.ts'
import { operationOf } from '../resolver/resolver.ts'
import { type AccessStream, NO_MORE, NOT_KNOWN_YET } from '../sim/access-stream.ts'
import type { Columns } from '../workload/columns.ts'
import { type AccessLog, NONE } from './access-log.ts'
import { ANSWER_MAJOR, ANSWER_MINOR, ANSWER_RESIDENT, AnswerSheet } from './answers.ts'

/** Accesses in the windows of all vCPUs together, and at least in each. */
const WINDOWS_ACCESSES = 512
const LEAST_WINDOW = 16

export class LogStream implements AccessStream {
  /** Collects the answers of this call. */
  sheet = new AnswerSheet(0)
  /** Accesses that have been answered. */
  answered = 0
  /** The windows as a workload has them, but that the pages are host pages. */
  readonly windows: Columns
  /** The access's place in the log. */
  readonly #number: Uint32Array
  readonly #layout: Layout
  readonly #log: AccessLog
  /** Faults that have to be waited for are those of a file mapping. */
  readonly #maps: boolean
  readonly #hostPagesAreTargetPages: boolean
  /** By vCPU, of the access that it is at: when it faulted first, and the latency of the fault that it waited for; -1: none. */
  readonly #faultedAtNs: Float64Array
  readonly #waitedNs: Float64Array

  constructor(layout: Layout, log: AccessLog, maps: boolean) {
    const vcpus = log.ended.length
    const window = Math.max(LEAST_WINDOW, Math.floor(WINDOWS_ACCESSES / vcpus))
    this.#layout = layout
    this.#log = log
    this.#maps = maps
    this.#hostPagesAreTargetPages = layout.blocks.every(({ pageShift }) => pageShift === 0)
    this.windows = {
      starts: Uint32Array.from({ length: vcpus + 1 }, (_, vcpu) => vcpu * window),
      page: new Uint32Array(vcpus * window),
      thinkNs: new Uint32Array(vcpus * window),
      flags: new Uint8Array(vcpus * window),
    }
    this.#number = new Uint32Array(vcpus * window)
    this.#faultedAtNs = new Float64Array(vcpus).fill(-1)
    this.#waitedNs = new Float64Array(vcpus).fill(-1)
  }

  get byteLength(): number {
    const { page, thinkNs, flags } = this.windows
    return page.byteLength + thinkNs.byteLength + flags.byteLength + this.#number.byteLength
  }

  refill(vcpu: number): number {
    const { page, thinkNs, flags, next, ahead, ended } = this.#log
    const { windows } = this
    const first = windows.starts[vcpu]
    const end = windows.starts[vcpu + 1]
    let place = first
    let access = ahead[vcpu]
    for (; access !== NONE && place < end; place++) {
      windows.page[place] = this.#hostPagesAreTargetPages ? page[access] : hostPageOf(this.#layout, page[access])
      windows.thinkNs[place] = thinkNs[access]
      windows.flags[place] = flags[access]
      this.#number[place] = access
      access = next[access]
    }
    ahead[vcpu] = access
    if (place > first) return place - first
    return ended[vcpu] === 1 ? NO_MORE : NOT_KNOWN_YET
  }

  resident(_vcpu: number, first: number, end: number): void {
    for (let place = first; place < end; place++) this.sheet.answer(this.#number[place], ANSWER_RESIDENT, 0)
    this.answered += end - first
  }

  faulted(vcpu: number, atNs: number): void {
    if (this.#faultedAtNs[vcpu] < 0) this.#faultedAtNs[vcpu] = atNs
  }

  waited(vcpu: number, latencyNs: number): void {
    this.#waitedNs[vcpu] = latencyNs
  }

  accessed(vcpu: number, place: number, atNs: number): void {
    const access = this.#number[place]
    const faultedAtNs = this.#faultedAtNs[vcpu]
    const waitedNs = this.#waitedNs[vcpu]
    this.answered++
    if (faultedAtNs < 0) return this.sheet.answer(access, ANSWER_RESIDENT, 0)
    this.#faultedAtNs[vcpu] = -1
    this.#waitedNs[vcpu] = -1
    if (waitedNs < 0) return this.sheet.answer(access, ANSWER_MINOR, atNs - faultedAtNs)
    const page = this.windows.page[place]
    const op = this.#maps ? ANSWER_MAJOR : operationOf(this.#layout, page, blockOfHostPage(this.#layout, page))
    this.sheet.answer(access, op, waitedNs)
  }
}
