/**
 * A balloon gives memory back while it is restored: what was removed reads as zeros, or as what the guest wrote since, and never as the
 * snapshot again; every other page is right, and everybody goes on. Two VMs at once, on 4 KiB pages and on huge ones.
 *
 * @module-tag kvm
 */
import { describe, expect, it } from 'vitest'
import { createRandom, nextUint32 } from '../../src/core/random.ts'
import { requireForEach, requireOrSkip } from '../support/availability.ts'
import { reserveHugePages } from '../support/huge-pages.ts'
import { foldOfByte, withPages, wrongPages, ZERO_FOLD } from './expected.ts'
import { TestHandler } from './handler-process.ts'
import { pause } from './processes.ts'
import { PAGE_COUNT, SECOND_REGION, snapshotOf } from './snapshots.ts'
import {
  HUGE,
  HUGE_PAGES,
  inspectWhenInstalled,
  type MemoryKind,
  missing,
  missingHugePages,
  startVmm,
  startVmms,
} from './support.ts'
import type { TestVmm } from './test-vmm.ts'
import { PAGE_BYTES, type PageRun } from './vmm/protocol.ts'

// A few more, as a page may be installed again before the one that was there is free.
reserveHugePages(HUGE, HUGE_PAGES + 4)
requireForEach(missing)

const KINDS = ['anon', 'hugetlb'] as const

/** Runs of whole host pages that do not overlap, in any order. */
function randomRuns(kind: MemoryKind, count: number, mostPages: number, seed: number): PageRun[] {
  const random = createRandom(seed)
  const unit = kind === 'anon' ? 1 : HUGE / PAGE_BYTES
  const slot = Math.floor(PAGE_COUNT / unit / count)
  const runs = Array.from({ length: count }, (_, i): PageRun => {
    const length = 1 + (nextUint32(random) % Math.min(mostPages, slot))
    const first = i * slot + (nextUint32(random) % (slot - length + 1))
    return [first * unit, length * unit]
  })
  return runs.sort(() => nextUint32(random) - 2 ** 31)
}

describe('what was removed', () => {
  it.for(['lazy', 'adaptive', 'read-around:handlers=2'])(
    'before the guest runs reads as zeros: %s',
    async (policy, context) => {
      requireOrSkip(context, missingHugePages())
      const snapshot = await snapshotOf('firecracker')
      const handler = new TestHandler(snapshot.name, '--policy', policy)
      const vmms = await startVmms(handler, snapshot, KINDS)
      // One reaches over the hole between the regions.
      const runs: PageRun[] = [[512, 1024], [SECOND_REGION - 512, 1024], [PAGE_COUNT - 512, 512]] // biome-ignore format: a run each
      const pages: PageRun[] = [[0, 2048], [SECOND_REGION - 1024, 2048], [PAGE_COUNT - 1024, 1024]] // biome-ignore format: a run each
      await Promise.all(
        vmms.map(async vmm => {
          await vmm.remove(runs)
          const expected = withPages(snapshot.folds, runs, ZERO_FOLD)
          expect(wrongPages(await vmm.fold({ vcpus: 2, seed: 1, pages }), expected, pages)).toEqual([])
          await vmm.write([[600, 1]], 9)
          await vmm.remove([[512, 512], [0, 512]]) // biome-ignore format: a run each
          const later = withPages(expected, [[0, 1024]], ZERO_FOLD)
          expect(wrongPages(await vmm.fold({ pages }), later, pages)).toEqual([])
        }),
      )
      expect(handler.stderr).toEqual([])
    },
  )

  it.for([1, 2])('while the sweep passes never comes back: seed %i', async (seed, context) => {
    requireOrSkip(context, missingHugePages())
    const snapshot = await snapshotOf('firecracker')
    const handler = new TestHandler(snapshot.name, '--policy', seed === 2 ? 'adaptive' : 'lazy-sweep:handlers=2')
    const vmms = await startVmms(handler, snapshot, KINDS)
    await Promise.all(vmms.map((vmm, i) => race(vmm, KINDS[i], snapshot.folds, seed)))
    expect(handler.stderr).toEqual([])
  })

  async function race(vmm: TestVmm, kind: MemoryKind, folds: Uint32Array, seed: number): Promise<void> {
    const removed = kind === 'anon' ? randomRuns(kind, 120, 40, seed) : randomRuns(kind, 8, 2, seed)
    const [first] = await Promise.all([vmm.fold({ vcpus: 2, seed }), vmm.remove(removed, seed % 3)])
    // What was removed meanwhile was read before, after, or while it went.
    const others = (all: Uint32Array) => withPages(all, removed, 0)
    expect(wrongPages(others(first), others(folds))).toEqual([])
    const written: PageRun[] = removed.slice(0, 4).map(([page]) => [page, 1])
    await vmm.write(written, seed)
    const expected = withPages(withPages(folds, removed, ZERO_FOLD), written, foldOfByte(seed))
    expect(wrongPages(await vmm.fold({ vcpus: 2 }), expected)).toEqual([])
    const inspection = await inspectWhenInstalled(vmm, () => true)
    expect(wrongPages(inspection.folds, expected)).toEqual([])
  }

  it('page by page, as fast as it goes, holds nobody up for good', async () => {
    const snapshot = await snapshotOf('layers')
    const handler = new TestHandler(snapshot.name, '--policy', 'adaptive:workers=2')
    const vmm = await startVmm(handler, snapshot)
    const removed = randomRuns('anon', 1000, 1, 7)
    const removals = [removed.slice(0, 500), removed.slice(500)].map(runs => vmm.remove(runs))
    await Promise.all([...removals, vmm.fold({ vcpus: 2, seed: 8 })])
    const expected = withPages(snapshot.folds, removed, ZERO_FOLD)
    expect(wrongPages(await vmm.fold({ vcpus: 2, seed: 9 }), expected)).toEqual([])
    expect(handler.stderr).toEqual([])
  })

  it('by a VMM that is stopped amid it waits until that goes on', async () => {
    const snapshot = await snapshotOf('firecracker')
    const handler = new TestHandler(snapshot.name, '--policy', 'lazy-sweep')
    const vmm = await startVmm(handler, snapshot)
    const removed = randomRuns('anon', 400, 3, 11)
    const work = Promise.all([vmm.remove(removed, 0), vmm.fold({ vcpus: 2, seed: 12 })])
    for (let i = 0; i < 10; i++) {
      process.kill(vmm.pid, 'SIGSTOP')
      await pause(20)
      process.kill(vmm.pid, 'SIGCONT')
      await pause(5)
    }
    await work
    const expected = withPages(snapshot.folds, removed, ZERO_FOLD)
    expect(wrongPages(await vmm.fold(), expected)).toEqual([])
    expect(handler.stderr).toEqual([])
  })
})
