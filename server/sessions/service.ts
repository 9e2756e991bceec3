/**
 * Sessions: in memory on their thread while they are used, in the store when they were idle for long or others need the
 * memory. A session is its spec and its log, so that is what is stored; brought back, it has run its log again. It is either
 * here or there: what a crash leaves in the store was whole when it was stored, and what was in memory is gone.
 */
import type { RestoreResult } from 'lazyrestore'
import type { Encoding } from '../http/encoding.ts'
import { HttpError } from '../http/errors.ts'
import { createId } from '../ids.ts'
import type { Limits } from '../limits.ts'
import type { PageQuery } from '../schemas/common.ts'
import type { ReplayProgress } from '../schemas/events.ts'
import type { FaultBatch } from '../schemas/faults.ts'
import type { EndRequest, ForkRequest, NewSession, SessionRecord } from '../schemas/sessions.ts'
import type { SnapshotRegistry } from '../snapshots/registry.ts'
import { DEFAULT_LIMIT, type ListPage } from '../store/paging.ts'
import type { Store } from '../store/store.ts'
import type { TraceRegistry } from '../traces/registry.ts'
import { columnsOfList } from './batches.ts'
import type { AnswerForm, Encoded, SessionCallName, SessionCalls, SessionSize, SessionSpec } from './call.ts'
import { OneByOne } from './one-by-one.ts'
import { StoredSessions } from './stored-sessions.ts'
import { SessionThread } from './thread.ts'

const RETRY_AFTER_S = 30
const MS_BETWEEN_LOOKS = 5000

export interface SessionParts {
  readonly store: Store
  readonly snapshots: SnapshotRegistry
  readonly traces: TraceRegistry
  readonly limits: Limits
}

interface Live {
  readonly spec: SessionSpec
  /** As it was when it came here; what changes with every call is in `size` and `usedMs`. */
  readonly record: SessionRecord
  size: SessionSize
  usedMs: number
  /** Calls of one session come one after the other. */
  last: Promise<unknown>
  calls: number
}

export class SessionService {
  readonly #parts: SessionParts
  readonly #thread: SessionThread
  readonly #live = new Map<string, Live>()
  readonly #stored: StoredSessions
  /** Sessions come and go one by one, or those that come at once would all find the same room. */
  readonly #comings: OneByOne
  readonly #looks: NodeJS.Timeout
  /** Accesses that sessions have taken since the start. */
  taken = 0
  /** Memory of all sessions but for what they share. */
  #ownBytes = 0

  constructor(parts: SessionParts) {
    this.#parts = parts
    this.#stored = new StoredSessions(parts.store)
    this.#comings = new OneByOne(parts.limits.queuedBatches)
    this.#thread = new SessionThread(parts.limits, () => this.#lost())
    const everyMs = Math.min(MS_BETWEEN_LOOKS, parts.limits.sessionIdleMs)
    this.#looks = setInterval(() => void this.#storeIdle(), everyMs).unref()
  }

  get open(): number {
    return this.#live.size
  }

  /** Memory of all sessions. */
  get bytes(): number {
    return this.#ownBytes + this.#thread.sharedBytes
  }

  get waiting(): number {
    return this.#thread.waiting
  }

  create(request: NewSession): Promise<SessionRecord> {
    const { snapshots, traces } = this.#parts
    const snapshot = snapshots.resolve(request.snapshot)
    const recording = request.recording === undefined ? null : traces.resolve(request.recording)
    const spec = { request, snapshot, recording }
    return this.#open(spec, null, id => this.#thread.call(id, 'open', { spec, log: null }))
  }

  /** The newest first. */
  list({ limit = DEFAULT_LIMIT, after }: PageQuery): ListPage<SessionRecord> {
    const stored = this.#stored.list({ limit, ...(after === undefined ? {} : { after }) })
    // One on its way back is in both.
    const items = stored.items.filter(({ id }) => !this.#live.has(id))
    for (const live of this.#live.values()) {
      if (after === undefined || live.record.id < after) items.push(recordOf(live))
    }
    items.sort((a, b) => (a.id < b.id ? 1 : -1))
    const isLast = stored.next === null && items.length <= limit
    return { items: items.slice(0, limit), next: isLast ? null : items[Math.min(limit, items.length) - 1].id }
  }

  get(id: string): SessionRecord {
    const live = this.#live.get(id)
    return live === undefined ? this.#stored.get(id).record : recordOf(live)
  }

  async faults<E extends Encoding | null>(
    id: string,
    batch: FaultBatch,
    form: AnswerForm,
    encoding: E,
  ): Promise<Encoded<'faults', E>> {
    await this.#makeRoomToGrow(id)
    const columns = 'faults' in batch ? columnsOfList(batch.faults) : batch
    const answer = await this.#call(id, 'faults', { batch: columns ?? batch, form }, encoding)
    this.taken += 'faults' in batch ? batch.faults.length : batch.page.length
    return answer
  }

  async end<E extends Encoding | null>(
    id: string,
    { vcpu }: EndRequest,
    form: AnswerForm,
    encoding: E,
  ): Promise<Encoded<'end', E>> {
    return this.#call(id, 'end', { vcpu: vcpu ?? null, form }, encoding)
  }

  state<E extends Encoding | null>(id: string, encoding: E): Promise<Encoded<'state', E>> {
    return this.#call(id, 'state', {}, encoding)
  }

  result(id: string): Promise<RestoreResult> {
    return this.#call(id, 'result', {})
  }

  /** Replays a workload part by part, so that other sessions have their turn. */
  async *replay(id: string, workload: string): AsyncGenerator<ReplayProgress, RestoreResult> {
    const source = this.#parts.traces.resolve(workload)
    for (let sent = 0; ; ) {
      await this.#makeRoomToGrow(id)
      const progress = await this.#call(id, 'replay', { workload: source, sent })
      this.taken += progress.sent - sent
      yield progress
      sent = progress.sent
      if (sent === progress.accesses) return this.result(id)
    }
  }

  async reset(id: string): Promise<SessionRecord> {
    const { spec } = await this.#awake(id)
    await this.#call(id, 'open', { spec, log: null })
    return this.get(id)
  }

  /** A copy at this instant, on which another policy may decide from now on. */
  async fork(id: string, changes: ForkRequest): Promise<SessionRecord> {
    // In the origin's turn, so that it is not put away meanwhile.
    return this.#withAwake(id, origin => {
      const spec = { ...origin.spec, request: { ...origin.spec.request, ...changes } }
      return this.#open(spec, id, fork => this.#thread.call(fork, 'fork', { spec, of: id }))
    })
  }

  async remove(id: string): Promise<void> {
    const live = this.#live.get(id)
    if (live === undefined) {
      this.#stored.get(id)
      return this.#stored.remove(id)
    }
    this.#drop(id)
    await this.#inTurn(live, () => this.#thread.call(id, 'close', {}))
  }

  /** Stores what is open. */
  async close(): Promise<void> {
    clearInterval(this.#looks)
    for (const id of [...this.#live.keys()]) await this.#putAway(id).catch(() => {})
    await this.#thread.close()
  }

  async #open(
    spec: SessionSpec,
    forkOf: string | null,
    open: (id: string) => Promise<{ readonly size: SessionSize | null }>,
  ): Promise<SessionRecord> {
    return this.#comings.do(async () => {
      await this.#makeRoom()
      const id = createId('ses')
      const now = new Date().toISOString()
      const { size } = await open(id)
      const times = { createdAt: now, usedAt: now }
      const record: SessionRecord = { id, spec: spec.request, forkOf, ...size!, state: 'open', ...times }
      this.#setSize(this.#hold(id, spec, record), size!)
      return record
    })
  }

  async #call<K extends SessionCallName, E extends Encoding | null = null>(
    id: string,
    name: K,
    parameters: SessionCalls[K],
    encoding: E = null as E,
  ): Promise<Encoded<K, E>> {
    return this.#withAwake(id, async live => {
      const { answer, size } = await this.#thread.call(id, name, parameters, encoding)
      live.usedMs = Date.now()
      if (size !== null && this.#live.get(id) === live) this.#setSize(live, size)
      return answer
    })
  }

  /** Does the work in the session's turn, with the session in memory: it may have been put away while the work waited. */
  async #withAwake<T>(id: string, work: (live: Live) => Promise<T>): Promise<T> {
    for (;;) {
      const live = await this.#awake(id)
      const done = await this.#inTurn(live, async () => {
        return this.#live.get(id) === live ? { result: await work(live) } : null
      })
      if (done !== null) return done.result
    }
  }

  /** The session is in memory now, and takes none yet. */
  #hold(id: string, spec: SessionSpec, record: SessionRecord): Live {
    const { pages, hostPages, accesses } = record
    const size = { pages, hostPages, accesses, bytes: 0 }
    const live: Live = { spec, record, size, usedMs: Date.now(), last: Promise.resolve(), calls: 0 }
    this.#live.set(id, live)
    return live
  }

  #setSize(live: Live, size: SessionSize): void {
    this.#ownBytes += size.bytes - live.size.bytes
    live.size = size
  }

  /** It is no longer in memory. */
  #drop(id: string): void {
    this.#ownBytes -= this.#live.get(id)?.size.bytes ?? 0
    this.#live.delete(id)
  }

  #lost(): void {
    this.#live.clear()
    this.#ownBytes = 0
  }

  /** The session in memory, brought back from the store if need be. */
  async #awake(id: string): Promise<Live> {
    const live = this.#live.get(id)
    if (live !== undefined) return live
    const { record, spec } = this.#stored.get(id)
    // Others that come meanwhile wait for it in turn.
    const back = this.#hold(id, spec, { ...record, state: 'open' })
    try {
      const wake = async (): Promise<void> => {
        await this.#makeRoom({ waking: 1 })
        const { size } = await this.#thread.call(id, 'open', { spec, log: this.#stored.log(id) })
        this.#setSize(back, size!)
        await this.#stored.remove(id)
      }
      await this.#inTurn(back, () => this.#comings.do(wake))
    } catch (error) {
      this.#drop(id)
      throw error
    }
    return back
  }

  #inTurn<T>(live: Live, work: () => Promise<T>): Promise<T> {
    live.calls++
    const result = live.last.then(work)
    const done = (): void => void live.calls--
    live.last = result.then(done, done)
    return result
  }

  /**
   * Puts those away that were not used for longest, until one more fits, or `growing` may grow.
   * @param waking sessions that are here and in the store, on their way from there to here
   * @throws HttpError `busy` when none can be
   */
  async #makeRoom({ waking = 0, growing }: { waking?: number; growing?: string } = {}): Promise<void> {
    const { sessions, sessionBytes } = this.#parts.limits
    const isFull = (): boolean => growing === undefined && this.#live.size - waking >= sessions
    while (isFull() || this.bytes >= sessionBytes) {
      let oldest: [string, Live] | null = null
      for (const one of this.#live) {
        const mayGo = one[1].calls === 0 && one[0] !== growing
        if (mayGo && (oldest === null || one[1].usedMs < oldest[1].usedMs)) oldest = one
      }
      if (oldest === null) throw new HttpError('busy', 'found no memory for it', { retryAfterS: RETRY_AFTER_S })
      await this.#putAway(oldest[0], waking)
    }
  }

  async #makeRoomToGrow(id: string): Promise<void> {
    if (this.bytes >= this.#parts.limits.sessionBytes) await this.#comings.do(() => this.#makeRoom({ growing: id }))
  }

  async #storeIdle(): Promise<void> {
    const before = Date.now() - this.#parts.limits.sessionIdleMs
    const storeOne = async (id: string): Promise<void> => {
      const live = this.#live.get(id)
      if (live !== undefined && live.usedMs < before && live.calls === 0) await this.#putAway(id)
    }
    // What cannot be stored stays where it is.
    for (const id of [...this.#live.keys()]) await this.#comings.do(() => storeOne(id)).catch(() => {})
  }

  async #putAway(id: string, waking = 0): Promise<void> {
    const { storedSessions } = this.#parts.limits
    if (this.#stored.count - waking >= storedSessions) {
      const found = `found ${storedSessions} sessions in the store; delete some`
      throw new HttpError('busy', found, { retryAfterS: RETRY_AFTER_S })
    }
    const live = this.#live.get(id)
    if (live === undefined) return
    await this.#inTurn(live, async () => {
      const { answer: log } = await this.#thread.call(id, 'log', {})
      const record: SessionRecord = { ...recordOf(live), state: 'stored', bytes: 0 }
      await this.#stored.put(id, { record, spec: live.spec }, log)
      // Whoever comes from now on finds it in the store.
      this.#drop(id)
      await this.#thread.call(id, 'close', {})
    })
  }
}

function recordOf({ record, size, usedMs }: Live): SessionRecord {
  return { ...record, ...size, usedAt: new Date(usedMs).toISOString() }
}
