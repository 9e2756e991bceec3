/** The entry of a thread that measures: does one work, posts what comes of it, and ends. See measuring-thread.ts. */
import { parentPort, workerData } from 'node:worker_threads'
import type { CoreShareJob } from './core-share.ts'
import type { ReaderJob } from './device/reader-job.ts'
import type { ProbeJob } from './probes/calls.ts'
import type { RoundTripJob } from './round-trip/schedule.ts'
import type { ShootdownJob } from './shootdown.ts'
import type { TouchBesideJob } from './touch-beside.ts'

export type Work =
  | { readonly role: 'calls'; readonly job: ProbeJob }
  | { readonly role: 'guest'; readonly job: { readonly budgetMs: number } }
  | { readonly role: 'share'; readonly job: CoreShareJob }
  | { readonly role: 'shoot-down' | 'interrupted'; readonly job: ShootdownJob }
  | { readonly role: 'touch-beside'; readonly job: TouchBesideJob }
  | { readonly role: 'answer'; readonly job: RoundTripJob }
  | { readonly role: 'touch' | 'occupy'; readonly job: RoundTripJob }
  | { readonly role: 'read-device'; readonly job: ReaderJob }

const { role, job } = workerData as Work
const post = (message: unknown) => parentPort?.postMessage(message)
const onReady = () => post('ready')

// Only what the work needs is loaded: there are many threads that read the device.
switch (role) {
  case 'calls':
    post((await import('./probes/calls.ts')).measureCalls(job))
    break
  case 'guest':
    post((await import('./probes/guest-probe.ts')).measureGuest(job.budgetMs))
    break
  case 'share':
    post((await import('./core-share.ts')).spinInWindows(job))
    break
  case 'shoot-down':
    post((await import('./shootdown.ts')).shootDown(job))
    break
  case 'interrupted':
    post((await import('./shootdown.ts')).beInterrupted(job))
    break
  case 'touch-beside':
    post((await import('./touch-beside.ts')).touchBeside(job))
    break
  case 'answer':
    ;(await import('./round-trip/answer.ts')).answer(job, onReady)
    break
  case 'touch':
    post((await import('./round-trip/touch.ts')).touch(job))
    break
  case 'occupy':
    ;(await import('./round-trip/occupy.ts')).occupy(job)
    break
  case 'read-device':
    ;(await import('./device/read-device.ts')).readDevice(job, onReady)
}
