/** Experiments: accepts them, runs them, keeps them; after a restart it finds them as they were. */
import type { RestoreResult } from 'lazyrestore'
import { HttpError } from '../http/errors.ts'
import { createId } from '../ids.ts'
import type { JobPool } from '../jobs/pool.ts'
import type { Limits } from '../limits.ts'
import type { PageQuery } from '../schemas/common.ts'
import type {
  CellPage,
  CellQuery,
  CellRecord,
  ExperimentComparison,
  ExperimentRecord,
  NewExperiment,
} from '../schemas/experiments.ts'
import type { MemoryMap, WindowQuery } from '../schemas/snapshots.ts'
import type { SnapshotRegistry } from '../snapshots/registry.ts'
import { type ListPage, pageOfRecords } from '../store/paging.ts'
import type { Store } from '../store/store.ts'
import type { TraceRegistry } from '../traces/registry.ts'
import { completeSpec, countCells, layoutsOf, storagesOf } from './axes.ts'
import { type ComparedExperiment, compareExperiments } from './comparison.ts'
import { Feed } from './feed.ts'
import {
  type Counts,
  cellRecordOf,
  type EndedCell,
  EXPERIMENT,
  endedKey,
  experimentHasEnded,
  experimentKey,
  liveKey,
  removingKey,
  resultKey,
  type StoredExperiment,
  summaryOf,
} from './records.ts'
import { countEnded, recoverExperiments, removeCells } from './recovery.ts'
import { cellSpecOf, ExperimentRun, type StopReason } from './run.ts'
import { Scheduler } from './scheduler.ts'

const DEFAULT_CELLS = 100
const DEFAULT_MAP_CELLS = 4096
const RETRY_AFTER_S = 10
const MS_BETWEEN_RECORDS = 200

export interface ExperimentParts {
  readonly store: Store
  readonly pool: JobPool
  readonly snapshots: SnapshotRegistry
  readonly traces: TraceRegistry
  readonly limits: Limits
  readonly cellThreads: number
}

export class ExperimentService {
  readonly feed = new Feed()
  readonly #parts: ExperimentParts
  readonly #scheduler: Scheduler
  readonly #runs = new Map<string, ExperimentRun>()
  readonly #publishedMs = new Map<string, number>()
  #closed = false
  /** Cells that have ended since the start. */
  readonly ended = { done: 0, failed: 0 }

  private constructor(parts: ExperimentParts) {
    this.#parts = parts
    this.#scheduler = new Scheduler(parts.cellThreads)
  }

  /** Marks what the last server left in the middle. */
  static async open(parts: ExperimentParts): Promise<ExperimentService> {
    await recoverExperiments(parts.store)
    return new ExperimentService(parts)
  }

  /** Cells that wait or run. */
  get cellsLeft(): number {
    let left = 0
    for (const run of this.#runs.values()) left += run.left
    return left
  }

  get running(): number {
    return this.#scheduler.running
  }

  async create(request: NewExperiment): Promise<ExperimentRecord> {
    const { snapshots, traces, pool } = this.#parts
    const sources = {
      snapshot: snapshots.resolve(request.snapshot),
      workloads: request.workloads.map(name => traces.resolve(name)),
      recording: request.recording === undefined ? null : traces.resolve(request.recording),
    }
    this.#expectRoom(1)
    const policies = await pool.run<'check'>({
      kind: 'check',
      check: {
        ...sources,
        layouts: layoutsOf(request),
        policies: request.policies ?? null,
        storages: storagesOf(request),
        engine: request.engine ?? 'sim',
        profile: request.profile ?? null,
      },
    })
    const spec = completeSpec(request, policies)
    const name = request.name ?? `${request.snapshot}, ${request.workloads[0]}`
    return this.#start({ name, spec, sources, rerunOf: null })
  }

  async rerun(id: string): Promise<ExperimentRecord> {
    const { name, spec, sources } = this.#require(id)
    return this.#start({ name, spec, sources, rerunOf: id })
  }

  async resume(id: string): Promise<ExperimentRecord> {
    const experiment = this.#require(id)
    if (!experimentHasEnded(experiment)) throw new HttpError('conflict', 'experiment: found it running')
    const counts = countEnded(this.#parts.store, id)
    const left = experiment.cells - counts.done - counts.failed
    if (left === 0) throw new HttpError('conflict', 'experiment: found no cell left, expected some without a result')
    this.#expectRoom(left)
    const resumed = { ...experiment, state: 'running' as const, endedAt: null, counts: null }
    await this.#parts.store.commit({
      put: [
        [experimentKey(id), resumed],
        [liveKey(id), true],
      ],
    })
    return this.#launch(resumed, counts)
  }

  async cancel(id: string): Promise<ExperimentRecord> {
    this.#require(id)
    await this.#stopRun(id, 'cancelled')
    return this.get(id)
  }

  async remove(id: string): Promise<void> {
    this.#require(id)
    await this.#stopRun(id, 'cancelled')
    const { store } = this.#parts
    await store.commit({ put: [[removingKey(id), true]], remove: [experimentKey(id), liveKey(id)] })
    await removeCells(store, id)
  }

  get(id: string): ExperimentRecord {
    return this.#show(this.#require(id))
  }

  list(query: PageQuery): ListPage<ExperimentRecord> {
    return pageOfRecords<StoredExperiment, ExperimentRecord>(this.#parts.store, EXPERIMENT, query, stored =>
      this.#show(stored),
    )
  }

  cells(id: string, { from = 0, limit = DEFAULT_CELLS }: CellQuery): CellPage {
    const experiment = this.#require(id)
    const end = Math.min(experiment.cells, from + limit)
    const items: CellRecord[] = []
    for (let index = from; index < end; index++) items.push(this.#cell(experiment, index))
    return { items, next: end < experiment.cells ? end : null }
  }

  cell(id: string, index: number): CellRecord {
    return this.#cell(this.#require(id, index), index)
  }

  /** The records of all cells that have one, in order. */
  *results(id: string): Generator<RestoreResult> {
    const { cells } = this.#require(id)
    for (let index = 0; index < cells; index++) {
      const result = this.#parts.store.get<RestoreResult>(resultKey(id, index))
      if (result !== null) yield result
    }
  }

  compare(a: string, b: string): ExperimentComparison {
    return { a: this.get(a), b: this.get(b), ...compareExperiments(this.#compared(a), this.#compared(b)) }
  }

  map(id: string, index: number, { from = 0, count, cells = DEFAULT_MAP_CELLS }: WindowQuery): Promise<MemoryMap> {
    const experiment = this.#require(id, index)
    if (experiment.spec.engine !== 'sim') {
      throw new HttpError(
        'unsupported',
        `map: found engine ${experiment.spec.engine}, expected sim, which knows each page`,
      )
    }
    const window = { from, count: count ?? null, cells }
    return this.#parts.pool.run<'map'>({ kind: 'map', cell: cellSpecOf(experiment, index), window })
  }

  /** Leaves what runs to be resumed. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#runs.keys()].map(id => this.#stopRun(id, 'interrupted')))
  }

  async #start(given: Pick<StoredExperiment, 'name' | 'spec' | 'sources' | 'rerunOf'>): Promise<ExperimentRecord> {
    const cells = countCells(given.spec)
    const { experimentCells } = this.#parts.limits
    if (cells > experimentCells) {
      throw new HttpError('limit', `experiment: found ${cells} cells, expected at most ${experimentCells}`)
    }
    this.#expectRoom(cells)
    const now = new Date().toISOString()
    const experiment: StoredExperiment = {
      id: createId('exp'),
      ...given,
      state: 'running',
      cells,
      createdAt: now,
      startedAt: now,
      endedAt: null,
      counts: null,
    }
    const { id } = experiment
    await this.#parts.store.commit({
      put: [
        [experimentKey(id), experiment],
        [liveKey(id), true],
      ],
    })
    return this.#launch(experiment, { done: 0, failed: 0 })
  }

  #launch(experiment: StoredExperiment, counts: Counts): ExperimentRecord {
    const { id } = experiment
    const { store, pool } = this.#parts
    const run = new ExperimentRun(experiment, counts, store, pool, {
      onCell: (index, ended) => this.#onCell(experiment, index, ended),
      onEnd: reason => void this.#onEnd(experiment, reason),
    })
    this.#runs.set(id, run)
    const record = this.#show(experiment)
    this.feed.publish(id, { event: 'experiment', data: record })
    this.#scheduler.add(run)
    return record
  }

  #onCell(experiment: StoredExperiment, index: number, ended: EndedCell): void {
    const { id } = experiment
    this.ended[ended.state]++
    this.feed.publish(id, { event: 'cell', data: summaryOf(experiment, index, ended, false) })
    const nowMs = performance.now()
    if (nowMs - (this.#publishedMs.get(id) ?? 0) < MS_BETWEEN_RECORDS) return
    this.#publishedMs.set(id, nowMs)
    this.feed.publish(id, { event: 'experiment', data: this.#show(experiment) })
  }

  async #onEnd(experiment: StoredExperiment, state: 'done' | StopReason): Promise<void> {
    const { id } = experiment
    this.#scheduler.remove(id)
    const { done, failed } = this.#runs.get(id)!
    const ended = { ...experiment, state, counts: { done, failed }, endedAt: new Date().toISOString() }
    // A disk that is full by now leaves it running in the store, which the next start takes for interrupted.
    await this.#parts.store.commit({ put: [[experimentKey(id), ended]], remove: [liveKey(id)] }).catch(() => {})
    this.#runs.delete(id)
    this.#publishedMs.delete(id)
    this.feed.publish(id, { event: 'experiment', data: this.#show(ended) })
  }

  /** Returns when nothing of it runs any more and its state is stored. */
  async #stopRun(id: string, reason: StopReason): Promise<void> {
    const run = this.#runs.get(id)
    if (run === undefined) return
    await new Promise<void>(resolve => {
      const end = this.feed.watch(id, ({ event, data }) => {
        if (event !== 'experiment' || !experimentHasEnded(data)) return
        end()
        resolve()
      })
      run.stop(reason)
    })
  }

  #cell(experiment: StoredExperiment, index: number): CellRecord {
    const { store } = this.#parts
    const { id } = experiment
    const ended = store.get<EndedCell>(endedKey(id, index))
    const isRunning = this.#runs.get(id)?.running.has(index) ?? false
    const result = ended === null ? null : store.get<RestoreResult>(resultKey(id, index))
    return cellRecordOf(summaryOf(experiment, index, ended, isRunning), result)
  }

  #compared(id: string): ComparedExperiment {
    const { spec, cells } = this.#require(id)
    return { spec, cells, figures: index => this.#parts.store.get<EndedCell>(endedKey(id, index))?.figures ?? null }
  }

  #show({ sources: _sources, counts, ...stored }: StoredExperiment): ExperimentRecord {
    const run = this.#runs.get(stored.id)
    if (run === undefined) {
      // A server that could not store its end has left it so; nothing runs.
      const state = experimentHasEnded(stored) ? stored.state : 'interrupted'
      return { ...stored, state, ...(counts ?? countEnded(this.#parts.store, stored.id)), etaMs: null }
    }
    const { done, failed, left, ended, startedMs } = run
    const etaMs = ended === 0 ? null : ((performance.now() - startedMs) / ended) * left
    return { ...stored, state: done + failed + run.running.size === 0 ? 'queued' : 'running', done, failed, etaMs }
  }

  #expectRoom(cells: number): void {
    const { queuedCells } = this.#parts.limits
    if (this.#closed) throw new HttpError('busy', 'the server is stopping', { retryAfterS: RETRY_AFTER_S })
    if (this.cellsLeft + cells <= queuedCells) return
    throw new HttpError(
      'busy',
      `experiment: found ${this.cellsLeft} cells waiting, expected at most ${queuedCells} with these`,
      {
        retryAfterS: RETRY_AFTER_S,
      },
    )
  }

  #require(id: string, index = 0): StoredExperiment {
    const experiment = this.#parts.store.get<StoredExperiment>(experimentKey(id))
    if (experiment === null) throw new HttpError('not-found', 'experiment: found none of this id')
    if (index < experiment.cells) return experiment
    throw new HttpError('not-found', `cell: found ${index}, expected 0 to ${experiment.cells - 1}`)
  }
}
