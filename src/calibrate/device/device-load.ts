/** Loads a device with reads from several threads, as the engine's handlers and workers do, and counts what it delivers. */
import { setTimeout as sleep } from 'node:timers/promises'
import { LazyRestoreError } from '../../core/error.ts'
import { MeasuringThread } from '../measuring-thread.ts'
import type { MeasuredFile } from './measured-file.ts'
import {
  CONTROL_WORDS,
  DONE,
  END_GENERATION,
  GENERATION,
  MILLISECONDS,
  MODE,
  MOST_READS,
  NEXT_SLOT,
  RANDOM,
  READ_BYTES,
  type ReaderJob,
  SEQUENTIAL,
  THREADS,
} from './reader-job.ts'

const LIMIT_MS = 15_000

export interface Phase {
  readonly threads: number
  readonly readBytes: number
  readonly sequential: boolean
}

export interface PhaseResult {
  readonly latenciesNs: Float64Array
  readonly readsPerS: number
  readonly bytesPerS: number
  /** Mean CPU of a read on the thread that reads; 0 where the kernel does not tell. */
  readonly cpuPerReadNs: number
}

export class DeviceLoad {
  readonly #control = new Int32Array(new SharedArrayBuffer(CONTROL_WORDS * 4))
  readonly #jobs: readonly ReaderJob[]
  readonly #threads: readonly MeasuringThread[]

  /** Starts the threads. */
  static async start(file: MeasuredFile, threads: number): Promise<DeviceLoad> {
    const load = new DeviceLoad(file, threads)
    try {
      for (const thread of load.#threads) await thread.receive(LIMIT_MS)
    } catch (error) {
      await load.close()
      throw error
    }
    return load
  }

  private constructor(file: MeasuredFile, threads: number) {
    this.#jobs = Array.from({ length: threads }, (_, index) => ({
      index,
      file: file.direct,
      fileBytes: file.byteLength,
      control: this.#control,
      latenciesNs: new Float64Array(new SharedArrayBuffer(MOST_READS * 8)),
      totals: new Float64Array(new SharedArrayBuffer(16)),
    }))
    this.#threads = this.#jobs.map(job => new MeasuringThread({ role: 'read-device', job }))
  }

  async run({ threads, readBytes, sequential }: Phase, milliseconds: number): Promise<PhaseResult> {
    const control = this.#control
    control[THREADS] = threads
    control[READ_BYTES] = readBytes
    control[MODE] = sequential ? SEQUENTIAL : RANDOM
    control[MILLISECONDS] = milliseconds
    control[NEXT_SLOT] = 0
    Atomics.store(control, DONE, 0)
    const startMs = performance.now()
    Atomics.add(control, GENERATION, 1)
    Atomics.notify(control, GENERATION)
    await this.#awaitDone(threads, milliseconds)
    const seconds = (performance.now() - startMs) / 1000
    const jobs = this.#jobs.slice(0, threads)
    const reads = jobs.reduce((sum, { totals }) => sum + totals[0], 0)
    const cpuNs = jobs.reduce((sum, { totals }) => sum + totals[1], 0)
    const latenciesNs = new Float64Array(reads)
    let at = 0
    for (const job of jobs) {
      latenciesNs.set(job.latenciesNs.subarray(0, job.totals[0]), at)
      at += job.totals[0]
    }
    return {
      latenciesNs,
      readsPerS: reads / seconds,
      bytesPerS: (reads * readBytes) / seconds,
      cpuPerReadNs: cpuNs / Math.max(1, reads),
    }
  }

  async close(): Promise<void> {
    Atomics.store(this.#control, GENERATION, END_GENERATION)
    Atomics.notify(this.#control, GENERATION)
    await Promise.allSettled(this.#threads.map(thread => thread.end(LIMIT_MS)))
  }

  /** Sleeps through the phase, so as not to disturb it. */
  async #awaitDone(threads: number, milliseconds: number): Promise<void> {
    const deadline = Date.now() + milliseconds + LIMIT_MS
    await sleep(milliseconds)
    while (Atomics.load(this.#control, DONE) < threads) {
      for (const thread of this.#threads) thread.check()
      if (Date.now() > deadline) {
        const done = Atomics.load(this.#control, DONE)
        throw new LazyRestoreError('limit', `calibrate: found ${done} readers done, expected ${threads} by now`)
      }
      await sleep(2)
    }
  }
}
