/** The recorded working set, as policies plan it that read its contents from a working-set file. */
import { testBit } from '../core/bitmap.ts'
import { LazyRestoreError } from '../core/error.ts'
import { blockOfHostPage, type Layout } from '../destination/layout.ts'
import { FROM_SNAPSHOT, type Plan } from './plan.ts'
import type { PolicyContext } from './policy.ts'

/** @throws LazyRestoreError `usage` when nothing was recorded */
export function requireWorkingSet({ workingSet }: PolicyContext, policy: string): Uint32Array {
  if (workingSet !== null) return workingSet
  throw new LazyRestoreError('usage', `policy ${policy}: found no recorded working set, expected one`)
}

/**
 * Hands out the recorded pages, each with its place in the working-set file. A plan covers a stretch of the recording: first
 * its zero pages, which cost no read, then its data, so that the data's bytes lie side by side and come with large reads.
 */
export class RecordedPages {
  readonly #layout: Layout
  readonly #pages: Uint32Array
  readonly #readBytes: number
  #cursor = 0
  #fileOffset = 0

  constructor(layout: Layout, pages: Uint32Array, readBytes: number) {
    this.#layout = layout
    this.#pages = pages
    this.#readBytes = readBytes
  }

  /** Fills the plan with the next stretch; neighbours in order become one run. */
  next(plan: Plan): void {
    const dataRuns: number[] = []
    for (let runs = 0; this.#cursor < this.#pages.length && runs < plan.capacity; runs++) {
      const at = this.#cursor
      this.#cursor += this.#runLength(at)
      if (this.#hasData(at)) dataRuns.push(at)
      else plan.add(this.#pages[at], this.#cursor - at, FROM_SNAPSHOT)
    }
    for (const at of dataRuns) {
      const count = this.#runLength(at)
      plan.add(this.#pages[at], count, this.#fileOffset)
      this.#fileOffset += count * blockOfHostPage(this.#layout, this.#pages[at]).hostPageSize
    }
  }

  #hasData(at: number): boolean {
    return testBit(this.#layout.hasData, this.#pages[at])
  }

  /** Pages from `at` on that follow each other in memory too, in one block and of one content; at most what one read brings. */
  #runLength(at: number): number {
    const first = this.#pages[at]
    const { endHostPage, hostPageSize } = blockOfHostPage(this.#layout, first)
    const end = Math.min(endHostPage, first + Math.max(1, Math.floor(this.#readBytes / hostPageSize)))
    const data = this.#hasData(at)
    let count = 1
    while (this.#pages[at + count] === first + count && first + count < end && this.#hasData(at + count) === data) {
      count++
    }
    return count
  }
}
