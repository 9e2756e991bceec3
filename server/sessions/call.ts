/** What is asked of the thread that holds the sessions, and what it answers: plain data, as it goes between threads. */
import type { ReplayLog, RestoreResult } from 'lazyrestore'
import type { JobFailure, JobLimits, SnapshotSource, WorkloadSource } from '../jobs/job.ts'
import type { ReplayProgress } from '../schemas/events.ts'
import type { FaultAnswer, FaultBatch } from '../schemas/faults.ts'
import type { NewSession, SessionState } from '../schemas/sessions.ts'

export type AnswerForm = 'list' | 'columns'

/** What a session is made of: with its log, all of it. */
export interface SessionSpec {
  readonly request: NewSession
  readonly snapshot: SnapshotSource
  readonly recording: WorkloadSource | null
}

/** What changes with every call. */
export interface SessionSize {
  readonly pages: number
  readonly hostPages: number
  readonly accesses: number
  readonly bytes: number
}

export interface SessionCalls {
  /** `log` null: a new session. */
  open: { readonly spec: SessionSpec; readonly log: ReplayLog | null }
  faults: { readonly batch: FaultBatch; readonly form: AnswerForm }
  end: { readonly vcpu: number | null; readonly form: AnswerForm }
  /** The next part of a workload, from access `sent` on; ends the session's accesses with the last one. */
  replay: { readonly workload: WorkloadSource; readonly sent: number }
  state: object
  result: object
  log: object
  close: object
}

export interface SessionAnswers {
  open: null
  faults: FaultAnswer
  end: FaultAnswer
  replay: ReplayProgress
  state: SessionState
  result: RestoreResult
  log: ReplayLog
  close: null
}

export type SessionCallName = keyof SessionCalls

export interface SessionCall<K extends SessionCallName = SessionCallName> {
  readonly number: number
  readonly session: string
  readonly name: K
  readonly arguments: SessionCalls[K]
  readonly limits: JobLimits & { readonly sessionAccesses: number }
}

export type SessionReply<K extends SessionCallName = SessionCallName> = { readonly number: number } & (
  | { readonly answer: SessionAnswers[K]; readonly size: SessionSize | null }
  | { readonly failure: JobFailure }
)
