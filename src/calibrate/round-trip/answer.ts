/**
 * The thread that answers: the engine's own handler with the policy `lazy`, which reads each page from a cached file and installs
 * it, as in a restore; what is taken of it are times. Ends when the other thread has. See schedule.ts.
 */
import { AnswerChain } from '../../uffd/engine/answer-chain.ts'
import { ThreadScratch } from '../../uffd/engine/carrier-thread.ts'
import { Handler } from '../../uffd/engine/handler.ts'
import { FileReader } from '../../uffd/engine/page-reader.ts'
import { HANDLER_SLICE_NS, withTimeSlice } from '../../uffd/engine/time-slice.ts'
import { Userfaultfd } from '../../uffd/userfaultfd.ts'
import { carrierSetup } from '../carrier-setup.ts'
import { letMove, placeThread } from './placement.ts'
import { BOUND_FAULTS, ENDED, FAULTS_PER_BLOCK, kindOf, OCCUPIED, READY, type RoundTripJob } from './schedule.ts'
import { TimedChannel } from './timed-channel.ts'

const POLL_MS = 20

/** @param onReady there is somebody to answer from now on */
export function answer(job: RoundTripJob, onReady: () => void): void {
  const uffd = Userfaultfd.fromDescriptor(job.descriptor)
  const channel = new TimedChannel(uffd, job.columns)
  const scratch = new ThreadScratch()
  const snapshot = new FileReader(`/proc/self/fd/${job.file}`, false)
  try {
    const setup = carrierSetup('lazy', { ...job, channel, scratch, snapshot })
    const handler = new Handler(setup, channel)
    const chained = new Handler({ ...setup, answers: new AnswerChain(scratch.calls, uffd, snapshot) }, channel)
    onReady()
    for (let block = 0; ; block++) {
      if (!beginBlock(job, block, channel)) return
      // As beside workers: what is timed is the interrupt, and not how long another thread may go on.
      const goesOn = withTimeSlice(channel.kind === 'busy' ? HANDLER_SLICE_NS : undefined, () =>
        channel.kind === 'chained'
          ? answerChained(job, chained, channel)
          : answerTimed(job, (block + 1) * FAULTS_PER_BLOCK, handler, channel),
      )
      if (!goesOn) return
    }
  } finally {
    snapshot.close()
    scratch.close()
  }
}

/** False when there is nobody left to answer. */
function beginBlock(job: RoundTripJob, block: number, channel: TimedChannel): boolean {
  const { control } = job
  placeThread(job, block, 1)
  channel.kind = kindOf(job, block)
  Atomics.store(control, OCCUPIED, channel.kind === 'busy' ? 1 : 0)
  Atomics.notify(control, OCCUPIED)
  Atomics.store(control, READY, block + 1)
  Atomics.notify(control, READY)
  return Atomics.load(control, ENDED) === 0
}

/** False when there is nobody left to answer. */
function answerTimed({ control }: RoundTripJob, end: number, handler: Handler, channel: TimedChannel): boolean {
  let isBound = channel.kind === 'together'
  while (channel.faults < end) {
    if (Atomics.load(control, ENDED) === 1) return false
    if (isBound && channel.faults >= end - FAULTS_PER_BLOCK + BOUND_FAULTS) {
      letMove()
      isBound = false
    }
    handler.step(POLL_MS)
  }
  return true
}

/** The same of a block whose faults have no times. */
function answerChained({ control }: RoundTripJob, handler: Handler, channel: TimedChannel): boolean {
  const end = handler.messages + FAULTS_PER_BLOCK
  while (handler.messages < end) {
    if (Atomics.load(control, ENDED) === 1) return false
    handler.step(POLL_MS)
  }
  handler.finish()
  channel.faults += FAULTS_PER_BLOCK
  return true
}
