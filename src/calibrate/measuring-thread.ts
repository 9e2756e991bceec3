/**
 * Worker threads that measure. Each is started with a job, posts messages, and ends by itself; none is terminated, as it may
 * be in the middle of native code. Every wait for one has a limit.
 */
import { Worker } from 'node:worker_threads'
import { LazyRestoreError } from '../core/error.ts'
import type { Work } from './thread.ts'

/** Node runs no TypeScript in workers; from the sources, the built thread is taken. */
const ENTRY = new URL('./thread.js', import.meta.url.replace('/src/', '/dist/'))

const END_LIMIT_MS = 10_000

export class MeasuringThread {
  readonly #worker: Worker
  readonly #name: string
  readonly #messages: unknown[] = []
  /** Rejects with whatever the thread throws, when it does. */
  readonly failed: Promise<never>
  #failure: Error | null = null
  #ended = false
  #changed: (() => void) | null = null

  constructor(work: Work) {
    this.#name = work.role
    this.#worker = new Worker(ENTRY, { workerData: work })
    this.#worker.on('message', message => this.#change(() => this.#messages.push(message)))
    this.failed = new Promise((_, reject) => {
      this.#worker.on('error', error =>
        this.#change(() => {
          this.#failure = errorOf(error)
          reject(this.#failure)
        }),
      )
    })
    this.failed.catch(() => {})
    this.#worker.on('exit', () =>
      this.#change(() => {
        this.#ended = true
      }),
    )
  }

  /** The next message. @throws LazyRestoreError `limit` when none comes in time; whatever the thread threw. */
  async receive<T>(limitMs: number): Promise<T> {
    await this.#until(() => this.#messages.length > 0 || this.#ended, limitMs, 'a message')
    if (this.#messages.length === 0) throw this.#error('found it at its end', 'a message')
    return this.#messages.shift() as T
  }

  /** Waits until it has ended. @throws as `receive` */
  async end(limitMs: number): Promise<void> {
    await this.#until(() => this.#ended, limitMs, 'its end')
  }

  /** @throws whatever the thread has thrown */
  check(): void {
    if (this.#failure !== null) throw this.#failure
  }

  async #until(isSo: () => boolean, limitMs: number, expected: string): Promise<void> {
    const deadline = Date.now() + limitMs
    while (!isSo()) {
      this.check()
      const leftMs = deadline - Date.now()
      if (leftMs <= 0) throw this.#error(`found nothing in ${limitMs} ms`, expected)
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, leftMs)
        this.#changed = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    this.check()
  }

  #change(apply: () => void): void {
    apply()
    this.#changed?.()
  }

  #error(found: string, expected: string): LazyRestoreError {
    return new LazyRestoreError('limit', `calibrate: thread "${this.#name}": ${found}, expected ${expected}`)
  }
}

/** Its class does not survive the way between threads. */
function errorOf(thrown: Error): Error {
  if (thrown.name !== 'LazyRestoreError') return thrown
  return new LazyRestoreError((thrown as LazyRestoreError).code, `calibrate: ${thrown.message}`, { cause: thrown })
}

/** Runs threads side by side to their ends, which are to come soon after their messages. @returns the message of each */
export async function measureTogether<T extends readonly unknown[]>(
  works: readonly Work[],
  limitMs: number,
): Promise<T> {
  const threads = works.map(work => new MeasuringThread(work))
  const messages = await Promise.all(threads.map(thread => thread.receive(limitMs)))
  for (const thread of threads) await thread.end(END_LIMIT_MS)
  return messages as unknown as T
}
