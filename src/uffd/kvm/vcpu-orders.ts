/** Orders to vCPU threads through one shared word: wait, run, stop. */
import { interruptRunner, type VcpuOrders } from './vcpu-runner.ts'

export const SIGNAL_WAIT = 0
export const SIGNAL_RUN = 1
export const SIGNAL_STOP = 2
export type Signal = typeof SIGNAL_WAIT | typeof SIGNAL_RUN | typeof SIGNAL_STOP

/** Of any number of threads; SIGNAL_WAIT at first. */
export function createSignal(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4))
}

/**
 * Gives a signal to all threads that look at it. SIGNAL_STOP also interrupts those of `jobs`, whatever their guests do: compute,
 * be halted, or sleep for a page. Only a guest that the host interprets, and that sleeps for a page, goes on until somebody
 * installs it or closes the userfaultfd.
 */
export function giveSignal(
  signal: Int32Array,
  value: Signal,
  jobs: readonly { readonly threadId: Int32Array }[],
): void {
  Atomics.store(signal, 0, value)
  Atomics.notify(signal, 0)
  if (value === SIGNAL_STOP) for (const job of jobs) interruptRunner(job)
}

export class SignalOrders implements VcpuOrders {
  readonly #signal: Int32Array

  constructor(signal: Int32Array) {
    this.#signal = signal
  }

  get stopped(): boolean {
    return Atomics.load(this.#signal, 0) === SIGNAL_STOP
  }

  /** Sleeps until the vCPU may run or is stopped, at most `limitMs`; false when neither came. */
  awaitRun(limitMs: number): boolean {
    return Atomics.wait(this.#signal, 0, SIGNAL_WAIT, limitMs) !== 'timed-out'
  }

  sleep(ns: number): void {
    Atomics.wait(this.#signal, 0, SIGNAL_RUN, ns / 1e6)
  }
}
