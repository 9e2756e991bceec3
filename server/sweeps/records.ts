/**
 * What the store keeps of a sweep, beside its cells, which are kept as those of experiments are: `endedKey` and `resultKey`
 * of the sweep's id and the cell's index.
 */
import type { RecordKey } from '../store/store.ts'
import type { SweepPlan } from './plan.ts'

export interface StoredSweep {
  readonly plan: SweepPlan
  readonly cells: number
  readonly state: 'running' | 'done' | 'interrupted'
  readonly startedAt: string
  readonly endedAt: string | null
  /** Under which name it is on Redis while machines work on it; null: they do not. */
  readonly run: string | null
}

export const SWEEP = 'sweep'
export const sweepKey = (id: string): RecordKey => [SWEEP, id]
