/** What keeps the server's memory, time and disk bounded. Every limit has an error of its own when it is reached. */

export interface Limits {
  /** Largest body of a request, but for uploads of traces. */
  readonly bodyBytes: number
  readonly traceBytes: number
  /** Accesses in one batch of a session. */
  readonly batchFaults: number
  /** Sessions in memory. */
  readonly sessions: number
  readonly sessionAccesses: number
  /** Memory of all sessions. */
  readonly sessionBytes: number
  /** A session that nobody used for so long goes to the store. */
  readonly sessionIdleMs: number
  /** Sessions in the store. */
  readonly storedSessions: number
  /** Batches that wait for one session thread. */
  readonly queuedBatches: number
  readonly experimentCells: number
  /** Cells that wait, over all experiments. */
  readonly queuedCells: number
  /** Time of one restore. */
  readonly cellMs: number
  /** Other work off the event loop: opening snapshots, maps, reading traces. */
  readonly queuedRequests: number
  readonly requestMs: number
  /** Target pages of a snapshot. */
  readonly snapshotPages: number
  /** Accesses of a workload. */
  readonly workloadAccesses: number
  readonly connections: number
  /** Streams of server-sent events. */
  readonly streams: number
  /** Requests of one address in a second. */
  readonly requestsPerS: number
  /** Head of a request; then all of it. */
  readonly headersMs: number
  readonly bodyMs: number
  /** How long a stop waits for requests under way. */
  readonly stopMs: number
  /** How long an idempotency key is remembered. */
  readonly idempotencyMs: number
}

const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB
const MINUTE_MS = 60_000

export const DEFAULT_LIMITS: Limits = {
  bodyBytes: 16 * MIB,
  traceBytes: GIB,
  batchFaults: 65_536,
  sessions: 1024,
  sessionAccesses: 4_000_000,
  sessionBytes: GIB,
  sessionIdleMs: 10 * MINUTE_MS,
  storedSessions: 10_000,
  queuedBatches: 256,
  experimentCells: 10_000,
  queuedCells: 50_000,
  cellMs: 10 * MINUTE_MS,
  queuedRequests: 64,
  requestMs: MINUTE_MS,
  snapshotPages: 2 ** 26,
  workloadAccesses: 50_000_000,
  connections: 2000,
  streams: 256,
  requestsPerS: 5000,
  headersMs: 10_000,
  bodyMs: 5 * MINUTE_MS,
  stopMs: 10_000,
  idempotencyMs: 24 * 60 * MINUTE_MS,
}
