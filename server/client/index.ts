/** `lazyrestore/client`: named exports, nothing else. Runs in Node and in browsers. */
export type { ErrorBody, PageQuery } from '../schemas/common.ts'
export type { ExperimentEvent, ReplayEvent, ReplayProgress } from '../schemas/events.ts'
export type {
  CellPage,
  CellQuery,
  CellRecord,
  CellSummary,
  EngineChoice,
  ExperimentComparison,
  ExperimentRecord,
  ExperimentSpec,
  ExperimentState,
  ExportQuery,
  NewExperiment,
} from '../schemas/experiments.ts'
export type {
  Fault,
  FaultAnswer,
  FaultBatch,
  FaultColumns,
  FaultColumnsAnswer,
  FaultList,
  FaultListAnswer,
} from '../schemas/faults.ts'
export type { Figure } from '../schemas/figures.ts'
export type { RestoreRecord } from '../schemas/results.ts'
export type { Choices, Health } from '../schemas/server-info.ts'
export type {
  EndRequest,
  ForkRequest,
  NewSession,
  ReplayRequest,
  SessionRecord,
  SessionState,
} from '../schemas/sessions.ts'
export type {
  DensityMap,
  DensityQuery,
  MemoryMap,
  NewSnapshot,
  SnapshotRecord,
  WindowQuery,
} from '../schemas/snapshots.ts'
export type { TraceQuery, TraceRecord } from '../schemas/traces.ts'
export { Client, createClient, type Page } from './client.ts'
export { LazyRestoreHttpError } from './errors.ts'
export type { CallOptions, ClientOptions, Content } from './transport.ts'
