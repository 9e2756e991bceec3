/**
 * Threads that are kept from restore to restore: their code is compiled by then, which a restore of some ms would otherwise
 * pay for. A thread is never terminated, as that ends the process while it is inside a native call; it is asked to end.
 */
import { Worker } from 'node:worker_threads'
import { type ErrorCode, LazyRestoreError } from '../../core/error.ts'
import type { CarrierOutcome } from './carrier-thread.ts'
import type { CarrierJob, Job } from './job.ts'
import type { ThreadMessage } from './thread.ts'

/** Node runs no TypeScript in workers; from the sources, the built thread is taken. */
const ENTRY = new URL('./thread.js', import.meta.url.replace('/src/', '/dist/'))

/** A job under way. */
export interface Running<O> {
  /** All is prepared, and the thread waits for its phase. */
  readonly ready: Promise<void>
  readonly outcome: Promise<O>
}

class Thread {
  /** Not with the process's own options: some, such as --input-type, are refused for a file. */
  readonly #worker = new Worker(ENTRY, { execArgv: [] })
  #onMessage: (message: ThreadMessage) => void = () => {}
  #onEnd: (error: Error) => void = () => {}
  readonly exit: Promise<void>
  #ended = false

  constructor() {
    this.#worker.on('message', message => this.#onMessage(message))
    this.#worker.on('error', error => this.#onEnd(error))
    this.exit = new Promise(resolve => {
      this.#worker.on('exit', () => {
        this.#ended = true
        this.#onEnd(new LazyRestoreError('io', 'restore thread: found it ended, expected an outcome'))
        resolve()
      })
    })
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Gets ready for a first job. Without one it does not keep the process. */
  warm(): this {
    this.#worker.postMessage('warm')
    this.#worker.unref()
    return this
  }

  run<O>(job: Job, onFailure: (reason: string) => void): Running<O> {
    this.#worker.ref()
    let onReady: () => void
    const ready = new Promise<void>((resolve, reject) => {
      onReady = resolve
      this.#onEnd = reject
    })
    const outcome = new Promise<O>((resolve, reject) => {
      const fail = (error: Error): void => {
        this.#worker.unref()
        reject(error)
      }
      const rejectReady = this.#onEnd
      this.#onEnd = error => {
        rejectReady(error)
        fail(error)
      }
      this.#onMessage = message => {
        switch (message.kind) {
          case 'ready':
            return onReady()
          case 'failure':
            return onFailure(message.reason)
          case 'error': {
            const error = new LazyRestoreError(message.code as ErrorCode, message.message)
            rejectReady(error)
            return fail(error)
          }
          case 'outcome':
            this.#worker.unref()
            resolve(message.outcome as O)
        }
      }
    })
    // Whoever asks for one of the two may never ask for the other.
    ready.catch(() => {})
    outcome.catch(() => {})
    this.#worker.postMessage(job)
    return { ready, outcome }
  }

  /** Asks the thread to end once its job is done. */
  end(): void {
    this.#worker.postMessage('end')
  }
}

export class ThreadPool {
  /** By role, as each has its own code that is compiled. */
  readonly #idle = new Map<Job['role'], Thread[]>()
  #closed = false
  readonly #mostIdle: number

  /** @param mostIdle threads of each role that are kept without a job */
  constructor(mostIdle = Number.POSITIVE_INFINITY) {
    this.#mostIdle = mostIdle
  }

  /** Starts threads before there are jobs for them, which then need not wait for their start. */
  warm(role: Job['role'], count: number): void {
    const idle = this.#idleOf(role)
    while (idle.length < Math.min(count, this.#mostIdle)) idle.push(new Thread().warm())
  }

  run(job: CarrierJob, onFailure: (reason: string) => void): Running<CarrierOutcome>
  run(job: Job, onFailure: (reason: string) => void): Running<unknown>
  run(job: Job, onFailure: (reason: string) => void): Running<unknown> {
    const thread = this.#idleOf(job.role).pop() ?? new Thread()
    const running = thread.run(job, onFailure)
    const release = (): void => {
      const idle = this.#idleOf(job.role)
      if (this.#closed || idle.length >= this.#mostIdle) thread.end()
      else if (!thread.ended) idle.push(thread)
    }
    running.outcome.then(release, release)
    return running
  }

  /** Those of a role that are still alive: one may have run out of memory without a job. */
  #idleOf(role: Job['role']): Thread[] {
    const idle = (this.#idle.get(role) ?? []).filter(({ ended }) => !ended)
    this.#idle.set(role, idle)
    return idle
  }

  /** @returns when the threads that had no job have ended, for which the process does not wait; one that has a job ends after it */
  async close(): Promise<void> {
    this.#closed = true
    const idle = [...this.#idle.values()].flatMap(threads => threads.splice(0))
    for (const thread of idle) thread.end()
    await Promise.all(idle.map(({ exit }) => exit))
  }
}
