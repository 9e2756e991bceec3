/**
 * What a restore leaves in memory: every install of a simulated run is carried out, by resolver and bounce buffer, into a
 * buffer that stands for the guest's memory. It must end up as an eager load leaves it, whatever the policy did and in
 * whichever order, although the slots of clear bits are full of garbage. Policies that map the file install nothing.
 */
import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, it } from 'vitest'
import { blockOfHostPage, type Layout, runBytes } from '../../src/destination/layout.ts'
import { POLICIES } from '../../src/policy/registry.ts'
import { assemble } from '../../src/resolver/assemble.ts'
import { createResolution, resolve } from '../../src/resolver/resolver.ts'
import type { ByteSource } from '../../src/snapshot/byte-source.ts'
import { eagerLoad } from '../../src/snapshot/load.ts'
import { fillsMemory, installOf } from '../policy/plans.ts'
import { GarbageSource } from './garbage-source.ts'
import { type Install, runFast } from './outcome.ts'
import { anyRestoreUnder, type Restore, type RestoreCase, restoreOf } from './random-restore.ts'

/** Of each policy. */
const CASES = 30
/** Many cases, on a machine that may be busy. */
const PATIENCE_MS = 600_000
const INSTALLING = POLICIES.filter(({ name }) => installOf(name) !== 'map')
const UNFINISHED = ['lazy', 'read-around', 'stride']
const POISON = 0xcd

/** The memory of each block, and how to reach a host page of it. */
class GuestMemory {
  readonly blocks: readonly Uint8Array[]
  readonly #layout: Layout

  constructor(layout: Layout, blocks: readonly Uint8Array[]) {
    this.#layout = layout
    this.blocks = blocks
  }

  pages(first: number, count: number): Uint8Array {
    const block = blockOfHostPage(this.#layout, first)
    const start = (first - block.firstHostPage) * block.hostPageSize
    return this.blocks[block.index].subarray(start, start + runBytes(block, first, count))
  }
}

/** Carries the installs out; returns how often each host page was installed. */
async function replay(
  { layout, newPolicy }: Restore,
  installs: readonly Install[],
  source: ByteSource,
  memory: GuestMemory,
): Promise<number[]> {
  const { readBytes } = newPolicy().mechanism
  const mostPages = Math.max(0, ...installs.map(([, , count]) => count))
  const resolution = createResolution(layout, mostPages, readBytes)
  const buffer = new Uint8Array(Math.max(0, ...installs.map(([, first, count]) => memory.pages(first, count).length)))
  const times: number[] = new Array(layout.hostPageCount).fill(0)
  for (const [operation, first, count] of installs) {
    resolve(layout, first, count, readBytes, resolution)
    expect(resolution.op).toBe(operation)
    // A used bounce buffer: what it still holds must not get into memory.
    buffer.fill(POISON, 0, resolution.byteLength)
    memory.pages(first, count).set(await assemble(source, resolution, buffer))
    for (let page = first; page < first + count; page++) times[page]++
  }
  return times
}

/** Restores and checks; returns what kind of case it was. */
async function check(given: RestoreCase): Promise<{ isTelling: boolean; isUnfinished: boolean }> {
  const restore = restoreOf(given, blocks => new GarbageSource(blocks))
  const { layout, newPolicy } = restore
  const source = layout.snapshot.source as GarbageSource
  const { outcome } = runFast(restore)
  const { mechanism } = newPolicy()
  const loads = mechanism.install === 'load'
  // Fresh memory reads as zeros; memory under userfaultfd has nothing to be read.
  const before = source.expected.map(({ length }) => new Uint8Array(length).fill(loads ? 0 : POISON))
  const memory = new GuestMemory(layout, before)
  const eager = new GuestMemory(layout, source.expected)
  const times = await replay(restore, outcome.installs, source, memory)

  const pages = times.map((_, page) => page)
  const resident = new Set(outcome.resident)
  expect(pages.filter(page => times[page] > 1)).toEqual([])
  expect([...restore.hostPage].filter(page => !resident.has(page))).toEqual([])
  const fills = !loads && fillsMemory(given.policy)
  if (fills) expect(times).not.toContain(0)
  const dataBytes = layout.snapshot.blocks.reduce((sum, { setBits, pageSize }) => sum + setBits * pageSize, 0)
  const { bytesRead } = source
  if (fills || loads) expect(bytesRead).toBe(dataBytes)

  // What the restore left can be read: by an eager load it is data that was installed, or zeros of the kernel.
  const accessible = pages.filter(page => loads || resident.has(page))
  const wrong = accessible.filter(page => Buffer.compare(memory.pages(page, 1), eager.pages(page, 1)) !== 0)
  expect(wrong).toEqual([])
  const untouched = pages.filter(page => !loads && !resident.has(page))
  expect(untouched.filter(page => times[page] > 0)).toEqual([])
  for (const page of untouched) memory.pages(page, 1).set(eager.pages(page, 1))
  const loaded = await eagerLoad(layout.snapshot)
  for (const [i, block] of memory.blocks.entries()) expect(Buffer.compare(block, loaded[i])).toBe(0)
  expect(source.clearPagesRead).toBe(0)
  return { isTelling: bytesRead > 0 && source.garbagePages > 0, isUnfinished: untouched.length > 0 }
}

describe('the memory of a restored guest', () => {
  it.each(INSTALLING)(
    'is what an eager load leaves, each page installed at most once and no byte read under a clear bit: $name',
    async (policy: (typeof INSTALLING)[number]) => {
      const done: Awaited<ReturnType<typeof check>>[] = []
      const property = fc.asyncProperty(anyRestoreUnder([policy]), async given => void done.push(await check(given)))
      await fc.assert(property, { numRuns: CASES })
      // There was data to read and garbage to avoid, and something left to do after policies that leave it.
      expect(done.filter(({ isTelling }) => isTelling).length).toBeGreaterThan(5)
      if (UNFINISHED.includes(policy.name)) expect(done.some(({ isUnfinished }) => isUnfinished)).toBe(true)
    },
    PATIENCE_MS,
  )
})

describe('the source that watches', () => {
  property.prop([anyRestoreUnder(INSTALLING)], { numRuns: 50 })('notices a read under a clear bit', async given => {
    const { layout } = restoreOf(given, blocks => new GarbageSource(blocks))
    const source = layout.snapshot.source as GarbageSource
    const clear = layout.blocks.flatMap(({ block }) =>
      Array.from({ length: block.pageCount }, (_, page) => ({ block, page })).filter(
        ({ page }) => (block.bitmap[page >>> 5] & (1 << (page & 31))) === 0,
      ),
    )
    fc.pre(clear.length > 0)
    const { block, page } = clear[given.seed % clear.length]
    await source.read(block.pagesOffset + page * block.pageSize + block.pageSize - 1, new Uint8Array(1))
    expect(source.clearPagesRead).toBe(1)
  })
})
