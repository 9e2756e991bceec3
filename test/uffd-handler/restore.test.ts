/**
 * A VM whose memory another process restores lazily finds in each page what an eager load leaves there. Each case has two VMs at once, on 4 KiB
 * pages and on huge ones.
 *
 * @module-tag kvm
 */
import { describe, expect, it } from 'vitest'
import { countBits, testBit } from '../../src/core/bitmap.ts'
import { MIB } from '../../src/core/units.ts'
import { requireForEach, requireOrSkip } from '../support/availability.ts'
import { reserveHugePages } from '../support/huge-pages.ts'
import { wrongPages, ZERO_FOLD } from './expected.ts'
import { TestHandler } from './handler-process.ts'
import { PAGE_COUNT, SECOND_REGION, type SnapshotKind, snapshotOf } from './snapshots.ts'
import { HUGE, HUGE_PAGES, inspectWhenInstalled, missing, missingHugePages, startVmm, startVmms } from './support.ts'
import type { PageRun } from './vmm/protocol.ts'

reserveHugePages(HUGE, HUGE_PAGES)
requireForEach(missing)

const KINDS = ['anon', 'hugetlb'] as const
/** Every eighth 128 KiB, and the edges of the regions. */
const SAMPLE: readonly PageRun[] = [
  ...Array.from({ length: PAGE_COUNT / 256 }, (_, i): PageRun => [i * 256, 32]),
  [SECOND_REGION - 1, 1],
  [PAGE_COUNT - 1, 1],
]

interface Case {
  readonly format: SnapshotKind
  readonly policy: string
  readonly vcpus: number
  /** It installs all memory by itself. */
  readonly fills: boolean
}

const CASES: readonly Case[] = [
  { format: 'firecracker', policy: 'lazy', vcpus: 1, fills: false },
  { format: 'firecracker', policy: 'lazy-sweep', vcpus: 2, fills: true },
  { format: 'raw', policy: 'lazy:handlers=2', vcpus: 2, fills: false },
  { format: 'raw', policy: 'precopy-x:handlers=2', vcpus: 2, fills: true },
  { format: 'layers', policy: 'lazy-sweep:direct=true', vcpus: 1, fills: true },
  { format: 'mapped-ram', policy: 'adaptive', vcpus: 2, fills: true },
]

describe('memory that is restored from outside is right', () => {
  it.for(CASES)('$format, $policy, $vcpus vCPUs', async ({ format, policy, vcpus, fills }, context) => {
    requireOrSkip(context, missingHugePages())
    const snapshot = await snapshotOf(format)
    const handler = new TestHandler(snapshot.name, '--policy', policy)
    const vmms = await startVmms(handler, snapshot, KINDS)
    const pages: readonly PageRun[] = fills ? [[0, PAGE_COUNT]] : SAMPLE
    const folds = await Promise.all(vmms.map((vmm, i) => vmm.fold({ vcpus, pages, seed: i })))
    for (const found of folds) expect(wrongPages(found, snapshot.folds, pages)).toEqual([])
    expect(handler.stderr).toEqual([])
  })

  it('also where no guest has asked, if the policy goes on in the background', async context => {
    requireOrSkip(context, missingHugePages())
    const snapshot = await snapshotOf('firecracker')
    const handler = new TestHandler(snapshot.name, '--policy', 'lazy-sweep')
    for (const vmm of await startVmms(handler, snapshot, KINDS)) {
      const { folds } = await inspectWhenInstalled(vmm, page => snapshot.folds[page] !== ZERO_FOLD)
      expect(wrongPages(folds, snapshot.folds)).toEqual([])
    }
    const reports = [await handler.event('vm', 1), await handler.event('vm', 2)]
    expect(reports).toMatchObject(Array(2).fill({ end: 'complete', reason: null, errors: 0, faults: 0 }))
  })

  it('with the handshake of older Firecrackers', async context => {
    requireOrSkip(context, missingHugePages())
    const snapshot = await snapshotOf('firecracker')
    const handler = new TestHandler(snapshot.name)
    const vmms = await Promise.all(KINDS.map(kind => startVmm(handler, snapshot, kind, { fields: 'old' })))
    const folds = await Promise.all(vmms.map(vmm => vmm.fold({ pages: SAMPLE })))
    for (const found of folds) expect(wrongPages(found, snapshot.folds, SAMPLE)).toEqual([])
  })

  it('and only what was asked for is installed when that is the policy', async () => {
    const snapshot = await snapshotOf('firecracker')
    const handler = new TestHandler(snapshot.name, '--policy', 'lazy')
    const vmm = await startVmm(handler, snapshot)
    const pages: readonly PageRun[] = [[SECOND_REGION - 150, 300], [6000, 10], [PAGE_COUNT - 1, 1], [0, 1]] // biome-ignore format: a run each
    await vmm.fold({ pages, seed: 4 })
    const { installed } = await vmm.inspect()
    expect(countBits(installed, 0, PAGE_COUNT)).toBe(312)
    for (const [first, count] of pages) {
      expect([first, first + count - 1].every(page => testBit(installed, page))).toBe(true)
    }
  })
})

describe('two VMs at once', () => {
  it('of one snapshot have a memory each, however it is cut into regions', async () => {
    const snapshot = await snapshotOf('firecracker')
    const handler = new TestHandler(snapshot.name, '--policy', 'lazy-sweep:rate=200MiB')
    const inThree = { ...snapshot, regions: [8, 48, 8].map(mib => mib * MIB) }
    const vmms = await Promise.all([startVmm(handler, snapshot), startVmm(handler, inThree)])
    const pages: readonly PageRun[] = [[0, 4096]]
    await Promise.all([vmms[0].remove(pages), vmms[1].write([[8, 16]], 7)])
    const [removed, written] = await Promise.all(vmms.map((vmm, i) => vmm.fold({ pages, seed: i })))
    expect(new Set(removed.subarray(0, 4096))).toEqual(new Set([ZERO_FOLD]))
    const untouched: readonly PageRun[] = [[0, 8], [24, 4072]] // biome-ignore format: a run each
    expect(wrongPages(written, snapshot.folds, untouched)).toEqual([])
  })

  it('of two snapshots have each its own', async () => {
    const snapshots = await Promise.all([snapshotOf('firecracker'), snapshotOf('firecracker', 2)])
    const handlers = snapshots.map(({ name }) => new TestHandler(name, '--policy', 'adaptive'))
    const vmms = await Promise.all(handlers.map((handler, i) => startVmm(handler, snapshots[i])))
    // Signals call the vCPUs out of the guest all the time: a sleeping one then asks for its page again and again.
    const folds = await Promise.all(vmms.map(vmm => vmm.fold({ vcpus: 2, seed: 5, pages: SAMPLE, kicks: true })))
    for (const [i, found] of folds.entries()) expect(wrongPages(found, snapshots[i].folds, SAMPLE)).toEqual([])
    expect(wrongPages(folds[0], snapshots[1].folds, SAMPLE)).not.toEqual([])
    // A signal that came too late holds nobody up on the same thread.
    expect(wrongPages(await vmms[0].fold({ vcpus: 2, pages: [[0, 64]] }), snapshots[0].folds, [[0, 64]])).toEqual([])
  })
})
