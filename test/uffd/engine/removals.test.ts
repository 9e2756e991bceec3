/**
 * Memory that is given back while it is restored, in any order of events, reads, installs and touches: a page that was
 * removed reads as zeros, every other one as an eager load leaves it, and everybody goes on.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UFFD_FEATURE_EVENT_REMOVE } from '../../../src/uffd/constants.ts'
import type { ModelThread } from '../../../src/uffd/model/thread.ts'
import type { BlockOfBits } from '../../destination/layout-of-bits.ts'
import { type Actor, Interleaver, Toucher } from './interleaving.ts'
import { createModelRestore, HUGE, type ModelRestore, PAGE } from './model-support.ts'
import { sleepersOn, wakeAll } from './sleepers.ts'

interface Removal {
  readonly first: number
  readonly count: number
}

/** Gives back ranges of host pages, one after the other. */
class Remover implements Actor {
  readonly name: string
  readonly role = 'toucher'
  readonly thread: ModelThread
  /** Host pages that a removal was begun for. */
  readonly removed = new Set<number>()
  readonly #restore: ModelRestore
  readonly #advice: 'dontneed' | 'remove'
  readonly #removals: readonly Removal[]
  #started = 0

  constructor(restore: ModelRestore, removals: readonly Removal[]) {
    this.thread = restore.vm.createThread()
    this.name = `remover ${this.thread.id}`
    this.#restore = restore
    this.#advice = restore.layout.blocks[0].kind === 'anon' ? 'dontneed' : 'remove'
    this.#removals = removals
  }

  get ready(): boolean {
    return !this.thread.blocked && !this.finished
  }

  get finished(): boolean {
    return this.#started === this.#removals.length && !this.thread.blocked
  }

  step(): void {
    const { first, count } = this.#removals[this.#started++]
    for (let page = first; page < first + count; page++) this.removed.add(page)
    const { vm, map, layout } = this.#restore
    vm.madvise(this.thread, map.addressOf(first), count * layout.blocks[0].hostPageSize, this.#advice)
  }
}

const BLOCKS: Readonly<Record<string, BlockOfBits>> = {
  'anon 4K': { bits: '1101'.repeat(8) },
  'shmem 4K': { bits: '1101'.repeat(8), kind: 'shmem' },
  'anon 64K': { bits: '1101'.repeat(20), hostPageSize: 16 * PAGE },
  hugetlb: { bits: '1'.repeat(1024) + '0'.repeat(512), kind: 'hugetlb', hostPageSize: HUGE },
}

describe.each(Object.keys(BLOCKS))('on %s', name => {
  it.each(['lazy:handlers=2', 'lazy-sweep:handlers=2,chunk=16K', 'lazy-sweep', 'read-around', 'working-set'])(
    '%s never lets the snapshot come back where memory was removed',
    async policy => {
      const block = BLOCKS[name]
      const pages = Math.ceil((block.bits.length * PAGE) / (block.hostPageSize ?? PAGE))
      const ranges = fc.tuple(fc.nat(), fc.nat()).map(([a, b]): Removal => {
        const first = a % pages
        return { first, count: 1 + (b % Math.min(6, pages - first)) }
      })
      const lists = fc.array(fc.array(fc.nat({ max: pages - 1 }), { maxLength: 10 }), { minLength: 1, maxLength: 3 })
      const removals = fc.array(fc.array(ranges, { maxLength: 4 }), { minLength: 1, maxLength: 2 })
      await fc.assert(
        fc.asyncProperty(
          fc.integer(),
          lists,
          removals,
          fc.nat({ max: 3 }),
          async (seed, lists, removals, retriesAfterEvent) => {
            const restore = await createModelRestore({
              blocks: [block],
              policy,
              workingSet: [1, 0, pages - 1],
              features: UFFD_FEATURE_EVENT_REMOVE,
              injection: { retriesAfterEvent },
            })
            const removers = removals.map(list => new Remover(restore, list))
            const isRemoved = (page: number) => removers.some(({ removed }) => removed.has(page))
            const touchers = lists.map(list => {
              const accesses = list.map(page => ({ page, offset: PAGE - 7, write: false }))
              return new Toucher(restore, accesses, ({ page, offset }, value) => {
                return value === restore.eagerByte(page, offset) || (value === 0 && isRemoved(page))
              })
            })
            restore.begin()
            new Interleaver(restore, [...touchers, ...removers], seed, 20_000, true).run()

            restore.onPoint = () => {}
            const sleepers = sleepersOn(
              restore,
              Array.from({ length: pages }, (_, page) => page),
              PAGE - 7,
            )
            wakeAll(restore, sleepers, 100)
            expect(restore.failures).toEqual([])
            for (const { page, offset, thread } of sleepers) {
              const expected = isRemoved(page) ? 0 : restore.eagerByte(page, offset)
              expect([page, thread.ending, thread.value]).toEqual([page, 'ok', expected])
            }
            expect(touchers.flatMap(({ endings }) => endings).every(ending => ending === 'ok')).toBe(true)
            expect(restore.state.faultsOpen).toBe(0)
          },
        ),
        { numRuns: name === 'hugetlb' ? 2 : 8 },
      )
    },
  )
})
