/**
 * Works on the cells of whichever sweeps are on Redis: joins each whose version is its own and whose files it has, does
 * batches on threads of its own, and leaves when the sweep's coordinator does.
 */
import type { Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import { LazyRestoreError } from 'lazyrestore'
import { encodeBatch } from '../../jobs/ended-batch.ts'
import type { JobPool } from '../../jobs/pool.ts'
import { DEFAULT_LIMITS } from '../../limits.ts'
import { withLimit } from '../../with-limit.ts'
import { BatchLost } from '../executor.ts'
import { runOnPool } from '../local.ts'
import { type KnownFile, PlannedCells, type SweepPlan } from '../plan.ts'
import { sweepPool } from '../throughput.ts'
import { cellVersion } from '../version.ts'
import { connectRedis, loadBullmq, type RedisAddress } from './connection.ts'
import {
  type Announcement,
  aliveKey,
  type BatchJob,
  PREFIX,
  queueKeys,
  queueOf,
  RESULTS_S,
  RUNS,
  resultsKey,
} from './keys.ts'
import { SnapshotIndex } from './snapshot-index.ts'

const LOOK_MS = 500
/** Without a sweep: the next one should not wait for its workers. */
const IDLE_LOOK_MS = 100
/** What is being done may take so long to end. */
const STOP_MS = 60_000
/** A sweep whose files were not there is tried again. */
const AGAIN_MS = 10_000
/** A batch that takes its worker along so often is given up. */
const MAX_STALLED = 20

export interface WorkerOptions {
  readonly redis: RedisAddress
  readonly snapshotRoots: readonly string[]
  readonly threads: number
  /** A worker that is silent for so long is taken for dead, and its batches are given to others. */
  readonly lockMs: number
  readonly onNote: (line: string) => void
}

interface Joined {
  readonly worker: Worker<BatchJob>
  readonly name: string
}

export class SweepWorker {
  readonly #options: WorkerOptions
  readonly #redis: Redis
  readonly #index: SnapshotIndex
  #pool: JobPool
  readonly #joined = new Map<string, Joined>()
  /** When runs that could not be joined are tried again. */
  readonly #againMs = new Map<string, number>()
  readonly #stop = new AbortController()

  private constructor(options: WorkerOptions, redis: Redis, index: SnapshotIndex) {
    this.#options = options
    this.#redis = redis
    this.#index = index
    this.#pool = readyPool(options.threads)
  }

  /** @throws LazyRestoreError `io`, `usage`, `unsupported` */
  static async open(options: WorkerOptions): Promise<SweepWorker> {
    const index = await SnapshotIndex.open(options.snapshotRoots)
    // Its first sweep need not wait for that.
    await loadBullmq()
    return new SweepWorker(options, await connectRedis(options.redis), index)
  }

  get snapshots(): number {
    return this.#index.snapshots
  }

  /**
   * Works until the signal; what is being done is finished first.
   * @throws LazyRestoreError `mismatch` when a sweep is of another version
   */
  async work(signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) {
        // A Redis that is gone answers when it is back.
        await orAborted(this.#look(), signal)
        await sleep(this.#joined.size === 0 ? IDLE_LOOK_MS : LOOK_MS, signal)
      }
    } finally {
      await withLimit(Promise.all([...this.#joined.keys()].map(run => this.#leave(run))), STOP_MS)
      this.#stop.abort(new Error('the worker stops'))
      await this.#pool.close()
      this.#redis.disconnect()
    }
  }

  async #look(): Promise<void> {
    const runs = await this.#redis.hkeys(RUNS)
    for (const run of this.#joined.keys()) {
      if (!runs.includes(run) || !(await this.#isAlive(run))) await this.#leave(run)
      if (this.#joined.size === 0 && !this.#stop.signal.aborted) await this.#renewPool()
    }
    for (const run of runs) {
      if (this.#joined.has(run) || (this.#againMs.get(run) ?? 0) > performance.now()) continue
      if (await this.#isAlive(run)) await this.#join(run)
    }
  }

  async #isAlive(run: string): Promise<boolean> {
    return (await this.#redis.exists(aliveKey(run))) === 1
  }

  async #join(run: string): Promise<void> {
    const text = await this.#redis.hget(RUNS, run)
    if (text === null) return
    const { version, plan } = JSON.parse(text) as Announcement
    const { name } = plan.spec ?? {}
    const ours = cellVersion()
    if (version !== ours) {
      throw new LazyRestoreError(
        'mismatch',
        `sweep "${name}": found version ${version}, expected ${ours}, this worker's`,
      )
    }
    const here = await this.#localise(plan).catch(error => this.#tryLater(run, error))
    if (here === null) return
    const { Worker } = await loadBullmq()
    const cells = new PlannedCells(here)
    const { threads, lockMs } = this.#options
    const worker = new Worker<BatchJob>(queueOf(run), ({ id, data }) => this.#doBatch(run, cells, id!, data.batch), {
      connection: this.#redis,
      prefix: PREFIX,
      // The next batch waits at hand when a thread is done with one.
      concurrency: plan.spec.engine === 'sim' ? 2 * threads : 1,
      lockDuration: lockMs,
      stalledInterval: Math.ceil(lockMs / 2),
      maxStalledCount: MAX_STALLED,
    })
    worker.on('error', () => {}) // connections are made again, and lost locks are somebody else's batches by now
    this.#joined.set(run, { worker, name })
    this.#options.onNote(`sweep "${name}": working`)
  }

  #tryLater(run: string, error: Error): null {
    if (!this.#againMs.has(run)) this.#options.onNote(error.message)
    this.#againMs.set(run, performance.now() + AGAIN_MS)
    return null
  }

  async #leave(run: string): Promise<void> {
    const { worker, name } = this.#joined.get(run)!
    this.#joined.delete(run)
    await worker.close()
    // What this worker has still written when the coordinator had already cleaned up.
    if ((await this.#redis.hexists(RUNS, run)) === 0) await this.#redis.del(resultsKey(run), ...queueKeys(run))
    this.#options.onNote(`sweep "${name}": left`)
  }

  /** Without a sweep no file stays open; the threads of the next one are ready when it comes. */
  async #renewPool(): Promise<void> {
    const used = this.#pool
    this.#pool = readyPool(this.#options.threads)
    await used.close()
  }

  /** The plan with its files as they lie here. @throws LazyRestoreError `io` for one that is not there */
  async #localise(plan: SweepPlan): Promise<SweepPlan> {
    await this.#index.refresh()
    const { snapshots, traces, spec } = plan
    const find = async (
      files: Readonly<Record<string, KnownFile>>,
      kind: string,
      look: (identity: string) => Promise<string | null> | string | null,
    ): Promise<Record<string, KnownFile>> => {
      const found: Record<string, KnownFile> = {}
      for (const [text, file] of Object.entries(files)) {
        const path = await look(file.identity)
        if (path === null) {
          throw new LazyRestoreError(
            'io',
            `sweep "${spec.name}": found no ${kind} of identity ${file.identity} (${file.name}) under --snapshot-root, expected one; looking again every ${AGAIN_MS / 1000} s`,
          )
        }
        found[text] = { ...file, path }
      }
      return found
    }
    return {
      ...plan,
      snapshots: await find(snapshots, 'snapshot', identity => this.#index.snapshot(identity)),
      traces: await find(traces, 'trace', digest => this.#index.trace(digest)),
    }
  }

  async #doBatch(run: string, cells: PlannedCells, job: string, batch: readonly number[]): Promise<void> {
    try {
      const ended = await runOnPool(this.#pool, cells, batch, this.#stop.signal)
      await this.#redis
        .multi()
        .hsetnx(resultsKey(run), job, encodeBatch(batch, ended))
        .expire(resultsKey(run), RESULTS_S)
        .exec()
    } catch (error) {
      if (error instanceof BatchLost) throw new Error(`${error.code}: ${error.message}`, { cause: error })
      throw error
    }
  }
}

function readyPool(threads: number): JobPool {
  return sweepPool(threads, DEFAULT_LIMITS, threads)
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done, { once: true })
    function done(): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
  })
}

/** Returns when the work is done, or at the signal. @throws what the work throws before */
function orAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => resolve()
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
