/** The server's end of the thread that holds the sessions: calls with a number, so many at a time, each with a limit of time. */
import { Worker } from 'node:worker_threads'
import type { Encoding } from '../http/encoding.ts'
import { HttpError } from '../http/errors.ts'
import { builtFile } from '../jobs/built-file.ts'
import { errorOf } from '../jobs/failure.ts'
import type { Limits } from '../limits.ts'
import type {
  Encoded,
  SessionCall,
  SessionCallName,
  SessionCalls,
  SessionLimits,
  SessionReply,
  SessionSize,
} from './call.ts'

const WORKER = builtFile('sessions/worker.js', import.meta.url)
const HEAP_MB = 1024
const RETRY_AFTER_S = 1

export interface Answered<K extends SessionCallName, E extends Encoding | null = null> {
  readonly answer: Encoded<K, E>
  /** Null: the session is gone. */
  readonly size: SessionSize | null
}

interface Waiting {
  readonly resolve: (answered: Answered<SessionCallName, Encoding | null>) => void
  readonly reject: (error: unknown) => void
  readonly timer: NodeJS.Timeout
}

export class SessionThread {
  readonly #limits: Limits
  readonly #onLost: () => void
  readonly #waiting = new Map<number, Waiting>()
  /** Memory that its sessions share. */
  sharedBytes = 0
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

  /**
   * @param encoding what the thread encodes the answer in; null: not at all
   * @throws HttpError `busy`, `timeout`; LazyRestoreError what the work threw
   */
  call<K extends SessionCallName, E extends Encoding | null = null>(
    session: string,
    name: K,
    parameters: SessionCalls[K],
    encoding: E = null as E,
  ): Promise<Answered<K, E>> {
    const { queuedBatches, requestMs } = this.#limits
    if (this.#waiting.size >= queuedBatches) {
      throw new HttpError('busy', `found ${queuedBatches} calls of sessions waiting`, { retryAfterS: RETRY_AFTER_S })
    }
    const number = this.#calls++
    const worker = this.#start()
    return new Promise<Answered<K, E>>((resolve, reject) => {
      const timer = setTimeout(() => this.#late(number), requestMs)
      this.#waiting.set(number, { resolve: resolve as Waiting['resolve'], reject, timer })
      worker.postMessage({ number, session, name, arguments: parameters, encoding } satisfies SessionCall<K>)
    })
  }

  async close(): Promise<void> {
    const worker = this.#worker
    this.#worker = null
    await worker?.terminate()
  }

  #start(): Worker {
    if (this.#worker !== null) return this.#worker
    const { snapshotPages, workloadAccesses, sessionAccesses } = this.#limits
    const worker = new Worker(WORKER, {
      workerData: { snapshotPages, workloadAccesses, sessionAccesses } satisfies SessionLimits,
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
    })
    worker.on('message', (reply: SessionReply) => {
      if ('sharedBytes' in reply) this.sharedBytes = reply.sharedBytes
      const waiting = this.#take(reply.number)
      if (waiting === undefined) return
      if ('failure' in reply) waiting.reject(errorOf(reply.failure))
      else waiting.resolve(reply)
    })
    // It is followed by `exit`.
    worker.on('error', () => {})
    worker.on('exit', () => {
      if (this.#worker === worker) this.#worker = null
      this.sharedBytes = 0
      const lost = new HttpError('busy', 'the sessions were lost: their thread has ended', {
        retryAfterS: RETRY_AFTER_S,
      })
      for (const number of [...this.#waiting.keys()]) this.#take(number)?.reject(lost)
      this.#onLost()
    })
    this.#worker = worker
    return worker
  }

  #late(number: number): void {
    const seconds = this.#limits.requestMs / 1000
    this.#take(number)?.reject(new HttpError('timeout', `found no answer after ${seconds} s, expected one`))
  }

  #take(number: number): Waiting | undefined {
    const waiting = this.#waiting.get(number)
    if (waiting !== undefined) clearTimeout(waiting.timer)
    this.#waiting.delete(number)
    return waiting
  }
}
