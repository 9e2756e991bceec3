/** An experiment under way: hands out its cells, stores what they end with, and says when it is over. */
import { LazyRestoreError } from 'lazyrestore'
import { HttpError, isDiskFull } from '../http/errors.ts'
import type { CellOutcome, CellSpec } from '../jobs/job.ts'
import type { JobPool } from '../jobs/pool.ts'
import type { Store } from '../store/store.ts'
import { cellAt } from './axes.ts'
import { type EndedCell, endedBy, endedKey, endedWith, resultKey, type StoredExperiment } from './records.ts'
import type { Lane } from './scheduler.ts'

/** Why a run has ended before its last cell. */
export type StopReason = 'cancelled' | 'interrupted'

export interface RunEvents {
  onCell(index: number, ended: EndedCell): void
  /** All cells have ended, or what was running when it was stopped has. */
  onEnd(reason: 'done' | StopReason): void
}

class Stopped extends Error {}

export class ExperimentRun implements Lane {
  readonly id: string
  readonly runsAlone: boolean
  readonly startedMs = performance.now()
  readonly running = new Set<number>()
  done: number
  failed: number
  /** Cells that ended in this run: what its pace is taken from. */
  ended = 0
  readonly #experiment: StoredExperiment
  readonly #store: Store
  readonly #pool: JobPool
  readonly #events: RunEvents
  readonly #stop = new AbortController()
  #reason: StopReason | null = null
  #next = 0

  constructor(
    experiment: StoredExperiment,
    counts: { done: number; failed: number },
    store: Store,
    pool: JobPool,
    events: RunEvents,
  ) {
    this.id = experiment.id
    this.runsAlone = experiment.spec.engine !== 'sim'
    this.done = counts.done
    this.failed = counts.failed
    this.#experiment = experiment
    this.#store = store
    this.#pool = pool
    this.#events = events
  }

  /** Cells that have not ended. */
  get left(): number {
    return this.#experiment.cells - this.done - this.failed
  }

  /** Starts nothing more and ends what runs. */
  stop(reason: StopReason): void {
    if (this.#reason !== null) return
    this.#reason = reason
    this.#stop.abort(new Stopped())
    if (this.running.size === 0) this.#events.onEnd(reason)
  }

  next(): Promise<void> | null {
    const { cells } = this.#experiment
    while (this.#next < cells && this.#store.has(endedKey(this.id, this.#next))) this.#next++
    if (this.#next === cells || this.#reason !== null) return null
    const index = this.#next++
    this.running.add(index)
    return this.#run(index)
  }

  async #run(index: number): Promise<void> {
    const startMs = performance.now()
    try {
      const outcome = await this.#pool.run<'cell'>({ kind: 'cell', cell: this.#cell(index) }, this.#stop.signal)
      await this.#keep(index, endedWith(outcome.result, outcome.notes, outcome.tookMs), outcome)
    } catch (error) {
      await this.#fail(index, error, performance.now() - startMs)
    }
    this.running.delete(index)
    if (this.running.size > 0) return
    if (this.#reason !== null) this.#events.onEnd(this.#reason)
    else if (this.left === 0) this.#events.onEnd('done')
  }

  async #fail(index: number, error: unknown, tookMs: number): Promise<void> {
    if (error instanceof Stopped || this.#reason !== null) return
    if (isFull(error)) return this.stop('interrupted')
    try {
      await this.#keep(index, endedBy(reasonOf(error), tookMs), null)
    } catch {
      this.stop('interrupted')
    }
  }

  /** Both records or none: a cell has ended when this returns, and then for good. */
  async #keep(index: number, ended: EndedCell, outcome: CellOutcome | null): Promise<void> {
    const put = [[endedKey(this.id, index), ended] as const]
    const result = outcome === null ? [] : [[resultKey(this.id, index), outcome.result] as const]
    await this.#store.commit({ put: [...put, ...result] })
    if (ended.state === 'done') this.done++
    else this.failed++
    this.ended++
    this.#events.onCell(index, ended)
  }

  #cell(index: number): CellSpec {
    return cellSpecOf(this.#experiment, index)
  }
}

/** The restore of a cell, as a worker wants it. */
export function cellSpecOf({ spec, sources }: StoredExperiment, index: number): CellSpec {
  const { policy, workload, storage, layout, seed } = cellAt(spec, index)
  const { engine, fixedNs, profile } = spec
  const { snapshot, recording } = sources
  const source = sources.workloads[spec.workloads.indexOf(workload)]
  return { snapshot, layout, policy, workload: source, storage, engine, seed, fixedNs, recording, profile }
}

function isFull(error: unknown): boolean {
  return isDiskFull(error) || (error instanceof HttpError && error.code === 'full')
}

function reasonOf(error: unknown): { code: string; message: string } {
  if (error instanceof LazyRestoreError || error instanceof HttpError)
    return { code: error.code, message: error.message }
  return { code: 'internal', message: 'the server failed; its log says why' }
}
