/** Pages that the background has read, or is reading, are there for a request without another read. */
import { expect, it } from 'vitest'
import { MIB } from '../../src/core/units.ts'
import { Claims } from '../../src/destination/claims.ts'
import { parseHostPages } from '../../src/destination/host-pages.ts'
import { createLayout } from '../../src/destination/layout.ts'
import { Batch } from '../../src/engine/batch.ts'
import { uffdMechanism } from '../../src/policy/mechanisms.ts'
import { Sweep } from '../../src/policy/sweep.ts'
import { GroupPlanner } from '../../src/qemu/group-planner.ts'
import { Lane } from '../../src/qemu/lane.ts'
import { openSnapshot } from '../../src/snapshot/open-snapshot.ts'

const PAGE = 4096

it('a group that is read answers at once, one that is being read when it is, one that is not read never', async () => {
  const layout = createLayout(await openSnapshot('synthetic:1MiB,zero=0%'), parseHostPages('4K'))
  const [block] = layout.blocks
  const { pagesOffset } = block.block
  const reads: (() => void)[] = []
  const lane = new Lane({
    isFed: false,
    maxGroups: 2,
    maxReads: () => 1,
    readLimit: MIB,
    // Each page is full of its number.
    readSnapshot: (offset, target, at, length) =>
      new Promise(resolve =>
        reads.push(() => {
          for (let done = 0; done < length; done += PAGE) {
            target.fill((offset - pagesOffset + done) / PAGE, at + done, at + done + PAGE)
          }
          resolve()
        }),
      ),
    readWorkingSet: null,
    onProgress: () => {},
    onError: error => expect.fail(String(error)),
    onWorkingSetError: error => expect.fail(String(error)),
  })
  const sweep = new Sweep(layout, MIB)
  const batch = new Batch(layout, new Claims(layout.hostPageCount), uffdMechanism({}), true)
  const addToPlan = sweep.next.bind(sweep)
  lane.use(new GroupPlanner(batch, { addToPlan, packsPlans: true, hasWorkingSetFile: false }))
  lane.refill()
  const target = new Uint8Array(3 * PAGE)
  const copy = (first: number, mayWait: boolean) => lane.copy(block, { first, count: 2 }, target, PAGE, mayWait)
  expect(copy(5, false)).toBeUndefined()
  const later = copy(5, true)
  expect(later).toBeInstanceOf(Promise)
  // Half a MiB of pages on: the second group, whose read has not begun.
  expect(copy(130, true)).toBeUndefined()
  reads[0]()
  await later
  expect([0, PAGE, 2 * PAGE].map(at => target[at])).toEqual([0, 5, 6])
  expect(copy(7, false)).toBeNull()
  expect([0, PAGE, 2 * PAGE].map(at => target[at])).toEqual([0, 7, 8])
  expect(reads).toHaveLength(2)
})
