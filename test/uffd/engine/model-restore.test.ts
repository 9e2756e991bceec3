/**
 * The engine over the model kernel: whatever order threads run in, memory ends as an eager load leaves it, each page is
 * installed once, and every toucher wakes.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { popcount32 } from '../../../src/core/bitmap.ts'
import { blockOfHostPage } from '../../../src/destination/layout.ts'
import type { KernelProfile } from '../../../src/uffd/model/profile.ts'
import type { BlockOfBits } from '../../destination/layout-of-bits.ts'
import { fillsMemory } from '../../policy/plans.ts'
import { type Access, Interleaver, Toucher } from './interleaving.ts'
import { createModelRestore, HUGE, type ModelRestore, PAGE, UFFD_POLICIES } from './model-support.ts'

/** Every policy that uses userfaultfd, and options that change what its threads do. */
const POLICIES = [
  ...UFFD_POLICIES,
  'lazy:handlers=3',
  'lazy-sweep:handlers=2,chunk=16K',
  'lazy-sweep:yield=true,chunk=4K',
  'read-around:window=16K,handlers=2',
  'working-set:wait=true,read=8K',
  'working-set:sweep=false,handlers=2',
  'working-set:yield=true,read=64K',
]

const bitsOf = (count: number) =>
  fc
    .array(fc.nat({ max: 3 }), { minLength: count, maxLength: count })
    .map(draws => draws.map(draw => (draw < 2 ? 1 : 0)).join(''))
const bits = (minLength: number, maxLength: number) => fc.integer({ min: minLength, max: maxLength }).chain(bitsOf)

const LAYOUTS: Readonly<Record<string, fc.Arbitrary<readonly BlockOfBits[]>>> = {
  'anon 4K': bits(1, 70).map(b => [{ bits: b }]),
  'shmem 4K': bits(1, 70).map(b => [{ bits: b, kind: 'shmem' }]),
  'anon 64K with a tail that is no whole host page': bits(17, 100).map(b => [{ bits: b, hostPageSize: 16 * PAGE }]),
  'shmem 64K and anon 4K beside it': fc
    .tuple(bits(1, 60), bits(1, 20))
    .map(([a, b]) => [{ bits: a, kind: 'shmem', hostPageSize: 16 * PAGE }, { bits: b }]),
  'hugetlb 2M, one page mixed, one zero and one data, and anon 4K beside it': fc
    .tuple(bitsOf(32), bits(1, 9))
    .map(([mixed, b]) => [
      { bits: mixed.repeat(16) + '0'.repeat(512) + '1'.repeat(512), kind: 'hugetlb', hostPageSize: HUGE },
      { bits: b },
    ]),
}

interface Run {
  readonly seed: number
  readonly touchers: readonly (readonly number[])[]
  readonly workingSet: readonly number[]
  readonly wakeOrder: 'oldest first' | 'latest first'
  readonly profile: KernelProfile
}

const runs: fc.Arbitrary<Run> = fc.record({
  seed: fc.integer(),
  touchers: fc.array(fc.array(fc.nat(), { maxLength: 12 }), { minLength: 1, maxLength: 4 }),
  workingSet: fc.array(fc.nat(), { maxLength: 40 }),
  wakeOrder: fc.constantFrom('oldest first', 'latest first'),
  profile: fc.constantFrom('6.12', '6.18', '7.3'),
})

/** An access that a number stands for. */
function accessOf(restore: ModelRestore, draw: number): Access {
  const page = draw % restore.layout.hostPageCount
  return { page, offset: (draw * 769) % restore.pageBytes(page), write: (draw & 64) !== 0 }
}

function countOf(bitmap: Uint32Array): number {
  return bitmap.reduce((sum, word) => sum + popcount32(word), 0)
}

function checkMemory(restore: ModelRestore): void {
  const { layout, state } = restore
  for (let page = 0; page < layout.hostPageCount; page++) {
    const { index, block, firstHostPage, hostPageSize } = blockOfHostPage(layout, page)
    const isInstalled = (state.shared.installed[page >>> 5] >>> (page & 31)) & 1
    const start = (page - firstHostPage) * hostPageSize
    const expected = restore.eager[index].subarray(start, start + hostPageSize)
    if (isInstalled && Buffer.compare(restore.bytesOf(page), expected) !== 0) {
      throw new Error(`block ${block.name}, host page ${page}: found other bytes than an eager load leaves`)
    }
    if (isInstalled !== Number(restore.isPresent(restore.map.addressOf(page)))) {
      throw new Error(`host page ${page}: found ${isInstalled ? 'nothing' : 'a page'}, expected the contrary`)
    }
  }
}

describe.each(Object.keys(LAYOUTS))('on %s', name => {
  it.each(POLICIES)(
    '%s leaves what an eager load does, installs each page once and wakes every toucher',
    async policy => {
      await fc.assert(
        fc.asyncProperty(
          LAYOUTS[name],
          runs,
          async (blocks, { seed, touchers: lists, workingSet, wakeOrder, profile }) => {
            const total = blocks.reduce(
              (sum, b) => sum + Math.ceil((b.bits.length * PAGE) / (b.hostPageSize ?? PAGE)),
              0,
            )
            const recorded = [...new Set(workingSet.map(draw => draw % total))]
            const restore = await createModelRestore({ blocks, policy, workingSet: recorded, wakeOrder, profile })
            const touchers = lists.map(
              list =>
                new Toucher(
                  restore,
                  list.map(draw => accessOf(restore, draw)),
                ),
            )
            const limit = 1000 + 10 * restore.layout.targetPageCount + 50 * lists.flat().length
            const interleaver = new Interleaver(restore, touchers, seed, limit)
            restore.begin()
            interleaver.run()

            checkMemory(restore)
            const { claimed, installed, faulted } = restore.state.shared
            expect(restore.failures).toEqual([])
            expect(touchers.flatMap(({ endings }) => endings)).toEqual(lists.flat().map(() => 'ok'))
            expect(restore.sum(({ installer }) => installer!.eexist + installer!.eagain)).toBe(0)
            expect(restore.pagesInstalled).toBe(countOf(installed))
            expect(countOf(claimed)).toBe(countOf(installed))
            expect(countOf(faulted)).toBeLessThanOrEqual(countOf(installed))
            expect(restore.state.faultsOpen).toBe(0)
            expect(restore.channel.counters.total).toBe(0)
            if (fillsMemory(policy)) expect(countOf(installed)).toBe(total)
            else
              for (const page of lists.flat().map(draw => draw % total)) {
                expect((installed[page >>> 5] >>> (page & 31)) & 1).toBe(1)
              }
          },
        ),
        { numRuns: name.startsWith('hugetlb') ? 2 : 7 },
      )
    },
  )
})
