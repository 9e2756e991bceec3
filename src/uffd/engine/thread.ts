/** The entry of an engine's thread: takes job after job, says when it is ready, runs, posts the outcome. */
import { parentPort } from 'node:worker_threads'
import { MIB } from '../../core/units.ts'
import { boundToCpu } from '../cpu-affinity.ts'
import { runGuestVcpu } from '../kvm/run-vcpu.ts'
import { runCarrier, ThreadScratch } from './carrier-thread.ts'
import type { Job } from './job.ts'
import { runVcpu } from './vcpu.ts'

export type ThreadMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failure'; readonly reason: string }
  | { readonly kind: 'outcome'; readonly outcome: unknown }
  | { readonly kind: 'error'; readonly code: string; readonly message: string }

const SMALL_PAGE = 4096

const port = parentPort!
const scratch = new ThreadScratch()
const post = (message: ThreadMessage): void => port.postMessage(message)
const onReady = (): void => post({ kind: 'ready' })

function run(job: Job): unknown {
  switch (job.role) {
    case 'vcpu':
      return boundToCpu(job.vcpu, () => runVcpu(job, onReady))
    case 'guest':
      return boundToCpu(job.guest.vcpu, () => runGuestVcpu(job, onReady))
    default:
      return boundToCpu(job.cpu, () => runCarrier(job, scratch, onReady, reason => post({ kind: 'failure', reason })))
  }
}

port.on('message', (job: Job | 'end' | 'warm') => {
  if (job === 'warm') {
    // What the first job would otherwise wait for.
    scratch.atLeast(MIB, SMALL_PAGE)
    return
  }
  if (job === 'end') {
    scratch.close()
    port.close()
    return
  }
  try {
    post({ kind: 'outcome', outcome: run(job) })
  } catch (error) {
    const { code, message } = error as Error & { code?: string }
    post({ kind: 'error', code: code ?? 'io', message })
  }
})
