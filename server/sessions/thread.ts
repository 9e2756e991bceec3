/** The server's end of the thread that holds the sessions: calls with a number, so many at a time, each with a limit of time. */
import { Worker } from 'node:worker_threads'
import { HttpError } from '../http/errors.ts'
import { builtFile } from '../jobs/built-file.ts'
import { errorOf } from '../jobs/failure.ts'
import type { Limits } from '../limits.ts'
import type { SessionAnswers, SessionCall, SessionCallName, SessionCalls, SessionReply, SessionSize } from './call.ts'

const WORKER = builtFile('sessions/worker.js', import.meta.url)
const HEAP_MB = 1024
const RETRY_AFTER_S = 1

export interface Answered<K extends SessionCallName> {
  readonly answer: SessionAnswers[K]
  /** Null: the session is gone. */
  readonly size: SessionSize | null
}

interface Waiting {
  readonly resolve: (answered: Answered<SessionCallName>) => void
  readonly reject: (error: unknown) => void
  readonly timer: NodeJS.Timeout
}

export class SessionThread {
  readonly #limits: Limits
  readonly #onLost: () => void
  readonly #waiting = new Map<number, Waiting>()
  #worker: Worker | null = null
  #calls = 0

  /** @param onLost the thread has died, and all sessions with it */
  constructor(limits: Limits, onLost: () => void) {
    this.#limits = limits
    this.#onLost = onLost
  }

  /** Calls that wait or are carried out. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** @throws HttpError `busy`, `timeout`; LazyRestoreError what the work threw */
  call<K extends SessionCallName>(session: string, name: K, parameters: SessionCalls[K]): Promise<Answered<K>> {
    const { queuedBatches, requestMs, snapshotPages, workloadAccesses, sessionAccesses } = this.#limits
    if (this.#waiting.size >= queuedBatches) {
      throw new HttpError('busy', `found ${queuedBatches} calls of sessions waiting`, { retryAfterS: RETRY_AFTER_S })
    }
    const number = this.#calls++
    const limits = { snapshotPages, workloadAccesses, sessionAccesses }
    const worker = this.#start()
    return new Promise<Answered<K>>((resolve, reject) => {
      const late = new HttpError('timeout', `found no answer after ${requestMs / 1000} s, expected one`)
      const timer = setTimeout(() => this.#take(number)?.reject(late), requestMs)
      this.#waiting.set(number, { resolve: resolve as Waiting['resolve'], reject, timer })
      worker.postMessage({ number, session, name, arguments: parameters, limits } satisfies SessionCall<K>)
    })
  }

  async close(): Promise<void> {
    const worker = this.#worker
    this.#worker = null
    await worker?.terminate()
  }

  #start(): Worker {
    if (this.#worker !== null) return this.#worker
    const worker = new Worker(WORKER, { execArgv: [], resourceLimits: { maxOldGenerationSizeMb: HEAP_MB } })
    worker.on('message', (reply: SessionReply) => {
      const waiting = this.#take(reply.number)
      if (waiting === undefined) return
      if ('failure' in reply) waiting.reject(errorOf(reply.failure))
      else waiting.resolve(reply)
    })
    // It is followed by `exit`.
    worker.on('error', () => {})
    worker.on('exit', () => {
      if (this.#worker === worker) this.#worker = null
      const lost = new HttpError('busy', 'the sessions were lost: their thread has ended', {
        retryAfterS: RETRY_AFTER_S,
      })
      for (const number of [...this.#waiting.keys()]) this.#take(number)?.reject(lost)
      this.#onLost()
    })
    this.#worker = worker
    return worker
  }

  #take(number: number): Waiting | undefined {
    const waiting = this.#waiting.get(number)
    if (waiting !== undefined) clearTimeout(waiting.timer)
    this.#waiting.delete(number)
    return waiting
  }
}
