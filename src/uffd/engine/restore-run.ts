/**
 * One restore's threads: posts the jobs, takes the restore through its phases, and collects what each thread has to say.
 * Whatever happens, it ends within its limit: with all outcomes, or with an error after the threads were stopped and whoever
 * waits for a page was let go.
 */
import { LazyRestoreError } from '../../core/error.ts'
import { within } from '../../core/within.ts'
import type { CarrierOutcome } from './carrier-thread.ts'
import type { DestinationMemory } from './destination-memory.ts'
import type { CarrierJob } from './job.ts'
import { PHASE_BEGIN, PHASE_STOP, RestoreState, type SharedRestore } from './restore-state.ts'
import type { Running, ThreadPool } from './thread-pool.ts'
import type { VcpuOutcome } from './vcpu.ts'
import type { VcpuThreads } from './vcpu-threads.ts'

/** For threads to prepare, and to end after they were asked to. */
const THREAD_LIMIT_MS = 30_000

export interface RunRequest {
  readonly pool: ThreadPool
  readonly memory: DestinationMemory
  readonly shared: SharedRestore
  readonly handlers: readonly CarrierJob[]
  readonly workers: readonly CarrierJob[]
  readonly vcpus: VcpuThreads
  /** Somebody has to do `begin` before vCPUs run. */
  readonly hasBegin: boolean
  /** Done between the moment that all times count from and the first read: registering or mapping memory. */
  setUp(): void
  readonly limitMs: number
}

export interface RunOutcome {
  readonly carriers: readonly CarrierOutcome[]
  readonly vcpus: readonly VcpuOutcome[]
}

/** @throws LazyRestoreError `io` when a page could not be restored; `limit` when it took too long */
export async function runRestore(request: RunRequest): Promise<RunOutcome> {
  const { pool, memory, shared, hasBegin, limitMs } = request
  const state = new RestoreState(shared)
  let onFailure: (reason: string) => void = () => {}
  const failure = new Promise<never>((_, reject) => {
    onFailure = reason => reject(new LazyRestoreError('io', reason))
  })
  failure.catch(() => {})
  const handlers = request.handlers.map(job => pool.run(job, onFailure))
  const workers = request.workers.map(job => pool.run(job, onFailure))
  const vcpus = request.vcpus.jobs.map(job => pool.run(job, onFailure))
  const all: readonly Running<unknown>[] = [...handlers, ...workers, ...vcpus]
  try {
    await within(THREAD_LIMIT_MS, 'threads to prepare', Promise.all(all.map(({ ready }) => ready)))
    state.start()
    request.setUp()
    state.enter(PHASE_BEGIN)
    if (!hasBegin) state.resume()
    const work = Promise.all([...workers, ...vcpus].map(({ outcome }) => outcome))
    // A handler that ends before it is asked to has died, and with it whoever waits for it.
    const deaths = handlers.map(({ outcome }) => outcome.then(() => work))
    await within(limitMs, 'the restore to end', Promise.race([work, failure, ...deaths]))
    state.enter(PHASE_STOP)
    const outcomes = Promise.all([...handlers, ...workers].map(({ outcome }) => outcome))
    const carriers = await within(THREAD_LIMIT_MS, 'handlers to end', outcomes)
    return { carriers, vcpus: request.vcpus.outcomesOf(await Promise.all(vcpus.map(({ outcome }) => outcome))) }
  } catch (error) {
    state.fail()
    state.enter(PHASE_STOP)
    request.vcpus.interrupt()
    await ended([...handlers, ...workers], memory)
    // Now nobody uses the userfaultfd; closing it lets those go who wait.
    memory.release()
    await ended(vcpus, memory)
    throw error
  } finally {
    if (!memory.isAbandoned) request.vcpus.close()
  }
}

/** @throws LazyRestoreError `limit` when a thread does not end */
async function ended(running: readonly Running<unknown>[], memory: DestinationMemory): Promise<void> {
  try {
    await within(THREAD_LIMIT_MS, 'threads to end', Promise.allSettled(running.map(({ outcome }) => outcome)))
  } catch (error) {
    memory.isAbandoned = true
    throw error
  }
}
