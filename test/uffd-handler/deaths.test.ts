/**
 * A process of a restore dies, or nobody listens to it: the others go on, or it is said at once that they cannot.
 *
 * @module-tag kvm
 */
import { describe, expect, it } from 'vitest'
import { requireForEach } from '../support/availability.ts'
import { withPages, wrongPages, ZERO_FOLD } from './expected.ts'
import { TestHandler } from './handler-process.ts'
import { awaitAtMost, pause, until } from './processes.ts'
import { snapshotOf, type TestSnapshot } from './snapshots.ts'
import { missing, startServedVmm, startVmm } from './support.ts'
import type { TestVmm } from './test-vmm.ts'
import type { PageRun } from './vmm/protocol.ts'

requireForEach(missing)

/** A sweep that takes seconds, so that there is an amid. */
const SLOW = 'lazy-sweep:rate=8MiB'
const KILLED = 'VMM: found it ended by SIGKILL'

/** Kills a VM while its vCPUs fault and its memory fills. */
async function killAmid(vmm: TestVmm, afterMs: number): Promise<void> {
  const ending = expect(vmm.fold({ vcpus: 2, seed: 1 })).rejects.toThrow(KILLED)
  await pause(afterMs)
  vmm.kill()
  await ending
}

function startTwo(handler: TestHandler, snapshot: TestSnapshot): Promise<TestVmm[]> {
  return Promise.all([startServedVmm(handler, snapshot), startServedVmm(handler, snapshot)])
}

/** Descriptors and threads of the handler once they are the same for a while. */
async function settledResources(handler: TestHandler): Promise<TestHandler['resources']> {
  let last = handler.resources
  let since = Date.now()
  await until(() => {
    const now = handler.resources
    if (now.descriptors !== last.descriptors || now.threads !== last.threads) since = Date.now()
    last = now
    return Date.now() - since > 500
  }, 'rest of the handler')
  return last
}

describe('a VM that is killed amid its restore', () => {
  it('leaves nothing behind, and others go on', async () => {
    const snapshot = await snapshotOf('firecracker')
    const handler = await new TestHandler(snapshot.name, '--policy', 'adaptive:workers=2').listens()
    // Threads are kept: what there is after two VMs at a time is what there may be after more.
    const first = await startTwo(handler, snapshot)
    await Promise.all(first.map(vmm => killAmid(vmm, 80)))
    await handler.event('vm', 2)
    const before = await settledResources(handler)
    const [survivor, victim] = await startTwo(handler, snapshot)
    const pages: readonly PageRun[] = [[3000, 4096]]
    const part = survivor.fold({ seed: 2, pages })
    await killAmid(victim, 30)
    await killAmid(await startServedVmm(handler, snapshot), 0)
    expect(wrongPages(await part, snapshot.folds, pages)).toEqual([])
    survivor.kill()
    await handler.event('vm', 5)
    const after = await settledResources(handler)
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors)
    expect(after.threads).toBeLessThanOrEqual(before.threads)
    expect(handler.stderr).toEqual([])
    const ends = handler.eventsOf('vm').map(({ end, reason }) => `${end} ${reason}`)
    expect(ends.filter(end => end !== 'ended null' && end !== 'complete null')).toEqual([])
  })
})

describe('a handler that is killed amid restores', () => {
  it('takes the VMs that need it along, and says so, each in one line', async () => {
    const snapshot = await snapshotOf('firecracker')
    const handler = await new TestHandler(snapshot.name, '--policy', SLOW).listens()
    const vmms = await startTwo(handler, snapshot)
    const folds = vmms.map(vmm => expect(vmm.fold({ vcpus: 2, seed: 1 })).rejects.toThrow(KILLED))
    await pause(100)
    process.kill(handler.serverPid, 'SIGKILL')
    await awaitAtMost(Promise.all(folds), 'end of the VMMs')
    expect(await awaitAtMost(handler.ended, 'end of the handler')).toBe(1)
    for (const { pid } of vmms) {
      expect(handler.stderr.filter(line => line.includes(`process ${pid}:`))).toEqual([
        `lazyrestore: supervisor: process ${pid}: nobody serves its memory any more; the VMM is killed`,
      ])
    }
  })

  it('leaves those alone whose memory is complete, from the moment at which that can be seen', async () => {
    const snapshot = await snapshotOf('firecracker')
    const handler = await new TestHandler(snapshot.name, '--policy', 'lazy-sweep').listens()
    const vmm = await startVmm(handler, snapshot)
    await awaitAtMost(vmm.disconnected, 'end of the connection')
    process.kill(handler.serverPid, 'SIGKILL')
    await awaitAtMost(handler.ended, 'end of the handler')
    expect(wrongPages(await vmm.fold({ vcpus: 2 }), snapshot.folds)).toEqual([])
  })
})

it('a handler whose supervisor is killed gives all VMs their memory, and ends', async () => {
  const snapshot = await snapshotOf('firecracker')
  const handler = await new TestHandler(snapshot.name, '--policy', 'lazy').listens()
  const vmm = await startServedVmm(handler, snapshot)
  const fold = vmm.fold({ vcpus: 2, seed: 1 })
  process.kill(handler.pid, 'SIGKILL')
  expect(wrongPages(await fold, snapshot.folds)).toEqual([])
  // Its stdout is open as long as the one that serves is there.
  await awaitAtMost(handler.ended, 'end of both processes')
  expect(await handler.event('vm')).toMatchObject({ end: 'complete', reason: null })
})

it('a handler that is asked to stop gives a VM all its memory first, while its guest runs and gives some back', async () => {
  const snapshot = await snapshotOf('firecracker')
  const handler = await new TestHandler(snapshot.name, '--policy', 'lazy').listens()
  const vmm = await startVmm(handler, snapshot)
  const removed = Array.from({ length: 200 }, (_, i): PageRun => [i * 80, 1 + (i % 7)])
  const fold = vmm.fold({ vcpus: 2, seed: 1 })
  const removal = vmm.remove(removed, 1)
  process.kill(handler.pid, 'SIGTERM')
  expect(await awaitAtMost(handler.ended, 'end of the handler')).toBe(0)
  const others = (folds: Uint32Array) => withPages(folds, removed, 0)
  expect(wrongPages(others(await fold), others(snapshot.folds))).toEqual([])
  await removal
  expect(wrongPages(await vmm.fold({ vcpus: 2 }), withPages(snapshot.folds, removed, ZERO_FOLD))).toEqual([])
  expect(await handler.event('vm')).toMatchObject({ end: 'complete', reason: null, errors: 0 })
})

it('a handler that nobody reads any more serves on, and its supervisor still takes VMs along', async () => {
  const snapshot = await snapshotOf('firecracker')
  const handler = await new TestHandler(snapshot.name, '--policy', 'lazy').listens()
  const [vmm, other] = await startTwo(handler, snapshot)
  handler.closeOutput()
  // Something to be said.
  other.kill()
  await pause(200)
  const pages: readonly PageRun[] = [[0, 4096]]
  expect(wrongPages(await vmm.fold({ vcpus: 2, pages }), snapshot.folds, pages)).toEqual([])
  const rest = expect(vmm.fold({ vcpus: 2 })).rejects.toThrow(KILLED)
  process.kill(handler.serverPid, 'SIGKILL')
  await rest
})
