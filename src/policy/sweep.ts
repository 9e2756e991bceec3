/** A cursor that walks all host pages once, in order: the background fill that several policies share. */
import type { Layout } from '../destination/layout.ts'
import type { Plan } from './plan.ts'

export class Sweep {
  readonly #end: number
  readonly #step: number
  #cursor = 0

  /** @param stepBytes about how much one `next` adds; at least one host page */
  constructor(layout: Layout, stepBytes: number) {
    this.#end = layout.hostPageCount
    this.#step = Math.max(1, Math.floor(stepBytes / Math.min(...layout.blocks.map(({ hostPageSize }) => hostPageSize))))
  }

  /** Adds the next step to the plan; adds nothing when all of memory has been walked. */
  next(plan: Plan): void {
    const count = Math.min(this.#step, this.#end - this.#cursor)
    if (count === 0) return
    plan.add(this.#cursor, count)
    this.#cursor += count
  }
}
