/**
 * A sweep under way: hands out what has no result yet in batches, stores what comes back, and says how far it is. A cell is
 * stored once, under its index, whoever did it and how often; what is stored is never done again.
 */

import { setMaxListeners } from 'node:events'
import { endedKey, resultKey } from '../experiments/records.ts'
import { countEnded } from '../experiments/recovery.ts'
import type { EndedCellBytes } from '../jobs/job.ts'
import { failedCell } from '../jobs/run-cells.ts'
import type { Store } from '../store/store.ts'
import { BatchLost, type CellExecutor } from './executor.ts'
import { Pace } from './pace.ts'

export interface SweepProgress {
  readonly cells: number
  readonly done: number
  readonly failed: number
  /** Of them, those of this run. */
  readonly ended: number
  readonly perS: number | null
  /** At the pace so far; null: not known yet. */
  readonly etaMs: number | null
}

export interface SweepRunOptions {
  readonly id: string
  readonly cells: number
  readonly store: Store
  readonly executor: CellExecutor
  readonly signal: AbortSignal
  readonly onProgress?: (progress: SweepProgress) => void
}

export class SweepRun {
  readonly #options: SweepRunOptions
  readonly #pace = new Pace()
  /** Cells of batches that came to nothing, each on its own, so that one which takes its worker along is found. */
  readonly #again: number[] = []
  readonly #stop = new AbortController()
  #next = 0
  #done: number
  #failed: number

  constructor(options: SweepRunOptions) {
    this.#options = options
    const { done, failed } = countEnded(options.store, options.id)
    this.#done = done
    this.#failed = failed
  }

  get progress(): SweepProgress {
    const { cells } = this.#options
    const left = cells - this.#done - this.#failed
    return { cells, done: this.#done, failed: this.#failed, ...this.#pace.estimate(left) }
  }

  /**
   * Returns whether all cells have ended; false when the signal stopped it.
   * @throws what has ended it otherwise: a disk that is full, a Redis that is gone
   */
  async finish(): Promise<boolean> {
    const { executor, signal } = this.#options
    // Every batch that is under way listens to it.
    setMaxListeners(0, this.#stop.signal)
    const stop = (): void => this.#stop.abort(signal.reason)
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    let failure: { readonly error: unknown } | null = null
    const lane = async (): Promise<void> => {
      try {
        for (let batch = this.#take(); batch !== null; batch = this.#take()) await this.#do(batch)
      } catch (error) {
        if (!signal.aborted) failure ??= { error }
        this.#stop.abort(error)
      }
    }
    await Promise.all(Array.from({ length: executor.width }, lane))
    // A lane that had nothing left to do may have ended before another one's batch was lost.
    await lane()
    signal.removeEventListener('abort', stop)
    if (failure !== null) throw (failure as { error: unknown }).error
    return !signal.aborted
  }

  /** The next cells without a result; null: there are none, or it is stopped. */
  #take(): readonly number[] | null {
    if (this.#stop.signal.aborted) return null
    const again = this.#again.pop()
    if (again !== undefined) return [again]
    const { id, cells, store, executor } = this.#options
    const left = cells - this.#next
    const most = executor.batchCells ?? this.#pace.batchCells(left, executor.lanes)
    const batch: number[] = []
    for (; this.#next < cells && batch.length < most; this.#next++) {
      if (!store.has(endedKey(id, this.#next))) batch.push(this.#next)
    }
    return batch.length === 0 ? null : batch
  }

  async #do(batch: readonly number[]): Promise<void> {
    try {
      const ended = await this.#options.executor.run(batch, this.#stop.signal)
      for (const { tookMs } of ended) this.#pace.took(tookMs)
      await this.#keep(batch, ended)
    } catch (error) {
      if (!(error instanceof BatchLost)) throw error
      if (batch.length > 1) this.#again.push(...batch)
      else await this.#keep(batch, [failedCell({ code: error.code, message: error.message }, 0)])
    }
  }

  async #keep(batch: readonly number[], ended: readonly EndedCellBytes[]): Promise<void> {
    const counts = await keepCells(this.#options.store, this.#options.id, batch, ended)
    this.#done += counts.done
    this.#failed += counts.failed
    this.#pace.ended(counts.done + counts.failed)
    this.#options.onProgress?.(this.progress)
  }
}

/** Stores the ends of cells, but of those that have one. Returns how many were new. */
export async function keepCells(
  store: Store,
  id: string,
  batch: readonly number[],
  ended: readonly EndedCellBytes[],
): Promise<{ done: number; failed: number }> {
  const counts = { done: 0, failed: 0 }
  const putEncoded: (readonly [ReturnType<typeof endedKey>, Uint8Array])[] = []
  for (const [i, index] of batch.entries()) {
    const cell = ended[i]
    if (store.has(endedKey(id, index))) continue
    counts[cell.state]++
    putEncoded.push([endedKey(id, index), cell.ended])
    if (cell.result !== null) putEncoded.push([resultKey(id, index), cell.result])
  }
  if (putEncoded.length > 0) await store.commit({ putEncoded })
  return counts
}
