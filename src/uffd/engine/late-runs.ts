/** Install runs that a carrier has put off, in their order, beside the chain of calls that makes them. */

import { runBytes } from '../../destination/layout.ts'
import { createInstallRun, type InstallRun } from '../../resolver/install-run.ts'
import { OP_COPY, OP_ZERO_COPY, solePieceOffset } from '../../resolver/resolver.ts'
import type { AddressMap } from './address-map.ts'
import type { AnswerChain } from './answer-chain.ts'
import type { Scratch } from './carrier.ts'

export class LateRuns {
  /** Bytes that they install. */
  bytes = 0
  readonly #answers: AnswerChain
  readonly #map: AddressMap
  readonly #scratch: Scratch
  readonly #runs: InstallRun[] = []

  constructor(answers: AnswerChain, map: AddressMap, scratch: Scratch) {
    this.#answers = answers
    this.#map = map
    this.#scratch = scratch
  }

  get count(): number {
    return this.#answers.count
  }

  get isFull(): boolean {
    return this.#answers.isFull
  }

  /** The i-th of those that are put off, or of those that were settled last. */
  at(i: number): InstallRun {
    return this.#runs[i]
  }

  /** False: it is not one read and one install. */
  putOff({ op, block, first, count }: InstallRun): boolean {
    if (op === OP_ZERO_COPY && count > 1) return false
    const offset = op === OP_COPY ? solePieceOffset(block, first) : 0
    if (offset < 0) return false
    const source = op === OP_COPY ? this.#scratch.address : this.#scratch.zeroAddress
    const length = runBytes(block, first, count)
    const index = this.#answers.count
    if (!this.#answers.putOff(op, this.#map.addressIn(block, first), source, length, offset)) return false
    if (index === this.#runs.length) this.#runs.push(createInstallRun(this.#map.layout))
    const run = this.#runs[index]
    run.op = op
    if (run.block !== block) run.block = block
    run.first = first
    run.count = count
    this.bytes += length
    return true
  }

  /** How many of them went well, as AnswerChain.settle has it. */
  settle(beforeInstall: (() => void) | null): number {
    this.bytes = 0
    return this.#answers.settle(beforeInstall)
  }
}
