/** What the store keeps of experiments, and under which keys. A cell is two records: what lists show, and all of it. */
import type { RestoreResult } from 'lazyrestore'
import type { SnapshotSource, WorkloadSource } from '../jobs/job.ts'
import type { CellRecord, CellSummary, ExperimentRecord } from '../schemas/experiments.ts'
import type { Figure } from '../schemas/figures.ts'
import type { RecordKey } from '../store/store.ts'
import { cellAt } from './axes.ts'

export type StoredExperiment = Omit<ExperimentRecord, 'done' | 'failed' | 'etaMs'> & {
  /** What the names in the spec meant when it was accepted; workloads in the order of the spec. */
  readonly sources: {
    readonly snapshot: SnapshotSource
    readonly workloads: readonly WorkloadSource[]
    readonly recording: WorkloadSource | null
  }
  /** Cells that have ended, once none runs any more; null: they have to be counted. */
  readonly counts: Counts | null
}

/** A cell that has ended; nothing is stored of others. */
export interface EndedCell {
  readonly state: 'done' | 'failed'
  readonly error: { readonly code: string; readonly message: string } | null
  readonly notes: readonly string[]
  readonly tookMs: number
  readonly endedAt: string
  /** Of its record, those that lists and comparisons show; null: it has none. */
  readonly figures: Figures | null
}

export type Figures = Readonly<Record<Figure, number | null>>

export interface Counts {
  readonly done: number
  readonly failed: number
}

export const EXPERIMENT = 'experiment'
export const experimentKey = (id: string): RecordKey => [EXPERIMENT, id]
/** Of experiments that have not ended: what a server that starts looks for. */
export const LIVE = 'live'
export const liveKey = (id: string): RecordKey => [LIVE, id]
/** Of experiments whose cells are being removed. */
export const REMOVING = 'removing'
export const removingKey = (id: string): RecordKey => [REMOVING, id]
export const endedPrefix = (id: string): RecordKey => ['ended', id]
export const endedKey = (id: string, index: number): RecordKey => ['ended', id, index]
export const resultPrefix = (id: string): RecordKey => ['result', id]
export const resultKey = (id: string, index: number): RecordKey => ['result', id, index]

export function experimentHasEnded({ state }: Pick<StoredExperiment, 'state'>): boolean {
  return state !== 'queued' && state !== 'running'
}

export function endedWith(result: RestoreResult, notes: readonly string[], tookMs: number): EndedCell {
  const { resumeNs, workDoneNs, residentNs, stallNs, faults, bytesRead, slowdown } = result
  const figures = { resumeNs, workDoneNs, residentNs, stallNs: stallNs.total, faults, bytesRead, slowdown }
  return { state: 'done', error: null, notes, tookMs, endedAt: new Date().toISOString(), figures }
}

export function endedBy(error: { code: string; message: string }, tookMs: number): EndedCell {
  return { state: 'failed', error, notes: [], tookMs, endedAt: new Date().toISOString(), figures: null }
}

/** The cell as it is shown. @param ended null: it has not */
export function summaryOf(
  { spec }: StoredExperiment,
  index: number,
  ended: EndedCell | null,
  isRunning: boolean,
): CellSummary {
  const cell = cellAt(spec, index)
  if (ended === null) return { ...cell, ...NOT_ENDED, state: isRunning ? 'running' : 'waiting' }
  const { figures, notes, ...outcome } = ended
  const { resumeNs = null, workDoneNs = null, residentNs = null } = figures ?? {}
  return { ...cell, ...outcome, notes: [...notes], resumeNs, workDoneNs, residentNs }
}

const NOT_ENDED = {
  error: null,
  notes: [],
  tookMs: null,
  endedAt: null,
  resumeNs: null,
  workDoneNs: null,
  residentNs: null,
}

export function cellRecordOf(summary: CellSummary, result: RestoreResult | null): CellRecord {
  const { resumeNs: _r, workDoneNs: _w, residentNs: _f, ...cell } = summary
  return { ...cell, result }
}
