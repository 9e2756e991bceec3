/** A process of a restore dies: the others go on, or it is said at once that they cannot. */
import { describe, expect, it } from 'vitest'
import { testBit } from '../../src/core/bitmap.ts'
import { requireForEach } from '../support/availability.ts'
import { wrongPages, ZERO_FOLD } from './expected.ts'
import { TestHandler } from './handler-process.ts'
import { awaitAtMost, until } from './processes.ts'
import { snapshotOf } from './snapshots.ts'
import { missing, startVmm, startVmms } from './support.ts'
import type { TestVmm } from './test-vmm.ts'

requireForEach(missing)

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))
/** A sweep that takes seconds, so that there is an amid. */
const SLOW = 'lazy-sweep:rate=8MiB'

/** Kills a VM while its vCPUs fault and its memory fills. */
async function killAmid(vmm: TestVmm, afterMs: number): Promise<void> {
  const ending = expect(vmm.fold({ vcpus: 2, seed: 1 })).rejects.toThrow('ended by SIGKILL')
  await pause(afterMs)
  vmm.kill()
  await ending
}

/** Descriptors and threads of the handler once they are the same for a while. */
async function settledResources(handler: TestHandler): Promise<TestHandler['resources']> {
  let last = handler.resources
  let since = Date.now()
  await until(() => {
    const now = handler.resources
    if (now.descriptors !== last.descriptors || now.threads !== last.threads) since = Date.now()
    last = now
    return Date.now() - since > 700
  }, 'rest of the handler')
  return last
}

describe('a VM that is killed amid its restore', () => {
  it.each(['lazy', SLOW, 'adaptive'])('leaves nothing behind, and others go on: %s', async policy => {
    const snapshot = await snapshotOf('firecracker')
    const handler = await new TestHandler(snapshot.name, '--policy', policy).listens()
    // Threads are kept: what there is after two VMs at a time is what there may be after more.
    const first = await startVmms(handler, snapshot, ['anon', 'anon'])
    await Promise.all(first.map(vmm => killAmid(vmm, 80)))
    const before = await settledResources(handler)
    const survivor = await startVmm(handler, snapshot)
    const whole = survivor.fold({ seed: 2 })
    for (const afterMs of [0, 60]) await killAmid(await startVmm(handler, snapshot), afterMs)
    expect(wrongPages(await whole, snapshot.folds)).toEqual([])
    survivor.kill()
    await handler.event('vm', 5)
    const after = await settledResources(handler)
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors)
    expect(after.threads).toBeLessThanOrEqual(before.threads)
    expect(handler.stderr).toEqual([])
    expect(
      handler.eventsOf('vm').every(({ end, reason }) => end !== 'left' && end !== 'killed' && reason === null),
    ).toBe(true)
  })
})

describe('a handler that is killed amid restores', () => {
  it('takes the VMs that need it along, and says so, each in one line', async () => {
    const snapshot = await snapshotOf('firecracker')
    const handler = await new TestHandler(snapshot.name, '--policy', SLOW).listens()
    const vmms = await startVmms(handler, snapshot, ['anon', 'anon'])
    const folds = vmms.map(vmm => expect(vmm.fold({ vcpus: 2, seed: 1 })).rejects.toThrow('ended by SIGKILL'))
    await pause(100)
    process.kill(handler.serverPid, 'SIGKILL')
    expect(await Promise.all(vmms.map(({ ended }) => awaitAtMost(ended, 'end of the VMM')))).toEqual([
      'SIGKILL',
      'SIGKILL',
    ])
    await Promise.all(folds)
    expect(await awaitAtMost(handler.ended, 'end of the handler')).toBe(1)
    for (const { pid } of vmms) {
      expect(handler.stderr.filter(line => line.includes(`process ${pid}:`))).toEqual([
        `lazyrestore: supervisor: process ${pid}: nobody serves its memory any more; the VMM is killed`,
      ])
    }
  })

  it('leaves those alone whose memory is complete', async () => {
    const snapshot = await snapshotOf('firecracker')
    const handler = await new TestHandler(snapshot.name, '--policy', 'lazy-sweep').listens()
    const vmm = await startVmm(handler, snapshot)
    expect(await handler.event('vm')).toMatchObject({ end: 'complete', pid: vmm.pid })
    await awaitAtMost(vmm.disconnected, 'end of the connection')
    process.kill(handler.serverPid, 'SIGKILL')
    await awaitAtMost(handler.ended, 'end of the handler')
    expect(wrongPages(await vmm.fold({ vcpus: 2 }), snapshot.folds)).toEqual([])
  })

  it('leaves VMs to themselves when it is to, and says which', async () => {
    const snapshot = await snapshotOf('firecracker')
    const handler = await new TestHandler(snapshot.name, '--policy', 'lazy', '--on-failure', 'leave').listens()
    const vmm = await startVmm(handler, snapshot)
    await vmm.fold({ pages: [[0, 100]] })
    process.kill(handler.serverPid, 'SIGKILL')
    await awaitAtMost(handler.ended, 'end of the handler')
    expect(handler.stderr).toContain(
      `lazyrestore: supervisor: process ${vmm.pid}: nobody serves its memory any more; the VMM is left`,
    )
    // It lives, and what it has is right.
    expect(wrongPages(await vmm.fold({ pages: [[0, 100]] }), snapshot.folds, [[0, 100]])).toEqual([])
  })
})

describe('a supervisor that is killed', () => {
  it('lets the handler give all VMs their memory, and end', async () => {
    const snapshot = await snapshotOf('firecracker')
    const handler = await new TestHandler(snapshot.name, '--policy', 'lazy').listens()
    const vmm = await startVmm(handler, snapshot)
    const fold = vmm.fold({ vcpus: 2, seed: 1 })
    process.kill(handler.pid, 'SIGKILL')
    expect(wrongPages(await fold, snapshot.folds)).toEqual([])
    // Its stdout is open as long as the one that serves is there.
    await awaitAtMost(handler.ended, 'end of both processes')
    expect(await handler.event('vm')).toMatchObject({ end: 'complete', reason: null })
  })
})

describe('a handler that is asked to stop', () => {
  it('gives the VMs all their memory first', async () => {
    const snapshot = await snapshotOf('firecracker')
    const handler = await new TestHandler(snapshot.name, '--policy', 'lazy').listens()
    const vmm = await startVmm(handler, snapshot)
    await vmm.remove([[100, 20]])
    process.kill(handler.pid, 'SIGTERM')
    expect(await awaitAtMost(handler.ended, 'end of the handler')).toBe(0)
    const { installed } = await vmm.inspect()
    const absent = snapshot.folds.findIndex((fold, page) => fold !== ZERO_FOLD && !testBit(installed, page))
    expect(absent >= 100 && absent < 120 ? -1 : absent).toBe(-1)
    const expected = snapshot.folds.slice().fill(ZERO_FOLD, 100, 120)
    expect(wrongPages(await vmm.fold({ vcpus: 2 }), expected)).toEqual([])
  })
})
