/** A cursor that walks all host pages once, in order: the background fill that several policies share. */
import { blockOfHostPage, type Layout } from '../destination/layout.ts'
import { FILL, type Plan } from './plan.ts'

export class Sweep {
  readonly #layout: Layout
  readonly #stepBytes: number
  #cursor = 0

  /** @param stepBytes about how much one `next` adds; at least one host page, and never of two blocks */
  constructor(layout: Layout, stepBytes: number) {
    this.#layout = layout
    this.#stepBytes = stepBytes
  }

  /** Adds the next step to the plan; adds nothing when all of memory has been walked. */
  next(plan: Plan): void {
    if (this.#cursor === this.#layout.hostPageCount) return
    const { endHostPage, hostPageSize } = blockOfHostPage(this.#layout, this.#cursor)
    const step = Math.max(1, Math.floor(this.#stepBytes / hostPageSize))
    const count = Math.min(step, endHostPage - this.#cursor)
    plan.add(this.#cursor, count, FILL)
    this.#cursor += count
  }
}
