/** The thread that answers: read, poll when there is nothing, UFFDIO_COPY. Ends when the other one has. See schedule.ts. */
import { monotonicNs } from '../../uffd/engine/clock.ts'
import type { MessageBuffer } from '../../uffd/kernel.ts'
import { createMessageBuffer } from '../../uffd/message-buffer.ts'
import { Userfaultfd } from '../../uffd/userfaultfd.ts'
import { pinTo } from './place.ts'
import { type BlockKind, ENDED, FAULTS_PER_BLOCK, kindOf, READY, type RoundTripJob } from './schedule.ts'

const PAGE = 4096
const POLL_MS = 20
/** By then the thread that touches sleeps, and its message is there. */
const PENDING_NS = 40_000
/** Reads between looks at whether the other thread has ended. */
const TRIES = 1024

/** @param onReady there is somebody to answer from now on */
export function answer(job: RoundTripJob, onReady: () => void): void {
  const { control, columns, source } = job
  const uffd = Userfaultfd.fromDescriptor(job.descriptor)
  const messages = createMessageBuffer(1)
  onReady()
  for (let block = 0; ; block++) {
    const kind = kindOf(job, block)
    if (job.cpus !== null) pinTo(job.cpus[kind === 'local' ? 0 : 1])
    Atomics.store(control, READY, block + 1)
    Atomics.notify(control, READY)
    for (let i = 0; i < FAULTS_PER_BLOCK; i++) {
      const fault = block * FAULTS_PER_BLOCK + i
      const found = kind === 'spinning' ? spin(job, fault, uffd, messages) : sleep(job, fault, uffd, messages, kind)
      if (!found) return
      uffd.copy(messages.address[0], source, PAGE, 0)
      columns.installedNs[fault] = monotonicNs()
    }
  }
}

/** Reads until there is a message; false when there is nobody left to answer. */
function spin({ control, columns }: RoundTripJob, fault: number, uffd: Userfaultfd, messages: MessageBuffer): boolean {
  let beforeNs = monotonicNs()
  for (let tries = 1; ; tries++) {
    const startNs = monotonicNs()
    if (uffd.read(messages) > 0) {
      // It came after the try before this one had looked.
      columns.foundNs[fault] = (beforeNs + startNs) / 2
      return true
    }
    beforeNs = startNs
    if (tries % TRIES === 0 && Atomics.load(control, ENDED) === 1) return false
  }
}

/** Sleeps until there is a message, as the engine's handler does. */
function sleep(
  { control, columns }: RoundTripJob,
  fault: number,
  uffd: Userfaultfd,
  messages: MessageBuffer,
  kind: BlockKind,
): boolean {
  while (uffd.read(messages) === 0) {
    if (!uffd.poll(POLL_MS)) {
      if (Atomics.load(control, ENDED) === 1) return false
    } else if (kind === 'pending') {
      const untilNs = monotonicNs() + PENDING_NS
      while (monotonicNs() < untilNs);
      columns.foundNs[fault] = monotonicNs()
    }
  }
  columns.readNs[fault] = monotonicNs()
  return true
}
