/** How fast a sweep goes: what the end is estimated from, and how many cells make a batch that is worth its job. */

/** Work in a batch: what hands it out and stores it costs some ms. */
const BATCH_MS = 300
/** What the last batches have at least: more of them cost more than they spread. */
const LAST_BATCH_MS = 100
const MAX_BATCH_CELLS = 512
/** The first cells of a thread are slow, as their code is being compiled. */
const FIRST_BATCH_CELLS = 2
/** Weight of the latest cell in the mean time of one. */
const WEIGHT = 0.05

export class Pace {
  readonly #startMs = performance.now()
  #meanMs: number | null = null
  #ended = 0

  took(ms: number): void {
    this.#meanMs = this.#meanMs === null ? ms : this.#meanMs + WEIGHT * (ms - this.#meanMs)
  }

  ended(cells: number): void {
    this.#ended += cells
  }

  /** So many that a batch has enough work, and that towards the end all have some. @param lanes batches that are worked on at a time */
  batchCells(left: number, lanes: number): number {
    if (this.#meanMs === null) return FIRST_BATCH_CELLS
    const meanMs = Math.max(0.01, this.#meanMs)
    const share = Math.max(left / (2 * lanes), LAST_BATCH_MS / meanMs)
    return Math.max(1, Math.min(left, MAX_BATCH_CELLS, Math.floor(BATCH_MS / meanMs), Math.ceil(share)))
  }

  estimate(left: number): { ended: number; perS: number | null; etaMs: number | null } {
    const elapsedMs = performance.now() - this.#startMs
    if (this.#ended === 0) return { ended: 0, perS: null, etaMs: null }
    return { ended: this.#ended, perS: (this.#ended * 1000) / elapsedMs, etaMs: (elapsedMs / this.#ended) * left }
  }
}
