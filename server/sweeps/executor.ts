/** Who does the cells of a sweep: threads of this machine, or workers on others. */
import type { EndedCellBytes } from '../jobs/job.ts'

export interface CellExecutor {
  /** Batches that it wants to have at a time, so that none of its workers waits for the next. */
  readonly width: number
  /** Batches that are worked on at a time, as far as is known: of what is left towards the end, each should have some. */
  readonly lanes: number
  /** Cells in a batch; null: as many as are worth a job. */
  readonly batchCells: number | null
  /**
   * Does the cells of a batch, and returns their ends in the same order.
   * @throws BatchLost when the batch as a whole came to nothing: another one may still be done. Everything else ends the sweep.
   */
  run(batch: readonly number[], signal: AbortSignal): Promise<readonly EndedCellBytes[]>
  /** Who works, for the line of progress. */
  describe(): string
  /** What workers have done that `run` has not returned, as it was stopped. */
  leftOver?(): Promise<readonly (readonly [batch: readonly number[], ended: readonly EndedCellBytes[]])[]>
  close(): Promise<void>
}

/** A thread that ran out of memory, a process that died, a cell that took too long, a worker that did not come back. */
export class BatchLost extends Error {
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}
