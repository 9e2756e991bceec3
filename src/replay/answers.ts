/** What a replay answers: how each access came to its page, and what was installed meanwhile. Collected anew for each call. */
import { withRoom } from '../core/growable.ts'
import { OPERATION_NAMES, type Operation } from '../resolver/resolver.ts'

/** Beside the resolver's OP_COPY, OP_ZEROPAGE and OP_ZERO_COPY, by which the page that an access waited for was installed. */
export const ANSWER_RESIDENT = 3
/** A fault that nobody was asked about: the kernel or hypervisor resolved it alone, or the page came during the trap. */
export const ANSWER_MINOR = 4
/** A fault on a file mapping that had to wait for the device. */
export const ANSWER_MAJOR = 5
export type Answer = Operation | typeof ANSWER_RESIDENT | typeof ANSWER_MINOR | typeof ANSWER_MAJOR

/** By `Answer`. */
export const ANSWER_NAMES = [...OPERATION_NAMES, 'resident', 'minor', 'major'] as const

/** Columns, an entry an answered access, in the order in which they were decided; those of one vCPU in their own order. */
export interface ReplayAnswers {
  /** Which access: its number since the start of the replay, from 0, over all vCPUs. */
  readonly access: Float64Array
  /** `Answer`; ANSWER_NAMES has the words. */
  readonly op: Uint8Array
  /**
   * ns. Of an access that waited for an install or the device, the fault's latency as in `faultLatencyNs` of the result; of
   * a minor one, the time that it stood still; else 0.
   */
  readonly latencyNs: Float64Array
  /** Accesses that are known and not answered, because the clock waits for those of another vCPU. */
  readonly pending: number
  /** The clock. */
  readonly nowNs: number
  /** What handlers and workers have installed since the answers before, in order. */
  readonly installed: InstalledRuns
}

/** Columns, an entry an install call. What the kernel maps and fills by itself is not among them. */
export interface InstalledRuns {
  /** Host pages, dense index. */
  readonly first: Uint32Array
  readonly count: Uint32Array
  /** `Operation`. */
  readonly op: Uint8Array
  /** When they were resident, ns. */
  readonly atNs: Float64Array
}

/** Collects the answers of one call. */
export class AnswerSheet {
  #length = 0
  #access: Float64Array
  #op: Uint8Array
  #latencyNs: Float64Array
  #runs = 0
  #first: Uint32Array
  #count: Uint32Array
  #runOp: Uint8Array
  #atNs: Float64Array

  /** @param room answers, and runs, that are expected */
  constructor(room: number) {
    this.#access = new Float64Array(room)
    this.#op = new Uint8Array(room)
    this.#latencyNs = new Float64Array(room)
    this.#first = new Uint32Array(room)
    this.#count = new Uint32Array(room)
    this.#runOp = new Uint8Array(room)
    this.#atNs = new Float64Array(room)
  }

  answer(access: number, op: Answer, latencyNs: number): void {
    const at = this.#length++
    if (at === this.#access.length) {
      this.#access = withRoom(this.#access, at + 1)
      this.#op = withRoom(this.#op, at + 1)
      this.#latencyNs = withRoom(this.#latencyNs, at + 1)
    }
    this.#access[at] = access
    this.#op[at] = op
    this.#latencyNs[at] = latencyNs
  }

  installed(op: Operation, first: number, count: number, atNs: number): void {
    const at = this.#runs++
    if (at === this.#first.length) {
      this.#first = withRoom(this.#first, at + 1)
      this.#count = withRoom(this.#count, at + 1)
      this.#runOp = withRoom(this.#runOp, at + 1)
      this.#atNs = withRoom(this.#atNs, at + 1)
    }
    this.#first[at] = first
    this.#count[at] = count
    this.#runOp[at] = op
    this.#atNs[at] = atNs
  }

  answers(pending: number, nowNs: number): ReplayAnswers {
    const answers = this.#length
    const runs = this.#runs
    return {
      access: this.#access.subarray(0, answers),
      op: this.#op.subarray(0, answers),
      latencyNs: this.#latencyNs.subarray(0, answers),
      pending,
      nowNs,
      installed: {
        first: this.#first.subarray(0, runs),
        count: this.#count.subarray(0, runs),
        op: this.#runOp.subarray(0, runs),
        atNs: this.#atNs.subarray(0, runs),
      },
    }
  }
}
