/** Threads of this machine. */
import { LazyRestoreError } from 'lazyrestore'
import { HttpError } from '../http/errors.ts'
import { type EndedBatch, unpackBatch } from '../jobs/ended-batch.ts'
import type { EndedCellBytes } from '../jobs/job.ts'
import type { JobPool } from '../jobs/pool.ts'
import type { Limits } from '../limits.ts'
import { BatchLost, type CellExecutor } from './executor.ts'
import type { PlannedCells } from './plan.ts'
import { sweepPool } from './throughput.ts'

export class LocalExecutor implements CellExecutor {
  readonly width: number
  readonly batchCells: number | null
  readonly #cells: PlannedCells
  readonly #pool: JobPool
  readonly #threads: number

  /** @param isReal the cells are restored for real: one at a time, so that they do not disturb each other */
  constructor(cells: PlannedCells, isReal: boolean, threads: number, limits: Limits) {
    this.#cells = cells
    this.#pool = sweepPool(threads, limits)
    this.#threads = isReal ? 1 : threads
    // The next batch waits at hand when a thread is done with one.
    this.width = isReal ? 1 : 2 * threads
    this.batchCells = isReal ? 1 : null
  }

  get lanes(): number {
    return this.width
  }

  async run(batch: readonly number[], signal: AbortSignal): Promise<readonly EndedCellBytes[]> {
    return unpackBatch(await runOnPool(this.#pool, this.#cells, batch, signal))
  }

  describe(): string {
    return `${this.#threads} ${this.#threads === 1 ? 'thread' : 'threads'}`
  }

  close(): Promise<void> {
    return this.#pool.close()
  }
}

/** @throws BatchLost, or the signal's reason */
export async function runOnPool(
  pool: JobPool,
  cells: PlannedCells,
  batch: readonly number[],
  signal: AbortSignal,
): Promise<EndedBatch> {
  try {
    const specs = batch.map(index => cells.spec(index))
    return await pool.run<'cells'>({ kind: 'cells', cells: specs, rehearsal: cells.rehearsal }, signal)
  } catch (error) {
    if (signal.aborted) throw signal.reason
    const { message } = error as Error
    if (error instanceof LazyRestoreError || error instanceof HttpError) throw new BatchLost(error.code, message)
    throw new BatchLost('internal', message)
  }
}
