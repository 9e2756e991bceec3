/** vCPU threads for a test, and a resolver on the test's own thread, which touches no guest memory itself. */
import { Worker } from 'node:worker_threads'
import { onTestFinished } from 'vitest'
import { UFFDIO_REGISTER_MODE_MISSING } from '../../../src/uffd/constants.ts'
import {
  createSharedRestore,
  PHASE_RUN,
  PHASE_STOP,
  RestoreState,
  type SharedRestore,
} from '../../../src/uffd/engine/restore-state.ts'
import type { Guest, GuestJob } from '../../../src/uffd/kvm/guest.ts'
import { type GuestVcpuJob, interruptGuestVcpu, type VcpuResult } from '../../../src/uffd/kvm/run-vcpu.ts'
import type { VcpuThreadMessage } from '../../../src/uffd/kvm/vcpu-thread.ts'
import type { MemoryRegion } from '../../../src/uffd/memory-region.ts'
import { createMessageBuffer } from '../../../src/uffd/message-buffer.ts'
import { Userfaultfd, type UserfaultfdOptions } from '../../../src/uffd/userfaultfd.ts'
import { LIMIT_MS, settled } from '../support.ts'

const POLL_MS = 2
/** Of a thread, with the loader of TypeScript, on a busy machine. */
const START_LIMIT_MS = 30_000

export interface RunningVcpus {
  /** When all have ended. */
  readonly results: Promise<VcpuResult[]>
  readonly ended: boolean
  stop(): void
}

/** Starts a thread per vCPU and lets them run when they are ready. They have ended, and the guest is closed, after the test. */
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
  const threads = jobs.map(job => startThread({ guest: job, shared, limitMs: START_LIMIT_MS }))
  const stop = () => {
    new RestoreState(shared).enter(PHASE_STOP)
    for (const job of jobs) interruptGuestVcpu(job)
  }
  const results = Promise.all(threads.map(({ result }) => result))
  results.catch(() => {})
  onTestFinished(async () => {
    stop()
    await settled(Promise.allSettled(threads.map(({ exit }) => exit)), 'vCPU threads')
    guest.close()
  })
  for (const { ready } of threads) await ready
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

function startThread(job: GuestVcpuJob) {
  // On Node 20 a worker does not take over the loader of TypeScript by itself.
  const target = new URL('../../../src/uffd/kvm/vcpu-thread.ts', import.meta.url)
  const code = `import { register } from '${import.meta.resolve('tsx/esm/api')}'; register(); await import('${target}')`
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), { workerData: job })
  const exit = new Promise<void>(resolve => worker.once('exit', () => resolve()))
  const on = <T>(pick: (message: VcpuThreadMessage) => T | null) =>
    new Promise<T>((resolve, reject) => {
      worker.once('error', reject)
      worker.on('message', (message: VcpuThreadMessage) => {
        const picked = pick(message)
        if (picked !== null) resolve(picked)
        else if (message.kind === 'error') reject(new Error(message.message))
      })
    })
  const late = setTimeout(
    () => worker.emit('error', new Error(`found no vCPU ready in ${START_LIMIT_MS} ms`)),
    START_LIMIT_MS,
  )
  worker.once('message', () => clearTimeout(late))
  const ready = on(message => (message.kind === 'ready' ? true : null))
  const result = on(message => (message.kind === 'result' ? message.result : null))
  for (const promise of [ready, result]) promise.catch(() => {})
  return { ready, result, exit }
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
