/**
 * Workers on other machines, over BullMQ: a batch is a job. A worker writes the batch's result to a hash of Redis before it
 * ends the job, under the job's id and only if there is none, so that a job that was given out twice has one result; from
 * there it comes to the store. Jobs of workers that fell silent are given to others by BullMQ (stalled jobs).
 */
import type { Queue, QueueEvents } from 'bullmq'
import type { Redis } from 'ioredis'
import { LazyRestoreError } from 'lazyrestore'
import { decodeBatch } from '../../jobs/ended-batch.ts'
import type { EndedCellBytes } from '../../jobs/job.ts'
import { withLimit } from '../../with-limit.ts'
import { BatchLost, type CellExecutor } from '../executor.ts'
import type { SweepPlan } from '../plan.ts'
import { preferThroughput } from '../throughput.ts'
import { connectRedis, loadBullmq, type RedisAddress } from './connection.ts'
import {
  ALIVE_S,
  type Announcement,
  aliveKey,
  type BatchJob,
  type BatchResult,
  PREFIX,
  queueOf,
  RESULTS_S,
  RUNS,
  resultsKey,
} from './keys.ts'

/** Batches that wait or run: enough for many workers, few enough that the last ones are small. */
const WIDTH = 64
/** A cell that fails with its worker is tried so often. */
const ATTEMPTS = 3
const RETRY_MS = 500
const BEAT_MS = 5000
/** No reply for so long is a Redis that is gone. */
const SILENCE_MS = 60_000
const CLOSE_MS = 10_000

interface Waiting {
  readonly resolve: (ended: readonly EndedCellBytes[]) => void
  readonly reject: (error: unknown) => void
}

export class RedisExecutor implements CellExecutor {
  readonly width = WIDTH
  readonly batchCells: number | null
  readonly #run: string
  readonly #redis: Redis
  readonly #queue: Queue<BatchJob>
  readonly #events: QueueEvents
  readonly #beat: NodeJS.Timeout
  readonly #waiting = new Map<string, Waiting>()
  #jobs = 0
  #workers = 0
  #beating: Promise<void> | null = null
  #lastReplyMs = performance.now()

  private constructor(run: string, plan: SweepPlan, redis: Redis, queue: Queue<BatchJob>, events: QueueEvents) {
    this.#run = run
    this.#redis = redis
    this.#queue = queue
    this.#events = events
    this.batchCells = plan.spec.engine === 'sim' ? null : 1
    queue.on('error', () => {})
    events.on('error', () => {})
    events.on('completed', ({ jobId }) => void this.#fetch(jobId))
    events.on('failed', ({ jobId, failedReason }) => this.#lose(jobId, failedReason))
    this.#beat = setInterval(() => this.#beatOnce(), BEAT_MS)
  }

  /** Announces the run to workers. @param run a name that no other has @throws LazyRestoreError `io`, `unsupported` */
  static async open(address: RedisAddress, run: string, plan: SweepPlan): Promise<RedisExecutor> {
    preferThroughput()
    const { Queue, QueueEvents } = await loadBullmq()
    const redis = await connectRedis(address)
    const queue = new Queue<BatchJob>(queueOf(run), { connection: redis, prefix: PREFIX })
    const events = new QueueEvents(queueOf(run), {
      connection: redis,
      prefix: PREFIX,
    })
    const executor = new RedisExecutor(run, plan, redis, queue, events)
    await events.waitUntilReady()
    await redis.set(aliveKey(run), '1', 'EX', ALIVE_S)
    const announcement: Announcement = { version: plan.version, plan: withoutPaths(plan) }
    await redis.hset(RUNS, run, JSON.stringify(announcement))
    return executor
  }

  run(batch: readonly number[], signal: AbortSignal): Promise<readonly EndedCellBytes[]> {
    const jobId = `b${this.#jobs++}`
    return new Promise((resolve, reject) => {
      const onAbort = (): void => settle(() => reject(signal.reason))
      const settle = (end: () => void): void => {
        this.#waiting.delete(jobId)
        signal.removeEventListener('abort', onAbort)
        end()
      }
      this.#waiting.set(jobId, {
        resolve: ended => settle(() => resolve(ended)),
        reject: error => settle(() => reject(error)),
      })
      signal.addEventListener('abort', onAbort, { once: true })
      const attempts = batch.length === 1 ? ATTEMPTS : 1
      const options = { jobId, attempts, backoff: RETRY_MS, removeOnComplete: true, removeOnFail: true }
      this.#queue.add('batch', { batch }, options).catch(reject)
    })
  }

  /** A worker has two for each of its threads, of which there is at least one. */
  get lanes(): number {
    return this.#workers === 0 ? WIDTH : Math.min(WIDTH, 2 * this.#workers)
  }

  describe(): string {
    return `${this.#workers} ${this.#workers === 1 ? 'worker' : 'workers'}`
  }

  /** Ends the run on Redis. Results that nobody has fetched are dropped; `leftOver` gives them first. */
  async close(): Promise<void> {
    clearInterval(this.#beat)
    // A Redis that is gone must not keep the sweep from ending.
    await withLimit(removeRun(this.#redis, this.#queue, this.#run), CLOSE_MS)
    await withLimit(Promise.all([this.#events.close(), this.#queue.close()]), CLOSE_MS)
    this.#redis.disconnect()
  }

  /** What workers have done that has not come to the store. */
  async leftOver(): Promise<BatchResult[]> {
    let results: BatchResult[] = []
    const reading = readResults(this.#redis, this.#run).then(found => {
      results = found
    })
    await withLimit(reading, CLOSE_MS)
    return results
  }

  async #fetch(jobId: string): Promise<void> {
    const waiting = this.#waiting.get(jobId)
    if (waiting === undefined) return
    try {
      const bytes = await this.#redis.hgetBuffer(resultsKey(this.#run), jobId)
      if (bytes === null) return waiting.reject(new BatchLost('internal', `job ${jobId}: found no result of it`))
      await this.#redis.hdel(resultsKey(this.#run), jobId)
      waiting.resolve(decodeBatch(bytes)[1])
    } catch (error) {
      waiting.reject(error)
    }
  }

  #lose(jobId: string, reason: string): void {
    const [, code = 'internal', message = reason] = /^([a-z-]+): (.*)$/s.exec(reason) ?? []
    this.#waiting.get(jobId)?.reject(new BatchLost(code, message))
  }

  /** Says that the coordinator lives, counts workers, and looks for results whose event was lost with a connection. */
  #beatOnce(): void {
    // One that waits for a connection is not followed by others.
    this.#beating ??= this.#ask()
      .catch(() => {})
      .finally(() => {
        this.#beating = null
      })
    if (performance.now() - this.#lastReplyMs < SILENCE_MS) return
    const error = new LazyRestoreError('io', `redis: found no reply for ${SILENCE_MS / 1000} s, expected one`)
    for (const { reject } of [...this.#waiting.values()]) reject(error)
  }

  async #ask(): Promise<void> {
    await this.#redis.set(aliveKey(this.#run), '1', 'EX', ALIVE_S)
    this.#workers = await this.#queue.getWorkersCount()
    for (const jobId of await this.#redis.hkeys(resultsKey(this.#run))) await this.#fetch(jobId)
    this.#lastReplyMs = performance.now()
  }
}

/** Where files lie here says nothing elsewhere. */
function withoutPaths(plan: SweepPlan): SweepPlan {
  const bare = (files: SweepPlan['snapshots']): SweepPlan['snapshots'] =>
    Object.fromEntries(Object.entries(files).map(([text, file]) => [text, { ...file, path: '' }]))
  return { ...plan, snapshots: bare(plan.snapshots), traces: bare(plan.traces) }
}

/** Takes what an earlier run has left on Redis, and removes it there. */
export async function takeLeftOver(address: RedisAddress, run: string): Promise<BatchResult[]> {
  const { Queue } = await loadBullmq()
  const redis = await connectRedis(address)
  const queue = new Queue<BatchJob>(queueOf(run), { connection: redis, prefix: PREFIX })
  queue.on('error', () => {})
  try {
    const results = await readResults(redis, run)
    await removeRun(redis, queue, run)
    return results
  } finally {
    await queue.close()
    redis.disconnect()
  }
}

async function readResults(redis: Redis, run: string): Promise<BatchResult[]> {
  const found = await redis.hvalsBuffer(resultsKey(run))
  return found.map(decodeBatch)
}

/** First what makes workers begin, then what they work on. */
async function removeRun(redis: Redis, queue: Queue<BatchJob>, run: string): Promise<void> {
  await redis.hdel(RUNS, run)
  await redis.del(aliveKey(run))
  await queue.obliterate({ force: true })
  // A worker that was in the middle of a batch may still write.
  if ((await redis.exists(resultsKey(run))) === 1) await redis.del(resultsKey(run))
  await redis.expire(resultsKey(run), RESULTS_S)
}
