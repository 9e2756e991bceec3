/**
 * How a restore ends that fails, with threads that are none: first it has failed, then handlers and workers end, then the
 * userfaultfd is closed; so vCPUs that go on with zeros know what they got.
 */
import { expect, it } from 'vitest'
import { LazyRestoreError } from '../../../src/core/error.ts'
import type { DestinationMemory } from '../../../src/uffd/engine/destination-memory.ts'
import type { CarrierJob, VcpuJob } from '../../../src/uffd/engine/job.ts'
import { runRestore } from '../../../src/uffd/engine/restore-run.ts'
import { createSharedRestore, PHASE_RUN, PHASE_STOP, RestoreState } from '../../../src/uffd/engine/restore-state.ts'
import type { ThreadPool } from '../../../src/uffd/engine/thread-pool.ts'
import type { VcpuThreads } from '../../../src/uffd/engine/vcpu-threads.ts'

type Role = 'handler' | 'worker' | 'vcpu'
type Fail = (reason: string) => void

interface Scene {
  readonly limitMs?: number
  /** What a thread of that role does once vCPUs run; otherwise it goes on until it is stopped or, a vCPU, let go. */
  readonly onRun: (role: Role, onFailure: Fail) => Promise<void> | null
}

const turn = () => new Promise<void>(resolve => setTimeout(resolve, 1))

/** Runs a restore of two handlers, a worker and two vCPUs that wait for a page; tells in which order things happened. */
async function run({ limitMs = 10_000, onRun }: Scene): Promise<{ error: Error; events: string[] }> {
  const shared = createSharedRestore(8, 0, 0)
  const state = new RestoreState(shared)
  const events: string[] = []
  let isReleased = false
  const live = async (role: Role, onFailure: Fail): Promise<unknown> => {
    while (state.phase < PHASE_RUN) await turn()
    await onRun(role, onFailure)
    while (role === 'vcpu' ? !isReleased : state.phase < PHASE_STOP) await turn()
    events.push(role === 'vcpu' ? `vcpu goes on, failed: ${state.failed}` : 'carrier ends')
    return {}
  }
  const pool = {
    run: ({ role }: { role: Role }, onFailure: Fail) => {
      const outcome = live(role, onFailure)
      outcome.catch(() => {})
      return { ready: Promise.resolve(), outcome }
    },
  }
  const memory = {
    isAbandoned: false,
    release: () => {
      events.push(`released, failed: ${state.failed}`)
      isReleased = true
    },
  }
  const vcpus: VcpuThreads = {
    jobs: [{ role: 'vcpu' }, { role: 'vcpu' }] as VcpuJob[],
    broken: 'zero',
    outcomesOf: () => [],
    interrupt: () => {},
    close: () => events.push('closed'),
  }
  const work = runRestore({
    pool: pool as unknown as ThreadPool,
    memory: memory as unknown as DestinationMemory,
    shared,
    handlers: [{ role: 'handler' }, { role: 'handler' }] as CarrierJob[],
    workers: [{ role: 'worker' }] as CarrierJob[],
    vcpus,
    hasBegin: false,
    setUp: () => {},
    limitMs,
  })
  const error = await work.then(
    () => new Error('found a restore that went well'),
    error => error as Error,
  )
  return { error, events }
}

const ORDER = [
  'carrier ends',
  'carrier ends',
  'carrier ends',
  'released, failed: true',
  'vcpu goes on, failed: true',
  'vcpu goes on, failed: true',
  'closed',
]

it.each(['handler', 'worker'] as const)(
  'a %s that cannot restore a page ends it, at once and in order',
  async culprit => {
    const { error, events } = await run({
      onRun: async (role, onFailure) => {
        if (role === culprit) onFailure('disk: offset 4096: EIO')
      },
    })
    expect(error).toEqual(new LazyRestoreError('io', 'disk: offset 4096: EIO'))
    expect(events).toEqual(ORDER)
  },
)

it.each(['worker', 'vcpu', 'handler'] as const)(
  'a %s thread that dies ends it, at once and in order',
  async culprit => {
    let dead = false
    const { error, events } = await run({
      onRun: async role => {
        if (role !== culprit || dead) return
        dead = true
        throw new LazyRestoreError('io', 'restore thread: found it ended, expected an outcome')
      },
    })
    expect(error.message).toBe('restore thread: found it ended, expected an outcome')
    expect(events).toEqual(culprit === 'vcpu' ? ORDER.toSpliced(4, 1) : ORDER.toSpliced(2, 1))
  },
)

it('one that takes too long ends in order', async () => {
  const { error, events } = await run({ limitMs: 50, onRun: () => null })
  expect(error).toEqual(new LazyRestoreError('limit', 'waited 0.05 s for the restore to end'))
  expect(events).toEqual(ORDER)
})
