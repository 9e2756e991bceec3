/** Work that is done off the event loop, as plain data: what goes to a worker, and what comes back. */
import type { HostProfile, RestoreResult, WorkloadStats } from 'lazyrestore'
import type { Choices } from '../schemas/server-info.ts'
import type { DensityMap, MemoryMap, SnapshotRecord } from '../schemas/snapshots.ts'
import type { EndedBatch } from './ended-batch.ts'

export type SnapshotSource =
  | {
      readonly kind: 'file'
      /** With all symbolic links resolved. */
      readonly path: string
      /** What users see of it. */
      readonly name: string
      /** What it had when it was registered; null: it is being registered. */
      readonly identity: string | null
    }
  | { readonly kind: 'synthetic'; readonly spec: string }

export type WorkloadSource =
  | { readonly kind: 'trace'; readonly path: string; readonly name: string }
  | { readonly kind: 'generated'; readonly spec: string }

/** What a job may use; of the server's limits. */
export interface JobLimits {
  readonly snapshotPages: number
  readonly workloadAccesses: number
}

export interface MemoryWindow {
  readonly from: number
  readonly count: number | null
  readonly cells: number
}

/** One restore. */
export interface CellSpec {
  readonly snapshot: SnapshotSource
  readonly layout: string
  readonly policy: string
  readonly workload: WorkloadSource
  readonly storage: string
  readonly engine: 'sim' | 'uffd' | 'kvm'
  readonly seed: number
  readonly fixedNs: number
  readonly recording: WorkloadSource | null
  /** Null: the default one. */
  readonly profile: HostProfile | null
}

/** Everything that an experiment will ask for, to be refused before it starts. */
export interface ExperimentCheck {
  readonly snapshot: SnapshotSource
  readonly layouts: readonly string[]
  /** Null: all. */
  readonly policies: readonly string[] | null
  readonly workloads: readonly WorkloadSource[]
  readonly storages: readonly string[]
  readonly engine: 'sim' | 'uffd' | 'kvm'
  readonly recording: WorkloadSource | null
  readonly profile: HostProfile | null
}

export type JobRequest =
  | { readonly kind: 'inspect'; readonly snapshot: SnapshotSource }
  | {
      readonly kind: 'density'
      readonly snapshot: SnapshotSource
      readonly layout: string
      readonly window: MemoryWindow
    }
  | { readonly kind: 'trace'; readonly path: string; readonly name: string }
  | { readonly kind: 'check'; readonly check: ExperimentCheck }
  | { readonly kind: 'cell'; readonly cell: CellSpec }
  /** Several small ones of one engine at a time. Before its first ones a thread does those of the rehearsal. */
  | { readonly kind: 'cells'; readonly cells: readonly CellSpec[]; readonly rehearsal: readonly CellSpec[] }
  | { readonly kind: 'map'; readonly cell: CellSpec; readonly window: MemoryWindow }
  | { readonly kind: 'engines' }

export type Job = JobRequest & { readonly limits: JobLimits }

export interface CellOutcome {
  readonly result: RestoreResult
  readonly notes: readonly string[]
  readonly tookMs: number
}

/** A cell that has ended, as the records that the store keeps of it: made where the work is done, so that nobody else has to. */
export interface EndedCellBytes {
  readonly state: 'done' | 'failed'
  readonly tookMs: number
  readonly ended: Uint8Array
  /** Null: it failed. */
  readonly result: Uint8Array | null
}

export interface TraceFacts {
  readonly name: string
  readonly format: 'binary' | 'ndjson'
  readonly seed: number | null
  readonly snapshotIdentity: string | null
  readonly pageCount: number
  readonly pageSize: number
  readonly statistics: WorkloadStats
}

export interface JobAnswers {
  readonly inspect: Omit<SnapshotRecord, 'id' | 'createdAt'>
  readonly density: DensityMap
  readonly trace: TraceFacts
  /** The policies, with those expanded that were not named. */
  readonly check: readonly string[]
  readonly cell: CellOutcome
  readonly cells: EndedBatch
  readonly map: MemoryMap
  readonly engines: Choices['engines']
}

export type JobKind = keyof JobAnswers

/** An error as data, since an instance does not survive the way between threads. */
export interface JobFailure {
  readonly code: string
  readonly message: string
}

export type JobReply<K extends JobKind> = { readonly answer: JobAnswers[K] } | { readonly failure: JobFailure }
