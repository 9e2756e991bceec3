/**
 * A thread for one run of a vCPU, for `new Worker`: says that it is ready, and posts the result. It ends by itself; it must not
 * be terminated, which does not end KVM_RUN.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { type GuestVcpuJob, runGuestVcpu, type VcpuResult } from './run-vcpu.ts'

export type VcpuThreadMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'result'; readonly result: VcpuResult }
  | { readonly kind: 'error'; readonly message: string }

const post = (message: VcpuThreadMessage) => parentPort!.postMessage(message)

try {
  post({ kind: 'result', result: runGuestVcpu(workerData as GuestVcpuJob, () => post({ kind: 'ready' })) })
} catch (error) {
  post({ kind: 'error', message: (error as Error).message })
}
