/** Loads a device with reads from several threads, as the engine's handlers and workers do, and counts what it delivers. */
import { setTimeout as sleep } from 'node:timers/promises'
import { LazyRestoreError } from '../../core/error.ts'
import { readAnew } from '../../uffd/engine/file-cache-state.ts'
import { evictFile } from '../../uffd/page-cache-control.ts'
import { MeasuringThread } from '../measuring-thread.ts'
import type { MeasuredFile } from './measured-file.ts'
import {
  CONTROL_WORDS,
  DONE,
  END_GENERATION,
  GENERATION,
  MILLISECONDS,
  MOST_READS,
  NEXT_PLACE,
  READ_BYTES,
  type ReaderJob,
  THREADS,
  WAY,
  WAYS,
  type Way,
} from './reader-job.ts'

const LIMIT_MS = 15_000

export interface Phase {
  readonly threads: number
  readonly readBytes: number
  readonly way: Way
  /** It takes so long to do it once. */
  readonly leastMs?: number
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
  readonly #file: MeasuredFile
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
    this.#file = file
    this.#jobs = Array.from({ length: threads }, (_, index) => ({
      index,
      direct: file.direct,
      buffered: file.buffered,
      fileBytes: file.byteLength,
      control: this.#control,
      latenciesNs: new Float64Array(new SharedArrayBuffer(MOST_READS * 8)),
      totals: new Float64Array(new SharedArrayBuffer(24)),
    }))
    this.#threads = this.#jobs.map(job => new MeasuringThread({ role: 'read-device', job }))
  }

  async run({ threads, readBytes, way }: Phase, milliseconds: number): Promise<PhaseResult> {
    const control = this.#control
    // What a hypervisor has had back meanwhile must not be what the windows are read into; validate-command.ts says why.
    if (way === 'ahead') await readAnew(`/proc/self/fd/${this.#file.buffered}`)
    if (way === 'alone' || way === 'ahead') evictFile(this.#file.buffered)
    control[THREADS] = threads
    control[READ_BYTES] = readBytes
    control[WAY] = WAYS.indexOf(way)
    control[MILLISECONDS] = milliseconds
    // To read again is to read what the phase before has read.
    if (way !== 'again') control[NEXT_PLACE] = 0
    Atomics.store(control, DONE, 0)
    Atomics.add(control, GENERATION, 1)
    Atomics.notify(control, GENERATION)
    await this.#awaitDone(threads, milliseconds)
    const jobs = this.#jobs.slice(0, threads)
    const reads = jobs.reduce((sum, { totals }) => sum + totals[0], 0)
    const readsPerS = jobs.reduce((sum, { totals }) => sum + (totals[0] * 1e9) / totals[2], 0)
    const cpuNs = jobs.reduce((sum, { totals }) => sum + totals[1], 0)
    const latenciesNs = new Float64Array(reads)
    let at = 0
    for (const job of jobs) {
      latenciesNs.set(job.latenciesNs.subarray(0, job.totals[0]), at)
      at += job.totals[0]
    }
    return {
      latenciesNs,
      readsPerS,
      bytesPerS: readsPerS * readBytes,
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
