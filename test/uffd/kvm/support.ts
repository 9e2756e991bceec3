/** vCPU threads for a test, and a resolver on the test's own thread, which touches no guest memory itself. */
import { onTestFinished } from 'vitest'
import { UFFDIO_REGISTER_MODE_MISSING } from '../../../src/uffd/constants.ts'
import {
  createSharedRestore,
  PHASE_RUN,
  PHASE_STOP,
  RestoreState,
  type SharedRestore,
} from '../../../src/uffd/engine/restore-state.ts'
import { ThreadPool } from '../../../src/uffd/engine/thread-pool.ts'
import type { Guest, GuestJob } from '../../../src/uffd/kvm/guest.ts'
import { interruptGuestVcpu, type VcpuResult } from '../../../src/uffd/kvm/run-vcpu.ts'
import type { MemoryRegion } from '../../../src/uffd/memory-region.ts'
import { createMessageBuffer } from '../../../src/uffd/message-buffer.ts'
import { Userfaultfd, type UserfaultfdOptions } from '../../../src/uffd/userfaultfd.ts'
import { LIMIT_MS, settled } from '../support.ts'

const POLL_MS = 2
/** Of a thread, on a busy machine. */
const START_LIMIT_MS = 30_000

export interface RunningVcpus {
  /** When all have ended. */
  readonly results: Promise<VcpuResult[]>
  readonly ended: boolean
  stop(): void
}

/** Has the engine's threads run a vCPU each, when they are ready. They are through, and the guest is closed, after the test. */
export async function startVcpus(guest: Guest, program: GuestJob['program'], vcpus: number): Promise<RunningVcpus> {
  const shared = createSharedRestore(1, 0, 0)
  const running = await prepareVcpus(guest, program, vcpus, shared)
  new RestoreState(shared).enter(PHASE_RUN)
  return running
}

/** The same, but they run when the restore comes to that. */
export async function prepareVcpus(
  guest: Guest,
  program: GuestJob['program'],
  vcpus: number,
  shared: SharedRestore,
): Promise<RunningVcpus> {
  const jobs = Array.from({ length: vcpus }, (_, vcpu) => guest.job(vcpu, program))
  const pool = new ThreadPool()
  const threads = jobs.map(job => pool.run({ role: 'guest', guest: job, shared, limitMs: START_LIMIT_MS }, () => {}))
  const stop = () => {
    new RestoreState(shared).enter(PHASE_STOP)
    for (const job of jobs) interruptGuestVcpu(job)
  }
  const results = Promise.all(threads.map(({ outcome }) => outcome as Promise<VcpuResult>))
  results.catch(() => {})
  const threadsEnded = Promise.allSettled(threads.map(({ outcome }) => outcome)).then(() => pool.close())
  onTestFinished(async () => {
    stop()
    await settled(threadsEnded, 'vCPU threads')
    guest.close()
  })
  for (const { ready } of threads) await settled(ready, 'vCPU thread')
  let ended = false
  const end = () => {
    ended = true
  }
  results.then(end, end)
  return {
    results,
    stop,
    get ended() {
      return ended
    },
  }
}

/** A userfaultfd over a region, closed after the test. Made before the vCPUs start, it is closed after they were told to stop. */
export function register(region: MemoryRegion, options: UserfaultfdOptions = {}): Userfaultfd {
  const uffd = Userfaultfd.open(options)
  onTestFinished(() => uffd.close())
  const outcomes = [uffd.api(0), uffd.register(region.address, region.byteLength, UFFDIO_REGISTER_MODE_MISSING)]
  if (outcomes.some(outcome => outcome !== 'done')) throw new Error(`userfaultfd: found ${outcomes}, expected done`)
  return uffd
}

export interface Fault {
  readonly page: number
  readonly isWrite: boolean
}

/** Answers faults while the vCPUs run. Returns the host pages that were asked for, in order. */
export async function resolveWhile(
  running: RunningVcpus,
  uffd: Userfaultfd,
  region: MemoryRegion,
  answer: (address: number, page: number) => void,
): Promise<Fault[]> {
  const messages = createMessageBuffer(8)
  const faults: Fault[] = []
  const deadline = Date.now() + LIMIT_MS
  while (!running.ended && Date.now() < deadline) {
    if (uffd.poll(POLL_MS)) {
      const count = uffd.read(messages)
      for (let i = 0; i < count; i++) {
        const page = Math.floor((messages.address[i] - region.address) / region.hostPageSize)
        faults.push({ page, isWrite: messages.flags[i] === 1 })
        answer(region.address + page * region.hostPageSize, page)
      }
    }
    await new Promise(resolve => setImmediate(resolve))
  }
  return faults
}
