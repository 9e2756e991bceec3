/** What is asked of the thread that holds the sessions, and what it answers: plain data, as it goes between threads. */
import type { ReplayLog, RestoreResult } from 'lazyrestore'
import type { Encoding } from '../http/encoding.ts'
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

/** What the thread is told at its start. */
export interface SessionLimits extends JobLimits {
  readonly sessionAccesses: number
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
  /** Opens the session as a copy of another one, on which the spec's policy decides from now on if it is another. */
  fork: { readonly spec: SessionSpec; readonly of: string }
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
  fork: null
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
  /** The thread encodes the answer, so that nobody else has to; null: it stays a value. */
  readonly encoding: Encoding | null
}

/** The answer, or its bytes where an encoding was asked for. */
export type Encoded<K extends SessionCallName, E extends Encoding | null> = E extends null
  ? SessionAnswers[K]
  : Uint8Array<ArrayBuffer>

export type SessionReply<K extends SessionCallName = SessionCallName> = { readonly number: number } & (
  | {
      readonly answer: Encoded<K, Encoding | null>
      readonly size: SessionSize | null
      /** Memory that all sessions share: layouts, tables. */
      readonly sharedBytes: number
    }
  | { readonly failure: JobFailure }
)
