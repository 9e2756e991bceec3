/**
 * Server-sent events. Each has a name and JSON data. A stream of an experiment starts with its record as it is, so whoever
 * comes late or comes back has missed nothing, and ends after the record of its last state.
 */
import Type, { type Static } from 'typebox'
import { ErrorBody, Ns, strict } from './common.ts'
import { CellSummary, ExperimentRecord } from './experiments.ts'
import { RestoreRecord } from './results.ts'

/** `experiment`: its state or its counts have changed. `cell`: a restore has ended. */
export const ExperimentEvent = Type.Union([
  strict({ event: Type.Literal('experiment'), data: ExperimentRecord }),
  strict({ event: Type.Literal('cell'), data: CellSummary }),
])
export type ExperimentEvent = Static<typeof ExperimentEvent>

export const ReplayProgress = strict({
  sent: Type.Integer(),
  answered: Type.Integer(),
  accesses: Type.Integer(),
  clockNs: Ns,
})
export type ReplayProgress = Static<typeof ReplayProgress>

/** Of a trace that is replayed on the server: `progress`, then `result` or `error`. */
export const ReplayEvent = Type.Union([
  strict({ event: Type.Literal('progress'), data: ReplayProgress }),
  strict({ event: Type.Literal('result'), data: RestoreRecord }),
  strict({ event: Type.Literal('error'), data: ErrorBody }),
])
export type ReplayEvent = Static<typeof ReplayEvent>
