/** The typed client of the HTTP API: one method an endpoint, grouped as the paths are. */
import type { RestoreResult } from 'lazyrestore'
import type { PageQuery } from '../schemas/common.ts'
import type { ExperimentEvent, ReplayEvent } from '../schemas/events.ts'
import type {
  CellPage,
  CellQuery,
  CellRecord,
  ExperimentComparison,
  ExperimentRecord,
  ExportQuery,
  NewExperiment,
} from '../schemas/experiments.ts'
import type { FaultBatch, FaultColumns, FaultColumnsAnswer, FaultList, FaultListAnswer } from '../schemas/faults.ts'
import type { Choices, Health } from '../schemas/server-info.ts'
import type {
  EndRequest,
  ForkRequest,
  NewSession,
  ReplayRequest,
  SessionRecord,
  SessionState,
} from '../schemas/sessions.ts'
import type {
  DensityMap,
  DensityQuery,
  MemoryMap,
  NewSnapshot,
  SnapshotRecord,
  WindowQuery,
} from '../schemas/snapshots.ts'
import type { TraceQuery, TraceRecord } from '../schemas/traces.ts'
import { type CallOptions, type ClientOptions, type Content, Transport } from './transport.ts'

/** A page of a list; pass `next` as `after` for the following one. */
export interface Page<T> {
  readonly items: readonly T[]
  readonly next: string | null
}

/**
 * ```ts
 * const client = createClient({ baseUrl: 'http://127.0.0.1:7070' })
 * const { id } = await client.experiments.create({ snapshot: 'synthetic:1GiB', workloads: ['working-set'] })
 * for await (const { event, data } of client.experiments.events(id)) if (event === 'cell') console.log(data.policy, data.workDoneNs)
 * ```
 * Every method takes a signal, throws LazyRestoreHttpError for an answer of 4xx or 5xx, and else what fetch throws.
 */
export function createClient(options: ClientOptions = {}): Client {
  return new Client(new Transport(options))
}

export class Client {
  readonly snapshots: SnapshotCalls
  readonly traces: TraceCalls
  readonly sessions: SessionCalls
  readonly experiments: ExperimentCalls
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
    this.snapshots = new SnapshotCalls(transport)
    this.traces = new TraceCalls(transport)
    this.sessions = new SessionCalls(transport)
    this.experiments = new ExperimentCalls(transport)
  }

  health(options?: CallOptions): Promise<Health> {
    return this.#transport.get('/health', {}, options)
  }

  /** What policies, workloads, devices and engines there are, and the server's limits. */
  choices(options?: CallOptions): Promise<Choices> {
    return this.#transport.get('/v1/choices', {}, options)
  }
}

class SnapshotCalls {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  create(body: NewSnapshot, options?: CallOptions): Promise<SnapshotRecord> {
    return this.#transport.post('/v1/snapshots', body, options)
  }

  list(query: PageQuery = {}, options?: CallOptions): Promise<Page<SnapshotRecord>> {
    return this.#transport.get('/v1/snapshots', query, options)
  }

  get(id: string, options?: CallOptions): Promise<SnapshotRecord> {
    return this.#transport.get(`/v1/snapshots/${id}`, {}, options)
  }

  density(id: string, query: DensityQuery = {}, options?: CallOptions): Promise<DensityMap> {
    return this.#transport.get(`/v1/snapshots/${id}/density`, query, options)
  }

  /** Forgets the registration; the file stays. */
  delete(id: string, options?: CallOptions): Promise<void> {
    return this.#transport.delete(`/v1/snapshots/${id}`, options)
  }
}

class TraceCalls {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Uploads a trace file of either format; `content` may be a stream. */
  upload(content: Content, query: TraceQuery = {}, options: CallOptions = {}): Promise<TraceRecord> {
    return this.#transport.upload('/v1/traces', { type: 'application/octet-stream', content }, query, options)
  }

  list(query: PageQuery = {}, options?: CallOptions): Promise<Page<TraceRecord>> {
    return this.#transport.get('/v1/traces', query, options)
  }

  get(id: string, options?: CallOptions): Promise<TraceRecord> {
    return this.#transport.get(`/v1/traces/${id}`, {}, options)
  }

  delete(id: string, options?: CallOptions): Promise<void> {
    return this.#transport.delete(`/v1/traces/${id}`, options)
  }
}

class SessionCalls {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  create(body: NewSession, options?: CallOptions): Promise<SessionRecord> {
    return this.#transport.post('/v1/sessions', body, options)
  }

  list(query: PageQuery = {}, options?: CallOptions): Promise<Page<SessionRecord>> {
    return this.#transport.get('/v1/sessions', query, options)
  }

  get(id: string, options?: CallOptions): Promise<SessionRecord> {
    return this.#transport.get(`/v1/sessions/${id}`, {}, options)
  }

  /** A batch of accesses; the answer has the form of the request. */
  faults(id: string, batch: FaultList, options?: CallOptions): Promise<FaultListAnswer>
  faults(id: string, batch: FaultColumns, options?: CallOptions): Promise<FaultColumnsAnswer>
  faults(id: string, batch: FaultBatch, options?: CallOptions): Promise<FaultListAnswer | FaultColumnsAnswer> {
    return this.#transport.post(`/v1/sessions/${id}/faults`, batch, options)
  }

  /** No more accesses, of one vCPU or of all: lets the clock run on. */
  end(id: string, body: EndRequest = {}, options?: CallOptions): Promise<FaultColumnsAnswer> {
    return this.#transport.post(`/v1/sessions/${id}/end`, body, options, { form: 'columns' })
  }

  state(id: string, options?: CallOptions): Promise<SessionState> {
    return this.#transport.get(`/v1/sessions/${id}/state`, {}, options)
  }

  /** The record of the restore so far. */
  result(id: string, options?: CallOptions): Promise<RestoreResult> {
    return this.#transport.get(`/v1/sessions/${id}/result`, {}, options)
  }

  /** Replays a whole workload on the server, and ends the session's accesses; progress, then the record. */
  replay(id: string, body: ReplayRequest, options: CallOptions = {}): AsyncGenerator<ReplayEvent, void> {
    return this.#transport.events('POST', `/v1/sessions/${id}/replay`, body, options) as AsyncGenerator<
      ReplayEvent,
      void
    >
  }

  reset(id: string, options?: CallOptions): Promise<SessionRecord> {
    return this.#transport.post(`/v1/sessions/${id}/reset`, null, options)
  }

  fork(id: string, body: ForkRequest = {}, options?: CallOptions): Promise<SessionRecord> {
    return this.#transport.post(`/v1/sessions/${id}/fork`, body, options)
  }

  delete(id: string, options?: CallOptions): Promise<void> {
    return this.#transport.delete(`/v1/sessions/${id}`, options)
  }
}

class ExperimentCalls {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  create(body: NewExperiment, options?: CallOptions): Promise<ExperimentRecord> {
    return this.#transport.post('/v1/experiments', body, options)
  }

  list(query: PageQuery = {}, options?: CallOptions): Promise<Page<ExperimentRecord>> {
    return this.#transport.get('/v1/experiments', query, options)
  }

  get(id: string, options?: CallOptions): Promise<ExperimentRecord> {
    return this.#transport.get(`/v1/experiments/${id}`, {}, options)
  }

  /** Progress from now to the end of the experiment; starts with its record as it is. */
  events(id: string, options: CallOptions = {}): AsyncGenerator<ExperimentEvent, void> {
    const path = `/v1/experiments/${id}/events`
    return this.#transport.events('GET', path, null, options) as AsyncGenerator<ExperimentEvent, void>
  }

  cells(id: string, query: CellQuery = {}, options?: CallOptions): Promise<CellPage> {
    return this.#transport.get(`/v1/experiments/${id}/cells`, query, options)
  }

  cell(id: string, index: number, options?: CallOptions): Promise<CellRecord> {
    return this.#transport.get(`/v1/experiments/${id}/cells/${index}`, {}, options)
  }

  /** How the cell's restore filled memory, in a window over host pages; of engine sim only. */
  map(id: string, index: number, query: WindowQuery = {}, options?: CallOptions): Promise<MemoryMap> {
    return this.#transport.get(`/v1/experiments/${id}/cells/${index}/map`, query, options)
  }

  cancel(id: string, options?: CallOptions): Promise<ExperimentRecord> {
    return this.#transport.post(`/v1/experiments/${id}/cancel`, null, options)
  }

  /** Goes on with the cells that have no result. */
  resume(id: string, options?: CallOptions): Promise<ExperimentRecord> {
    return this.#transport.post(`/v1/experiments/${id}/resume`, null, options)
  }

  /** The same spec once more, as a new experiment. */
  rerun(id: string, options?: CallOptions): Promise<ExperimentRecord> {
    return this.#transport.post(`/v1/experiments/${id}/rerun`, null, options)
  }

  delete(id: string, options?: CallOptions): Promise<void> {
    return this.#transport.delete(`/v1/experiments/${id}`, options)
  }

  compare(a: string, b: string, options?: CallOptions): Promise<ExperimentComparison> {
    return this.#transport.get('/v1/compare', { a, b }, options)
  }

  /** The file that a download gives. */
  export(id: string, format: ExportQuery['format'], options?: CallOptions): Promise<Uint8Array> {
    return this.#transport.bytes(`/v1/experiments/${id}/export`, { format }, options)
  }

  /** Where a browser downloads it from, below the server's address; only without a token. */
  exportPath(id: string, format: ExportQuery['format']): string {
    return `/v1/experiments/${id}/export?format=${format}`
  }
}
