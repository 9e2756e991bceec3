/** A sweep from its spec to its results, in a data directory: begun, or gone on with where it was left. */
import { randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { LazyRestoreError, type RestoreResult, type SweepCell, type SweepSpec } from 'lazyrestore'
import { type EndedCell, endedKey, resultKey } from '../experiments/records.ts'
import { countEnded, removeCells } from '../experiments/recovery.ts'
import { HttpError } from '../http/errors.ts'
import { DEFAULT_LIMITS, type Limits } from '../limits.ts'
import { Store } from '../store/store.ts'
import type { CellExecutor } from './executor.ts'
import { LocalExecutor } from './local.ts'
import { PlannedCells, planSweep, type SweepPlan } from './plan.ts'
import { type StoredSweep, sweepKey } from './records.ts'
import { parseRedisUrl, type RedisAddress } from './redis/connection.ts'
import { keepCells, type SweepProgress, SweepRun } from './run.ts'

export interface SweepOptions {
  /** Where results are kept; made if it is missing. */
  readonly dataDirectory: string
  /** Forget what an earlier run of the same sweep has done. */
  readonly fresh?: boolean
  readonly limits?: Limits
  /** What the spec is called in messages, such as its file; its name when not given. */
  readonly where?: string
}

export interface SweepWork {
  readonly signal: AbortSignal
  readonly onProgress?: (progress: SweepProgress, workers: string) => void
  /** Restores at a time on this machine; as many as it has cores when not given. */
  readonly threads?: number
  /** Have workers on Redis do the cells instead. */
  readonly redis?: string
}

/** A cell with what it came to; null: it has not ended, or failed. */
export interface SweepRow {
  readonly cell: SweepCell
  readonly ended: EndedCell | null
  readonly result: RestoreResult | null
}

export class Sweep {
  readonly plan: SweepPlan
  readonly cells: PlannedCells
  readonly #store: Store
  readonly #limits: Limits
  #stored: StoredSweep

  private constructor(plan: SweepPlan, cells: PlannedCells, store: Store, stored: StoredSweep, limits: Limits) {
    this.plan = plan
    this.cells = cells
    this.#store = store
    this.#stored = stored
    this.#limits = limits
  }

  /** @throws LazyRestoreError for a spec or directory that cannot be used, `mismatch` for cells of another version */
  static async open(spec: SweepSpec, options: SweepOptions): Promise<Sweep> {
    const { dataDirectory, fresh = false, where = spec.name, limits = DEFAULT_LIMITS } = options
    const plan = await planSweep(spec, where)
    const cells = new PlannedCells(plan)
    const store = Store.open(dataDirectory)
    try {
      if (fresh) await removeCells(store, plan.id)
      const known = store.get<StoredSweep>(sweepKey(plan.id))
      const { done, failed } = countEnded(store, plan.id)
      if (known !== null && known.plan.version !== plan.version && done + failed > 0) {
        throw new LazyRestoreError(
          'mismatch',
          `${dataDirectory}: found cells of this sweep by version ${known.plan.version}, expected ${plan.version}; --fresh does them again`,
        )
      }
      const startedAt = known?.startedAt ?? new Date().toISOString()
      const stored = { plan, cells: cells.count, state: 'interrupted', startedAt, endedAt: null } as const
      return new Sweep(plan, cells, store, { ...stored, run: known?.run ?? null }, limits)
    } catch (error) {
      await store.close()
      throw error
    }
  }

  /** Cells that have ended so far, in this run and in earlier ones. */
  get counts(): { readonly done: number; readonly failed: number } {
    return countEnded(this.#store, this.plan.id)
  }

  /**
   * Does what has no result yet. Returns false when the signal stopped it before the end; it can be gone on with then.
   * @throws LazyRestoreError `io` when Redis is gone or the disk is full
   */
  async work({ signal, onProgress, threads, redis }: SweepWork): Promise<boolean> {
    const address = redis === undefined ? null : parseRedisUrl(redis)
    if (this.#stored.run !== null && address !== null) await this.#takeLeftOver(address, this.#stored.run)
    const { done, failed } = this.counts
    if (done + failed === this.cells.count) return this.#end('done')
    const run = address === null ? null : `${this.plan.id}-${randomBytes(4).toString('hex')}`
    await this.#put({ state: 'running', endedAt: null, run })
    const executor = await this.#executor(address, run, threads)
    try {
      const { id } = this.plan
      const report = (progress: SweepProgress): void => onProgress?.(progress, executor.describe())
      const options = { id, cells: this.cells.count, store: this.#store, executor, signal, onProgress: report }
      const finished = await new SweepRun(options).finish()
      return await this.#end(finished ? 'done' : 'interrupted')
    } catch (cause) {
      throw cause instanceof HttpError ? new LazyRestoreError('io', cause.message, { cause }) : cause
    } finally {
      if (run !== null) await this.#keepLeftOver(executor)
      await executor.close()
    }
  }

  *rows(): Generator<SweepRow> {
    const { id } = this.plan
    for (let index = 0; index < this.cells.count; index++) {
      const ended = this.#store.get<EndedCell>(endedKey(id, index))
      const result = ended === null ? null : this.#store.get<RestoreResult>(resultKey(id, index))
      yield { cell: this.cells.at(index), ended, result }
    }
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  async #executor(address: RedisAddress | null, run: string | null, threads?: number): Promise<CellExecutor> {
    if (address === null || run === null) {
      const isReal = this.plan.spec.engine !== 'sim'
      return new LocalExecutor(this.cells, isReal, threads ?? availableParallelism(), this.#limits)
    }
    const { RedisExecutor } = await import('./redis/coordinator.ts')
    return RedisExecutor.open(address, run, this.plan)
  }

  /** What workers had done when the last run ended, however it did. */
  async #takeLeftOver(address: RedisAddress, run: string): Promise<void> {
    const { takeLeftOver } = await import('./redis/coordinator.ts')
    for (const [batch, ended] of await takeLeftOver(address, run)) {
      await keepCells(this.#store, this.plan.id, batch, ended)
    }
    await this.#put({ run: null })
  }

  async #keepLeftOver(executor: CellExecutor): Promise<void> {
    for (const [batch, ended] of (await executor.leftOver?.()) ?? []) {
      await keepCells(this.#store, this.plan.id, batch, ended)
    }
  }

  async #end(state: 'done' | 'interrupted'): Promise<boolean> {
    await this.#put({ state, endedAt: new Date().toISOString(), run: null })
    return state === 'done'
  }

  async #put(change: Partial<StoredSweep>): Promise<void> {
    this.#stored = { ...this.#stored, ...change }
    await this.#store.commit({ put: [[sweepKey(this.plan.id), this.#stored]] })
  }
}
