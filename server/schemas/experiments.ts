/** Experiments: every combination of workloads, policies, storages, layouts and repetitions over one snapshot. */
import Type, { type Static } from 'typebox'
import { Id, Ns, nullable, oneOf, Seed, SpecText, strict } from './common.ts'
import { FIGURES, type Figure } from './figures.ts'
import { Profile } from './profile.ts'
import { RestoreRecord } from './results.ts'
import { SnapshotName, WorkloadName } from './sessions.ts'

const MAX_AXIS = 100

export const EngineChoice = oneOf(['sim', 'uffd', 'kvm'])
export type EngineChoice = Static<typeof EngineChoice>

const axis = (item: typeof SpecText) => Type.Array(item, { minItems: 1, maxItems: MAX_AXIS })

export const NewExperiment = strict({
  name: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
  snapshot: SnapshotName,
  workloads: axis(WorkloadName),
  policies: Type.Optional(axis(SpecText)),
  storages: Type.Optional(axis(SpecText)),
  layouts: Type.Optional(axis(SpecText)),
  engine: Type.Optional(EngineChoice),
  repetitions: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
  seed: Type.Optional(Seed),
  fixedNs: Type.Optional(Ns),
  recording: Type.Optional(WorkloadName),
  profile: Type.Optional(Profile),
})
export type NewExperiment = Static<typeof NewExperiment>

export const ExperimentState = oneOf(
  ['queued', 'running', 'done', 'cancelled', 'interrupted'],
  'interrupted: the server stopped in the middle of it, or its disk was full; it can be resumed',
)
export type ExperimentState = Static<typeof ExperimentState>

/** The spec with every default filled in. */
export const ExperimentSpec = strict({
  snapshot: SnapshotName,
  workloads: axis(WorkloadName),
  policies: axis(SpecText),
  storages: axis(SpecText),
  layouts: axis(SpecText),
  engine: EngineChoice,
  repetitions: Type.Integer(),
  seed: Seed,
  fixedNs: Ns,
  recording: nullable(WorkloadName),
  profile: nullable(Profile),
})
export type ExperimentSpec = Static<typeof ExperimentSpec>

export const ExperimentRecord = strict({
  id: Id,
  name: Type.String(),
  spec: ExperimentSpec,
  state: ExperimentState,
  cells: Type.Integer({ description: 'Restores in all' }),
  done: Type.Integer({ description: 'Of them, those that have a result' }),
  failed: Type.Integer({ description: 'Of them, those that ended with an error' }),
  rerunOf: nullable(Id),
  createdAt: Type.String(),
  startedAt: nullable(Type.String()),
  endedAt: nullable(Type.String()),
  etaMs: nullable(Type.Number({ description: 'Time to the end at the pace so far; null when not running' })),
})
export type ExperimentRecord = Static<typeof ExperimentRecord>

export const CellState = oneOf(['waiting', 'running', 'done', 'failed'])

const cellFields = {
  index: Type.Integer(),
  policy: SpecText,
  workload: WorkloadName,
  storage: SpecText,
  layout: SpecText,
  repetition: Type.Integer(),
  seed: Seed,
  state: CellState,
  error: nullable(strict({ code: Type.String(), message: Type.String() })),
  notes: Type.Array(Type.String()),
  tookMs: nullable(Type.Number({ description: 'Time that the restore took the server' })),
  endedAt: nullable(Type.String()),
}

/** One restore, without its record. */
export const CellSummary = strict({
  ...cellFields,
  resumeNs: nullable(Ns),
  workDoneNs: nullable(Ns),
  residentNs: nullable(Ns),
})
export type CellSummary = Static<typeof CellSummary>

export const CellRecord = strict({ ...cellFields, result: nullable(RestoreRecord) })
export type CellRecord = Static<typeof CellRecord>

export const CellParams = strict({ id: Id, index: Type.Integer({ minimum: 0, maximum: 1_000_000 }) })

export const CellQuery = strict({
  from: Type.Optional(Type.Integer({ minimum: 0, description: 'First cell; 0 when not given' })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description: '100 when not given' })),
})
export type CellQuery = Static<typeof CellQuery>

export const CellPage = strict({ items: Type.Array(CellRecord), next: nullable(Type.Integer()) })
export type CellPage = Static<typeof CellPage>

export const ExportQuery = strict({
  format: oneOf(['json', 'csv', 'parquet', 'hdr', 'perfetto']),
})
export type ExportQuery = Static<typeof ExportQuery>

export const CompareQuery = strict({ a: Id, b: Id })
export type CompareQuery = Static<typeof CompareQuery>

const nullableNumber = nullable(Type.Number())

const figures = Type.Object(
  Object.fromEntries(FIGURES.map(name => [name, nullableNumber])) as Record<Figure, typeof nullableNumber>,
  { additionalProperties: false },
)

/** Cells of two experiments that belong together: equal in every axis in which either has a choice. */
export const ExperimentComparison = strict({
  a: ExperimentRecord,
  b: ExperimentRecord,
  axes: Type.Array(Type.String(), { description: 'The axes by which cells were paired' }),
  pairs: Type.Array(
    strict({
      a: Type.Integer({ description: 'Index of the cell' }),
      b: Type.Integer(),
      label: Type.String(),
      valuesA: figures,
      valuesB: figures,
      ratio: figures,
    }),
  ),
  onlyA: Type.Array(Type.Integer(), { description: 'Cells without a partner' }),
  onlyB: Type.Array(Type.Integer()),
})
export type ExperimentComparison = Static<typeof ExperimentComparison>
