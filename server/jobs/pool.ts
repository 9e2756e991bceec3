/**
 * Where jobs are done: cells of experiments on threads of their own, so that a long restore keeps no request waiting; the
 * rest, which somebody waits for, on others; and restores by real engines in a process, which may die without the server.
 */
import { LazyRestoreError } from 'lazyrestore'
import { Piscina } from 'piscina'
import { HttpError } from '../http/errors.ts'
import type { Limits } from '../limits.ts'
import { builtFile } from './built-file.ts'
import { errorOf } from './failure.ts'
import type { JobAnswers, JobKind, JobReply, JobRequest } from './job.ts'
import { JobProcess } from './job-process.ts'

const WORKER = builtFile('jobs/worker.js', import.meta.url)
const IDLE_MS = 30_000
const REQUEST_THREADS = 1
/** JavaScript objects of a job; columns and bitmaps lie outside of it, and have limits of their own. */
const HEAP_MB = 1024
const RETRY_AFTER_S = 2

type RequestOf<K extends JobKind> = Extract<JobRequest, { kind: K }>

export class JobPool {
  readonly #cells: Piscina
  readonly #requests: Piscina
  readonly #process = new JobProcess(builtFile('jobs/process.js', import.meta.url))
  readonly #limits: Limits

  /** @param ready threads for cells that are started at once, and stay; others come with work, and go without */
  constructor(cellThreads: number, limits: Limits, ready = 0) {
    this.#limits = limits
    this.#cells = createThreads(ready, cellThreads, cellThreads)
    this.#requests = createThreads(0, REQUEST_THREADS, limits.queuedRequests)
  }

  /** Jobs that wait for a thread. */
  get waiting(): number {
    return this.#cells.queueSize + this.#requests.queueSize
  }

  /**
   * Does the job. When the signal aborts, its thread or process is ended, and the signal's reason thrown.
   * @throws LazyRestoreError what the work threw; HttpError `busy` when too many wait, `timeout` when it took too long
   */
  async run<K extends JobKind>(request: RequestOf<K>, signal?: AbortSignal): Promise<JobAnswers[K]> {
    const isCells = request.kind === 'cell' || request.kind === 'cells'
    const limitMs = isCells ? this.#limits.cellMs : this.#limits.requestMs
    const timeout = AbortSignal.timeout(limitMs)
    const either = signal === undefined ? timeout : AbortSignal.any([signal, timeout])
    const { snapshotPages, workloadAccesses } = this.#limits
    const job = { ...request, limits: { snapshotPages, workloadAccesses } }
    try {
      const reply: JobReply<K> = isReal(request)
        ? await this.#process.run(job, either)
        : await (isCells ? this.#cells : this.#requests).run(job, { name: 'runJob', signal: either })
      if ('failure' in reply) throw errorOf(reply.failure)
      return reply.answer
    } catch (error) {
      if (signal?.aborted) throw signal.reason
      if (timeout.aborted) throw new HttpError('timeout', `found no end after ${limitMs / 1000} s, expected one`)
      throw foreseen(error)
    }
  }

  async close(): Promise<void> {
    this.#process.close()
    // A thread that is ended in the middle of a job may still answer, which is an error to nobody.
    for (const threads of [this.#cells, this.#requests]) threads.on('error', () => {})
    await Promise.all([this.#cells.destroy(), this.#requests.destroy()])
  }
}

export function isReal(request: JobRequest): boolean {
  if (request.kind === 'cells') return request.cells.some(({ engine }) => engine !== 'sim')
  return request.kind === 'cell' && request.cell.engine !== 'sim'
}

function createThreads(minThreads: number, maxThreads: number, maxQueue: number): Piscina {
  return new Piscina({
    filename: WORKER.href,
    minThreads,
    maxThreads,
    maxQueue,
    idleTimeout: IDLE_MS,
    concurrentTasksPerWorker: 1,
    // A thread that sleeps between jobs would leave files open that the last one let go.
    atomics: 'disabled',
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
  })
}

/** What the threads themselves can say. */
function foreseen(error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') return new LazyRestoreError('limit', 'found no memory for it')
  if (error instanceof Error && /queue is at limit|task queue/i.test(message)) {
    return new HttpError('busy', 'too many requests wait for a thread', { retryAfterS: RETRY_AFTER_S })
  }
  return error
}
