/**
 * What lies on Redis while machines work on a sweep. A run is one attempt at it by one coordinator: it has a queue of its own,
 * whose jobs are batches of indexes, and a hash of results by job, in which a job's first result stays.
 */
import type { EndedCellBytes } from '../../jobs/job.ts'
import type { SweepPlan } from '../plan.ts'

export const PREFIX = 'lazyrestore'
/** Hash: run -> Announcement as JSON. */
export const RUNS = `${PREFIX}:runs`
/** There as long as the run's coordinator is. */
export const aliveKey = (run: string): string => `${PREFIX}:alive:${run}`
/** Hash: job -> BatchResult, as `encodeBatch` makes it. */
export const resultsKey = (run: string): string => `${PREFIX}:results:${run}`
export const queueOf = (run: string): string => `cells-${run}`

/** What BullMQ's workers write on their own, job or not. */
export const queueKeys = (run: string): string[] =>
  ['meta', 'events', 'stalled-check'].map(name => `${PREFIX}:${queueOf(run)}:${name}`)

export const ALIVE_S = 30
/** What nobody fetches goes at last. */
export const RESULTS_S = 7 * 24 * 3600

export interface Announcement {
  readonly version: string
  readonly plan: SweepPlan
}

export interface BatchJob {
  readonly batch: readonly number[]
}

export type BatchResult = readonly [batch: readonly number[], ended: readonly EndedCellBytes[]]
