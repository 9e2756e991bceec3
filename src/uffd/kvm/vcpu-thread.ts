/**
 * The thread of one vCPU, for `new Worker`: reports `ready`, waits for the signal to run, runs, and reports the result. It ends
 * by itself; it must not be terminated, which does not end KVM_RUN.
 */
import { parentPort, workerData } from 'node:worker_threads'
import type { VcpuJob } from './guest.ts'
import { SignalOrders } from './vcpu-orders.ts'
import { type VcpuResult, VcpuRunner } from './vcpu-runner.ts'

/** `workerData`. */
export interface VcpuThreadData {
  readonly job: VcpuJob
  readonly signal: Int32Array
  /** Longest wait for the signal to run. */
  readonly waitMs: number
}

export type VcpuThreadMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'result'; readonly result: VcpuResult }
  /** It could not run. */
  | { readonly kind: 'error'; readonly message: string }

const { job, signal, waitMs } = workerData as VcpuThreadData
const post = (message: VcpuThreadMessage) => parentPort!.postMessage(message)

try {
  const runner = new VcpuRunner(job)
  try {
    post({ kind: 'ready' })
    const orders = new SignalOrders(signal)
    if (orders.awaitRun(waitMs)) post({ kind: 'result', result: runner.run(orders) })
    else post({ kind: 'error', message: `vCPU ${job.vcpu}: found no signal to run within ${waitMs} ms` })
  } finally {
    runner.close()
  }
} catch (error) {
  post({ kind: 'error', message: (error as Error).message })
}
