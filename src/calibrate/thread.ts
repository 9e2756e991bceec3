/** The entry of a thread that measures: does one work, posts what comes of it, and ends. See measuring-thread.ts. */
import { parentPort, workerData } from 'node:worker_threads'
import { readDevice } from './device/read-device.ts'
import type { ReaderJob } from './device/reader-job.ts'
import { measureCalls, type ProbeJob } from './probes/calls.ts'
import { measureGuest } from './probes/guest-probe.ts'
import { answer } from './round-trip/answer.ts'
import type { RoundTripJob } from './round-trip/schedule.ts'
import { touch } from './round-trip/touch.ts'

export type Work =
  | { readonly role: 'calls'; readonly job: ProbeJob }
  | { readonly role: 'guest'; readonly job: { readonly budgetMs: number } }
  | { readonly role: 'answer'; readonly job: RoundTripJob }
  | { readonly role: 'touch'; readonly job: RoundTripJob }
  | { readonly role: 'read-device'; readonly job: ReaderJob }

const { role, job } = workerData as Work
const post = (message: unknown) => parentPort?.postMessage(message)
const onReady = () => post('ready')

switch (role) {
  case 'calls':
    post(measureCalls(job))
    break
  case 'guest':
    post(measureGuest(job.budgetMs))
    break
  case 'answer':
    answer(job, onReady)
    break
  case 'touch':
    post(touch(job))
    break
  case 'read-device':
    readDevice(job, onReady)
}
