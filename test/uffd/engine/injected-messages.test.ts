/** Messages that are late, many, strange or the last: each ends with its toucher awake, or with a failed restore that says why. */
import { describe, expect, it } from 'vitest'
import { UFFD_FEATURE_EVENT_UNMAP, UFFDIO_COPY_MODE_DONTWAKE } from '../../../src/uffd/constants.ts'
import { PHASE_RUN } from '../../../src/uffd/engine/restore-state.ts'
import { createModelRestore, HUGE, type ModelRestore, PAGE } from './model-support.ts'
import { installedPages, Sleeper, sleepersOn, stepUntil, wakeAll, wrongPages } from './sleepers.ts'

/** Does `act` in the middle of read number `which`. */
function duringRead(restore: ModelRestore, which: number, act: () => void): void {
  let reads = 0
  restore.onPoint = point => {
    if (point === 'read' && ++reads === which) act()
  }
}

describe('a message', () => {
  it('whose page is installed before it is read is gone, and nothing is installed for it', async () => {
    const restore = await createModelRestore({ blocks: [{ bits: '1'.repeat(8) }], policy: 'lazy-sweep' })
    const sleepers = sleepersOn(restore, [0, 5, 7])
    restore.begin()
    restore.workers[0].step()
    expect(sleepers.map(({ saw }) => saw)).toEqual(['right', 'right', 'right'])
    const { calls } = restore
    restore.handlers[0].step(0)
    // A read that finds none, and the wait for one.
    expect([restore.handlers[0].messages, restore.calls - calls]).toEqual([0, 2])
  })

  it('that is gone between poll and read costs a call', async () => {
    const injection = { emptyReads: 3, interruptedPolls: 2 }
    const restore = await createModelRestore({ blocks: [{ bits: '1'.repeat(8) }], policy: 'lazy', injection })
    const sleeper = new Sleeper(restore, 3)
    // The first and the third wait begin with a read, which finds nothing; the first two polls are interrupted.
    expect(wakeAll(restore, [sleeper], 10)).toBe(4)
    expect([sleeper.saw, restore.failures]).toEqual(['right', []])
  })

  it('whose page was installed while it was being read wakes the toucher, if that sleeps on', async () => {
    const restore = await createModelRestore({ blocks: [{ bits: '1'.repeat(8) }], policy: 'lazy-sweep' })
    restore.state.enter(PHASE_RUN)
    const { channel } = restore
    const sleeper = new Sleeper(restore, 5)
    // The worker's COPY is one that wakes nobody.
    const { copy } = channel
    channel.copy = (to, from, length) => copy.call(channel, to, from, length, UFFDIO_COPY_MODE_DONTWAKE)
    restore.workers[0].step()
    expect(sleeper.saw).toBe('asleep')
    wakeAll(restore, [sleeper], 2)
    expect([sleeper.saw, restore.pagesInstalled]).toEqual(['right', 8])
  })

  it('for a page that a worker has under way waits for the worker, also once something else has failed', async () => {
    const restore = await createModelRestore({ blocks: [{ bits: '1'.repeat(16) }], policy: 'lazy-sweep' })
    restore.begin()
    const sleeper = new Sleeper(restore, 5)
    let calls = 0
    duringRead(restore, 1, () => {
      restore.state.fail()
      const before = restore.calls
      for (let i = 0; i < 20; i++) restore.handlers[0].step(0)
      calls = restore.calls - before
      expect(sleeper.saw).toBe('asleep')
    })
    restore.workers[0].step()
    expect(sleeper.saw).toBe('right')
    // A read that brings the message, and 19 polls, four of them behind a read that brings none.
    expect([restore.handlers[0].messages, calls]).toEqual([1, 24])
  })
})

describe('a flood of messages for one page', () => {
  it.each([10, 3000])('%i of them, by signals, while the page is read: it is installed once', async count => {
    const restore = await createModelRestore({ blocks: [{ bits: '1'.repeat(16) }], policy: 'lazy-sweep' })
    restore.begin()
    const sleepers = sleepersOn(restore, [5, 6])
    duringRead(restore, 1, () => {
      for (let i = 0; i < count; i++) {
        restore.handlers[0].step(0)
        for (const { thread } of sleepers) restore.vm.signal(thread)
      }
    })
    restore.workers[0].step()
    expect(sleepers.map(({ saw }) => saw)).toEqual(['right', 'right'])
    expect(restore.handlers[0].messages).toBe(2 * count)
    expect([restore.pagesInstalled, restore.failures]).toEqual([16, []])
    expect(restore.calls).toBeLessThan(3 * count + 20)
  })

  it.each(['lazy', 'lazy:handlers=3', 'read-around'])(
    'while %s answers: each is answered in a bounded number of calls',
    async policy => {
      const injection = { disturbances: 500 }
      const restore = await createModelRestore({ blocks: [{ bits: '1'.repeat(16) }], policy, injection })
      const sleepers = sleepersOn(restore, [5, 6, 5])
      wakeAll(restore, sleepers, 600)
      stepUntil(restore, () => restore.channel.counters.total === 0, 5)
      expect(sleepers.map(({ saw }) => saw)).toEqual(['right', 'right', 'right'])
      expect([wrongPages(restore), restore.failures]).toEqual([[], []])
      expect(restore.state.faultsOpen).toBe(0)
      expect(restore.calls).toBeLessThan(3000)
    },
  )
})

describe.each([
  ['anon 4K', { bits: '1'.repeat(16) }, 0, PAGE],
  ['anon 64K, a small page of it', { bits: '1'.repeat(64), hostPageSize: 16 * PAGE }, 9 * PAGE, PAGE],
  ['hugetlb', { bits: '1'.repeat(1024), kind: 'hugetlb', hostPageSize: HUGE }, 0, HUGE],
] as const)('a page that is dropped without an event (%s)', (_name, block, offset, length) => {
  it.each([
    ['poison', 'SIGBUS'],
    ['zero', 0],
  ] as const)('is not taken for one that is there for ever: it is broken (%s)', async (broken, saw) => {
    const restore = await createModelRestore({ blocks: [block], policy: 'lazy', broken })
    wakeAll(restore, sleepersOn(restore, [1]), 3)
    const advice = block.bits.length === 1024 ? 'remove' : 'dontneed'
    restore.vm.madvise(restore.vm.createThread(), restore.map.addressOf(1) + offset, length, advice)
    const sleeper = new Sleeper(restore, 1, offset + 7)
    wakeAll(restore, [sleeper], 2000)
    expect([sleeper.saw, sleeper.knewOfFailure]).toEqual([saw, true])
    expect(restore.failures).toEqual(['host page 1: found it missing again and again after its install'])
  })
})

describe('what no snapshot explains', () => {
  it('a fault outside all blocks fails the restore, with the address; others are answered', async () => {
    const restore = await createModelRestore({ blocks: [{ bits: '1'.repeat(8) }], policy: 'lazy' })
    const { vm, channel } = restore
    const other = vm.createMemory({ kind: 'anon', hostPageSize: PAGE, byteLength: 4 * PAGE })
    channel.register(other.address, other.byteLength, 1)
    const stray = vm.createThread()
    vm.touch(stray, other.address + PAGE, { write: true })
    const sleeper = new Sleeper(restore, 1)
    restore.handlers[0].step(0)
    expect(sleeper.saw).toBe('right')
    expect(restore.failures).toEqual([
      `userfaultfd: found a fault at 0x${(other.address + PAGE).toString(16)}, expected a fault in the snapshot's memory`,
    ])
    channel.close()
    expect(stray.ending).toBe('ok')
  })

  it('a fault behind the end of a block, on its last host page, is one outside all blocks', async () => {
    const restore = await createModelRestore({
      blocks: [{ bits: '1'.repeat(18), hostPageSize: 16 * PAGE }],
      policy: 'lazy',
    })
    const stray = restore.vm.createThread()
    restore.vm.touch(stray, restore.map.addressOf(1) + 2 * PAGE, { write: false })
    for (let i = 0; i < 5; i++) restore.handlers[0].step(0)
    expect(restore.failures).toEqual([
      expect.stringMatching(/^userfaultfd: found a fault at 0x[0-9a-f]+2000, expected/),
    ])
    expect(installedPages(restore)).toEqual([])
  })

  it('an event that nobody asked for fails the restore, with its number; others are answered', async () => {
    const features = UFFD_FEATURE_EVENT_UNMAP
    const restore = await createModelRestore({ blocks: [{ bits: '1'.repeat(8) }], policy: 'lazy', features })
    const unmapper = restore.vm.createThread()
    restore.vm.munmap(unmapper, restore.map.addressOf(6), PAGE)
    const sleeper = new Sleeper(restore, 1)
    wakeAll(restore, [sleeper], 10)
    expect([sleeper.saw, unmapper.ending]).toEqual(['right', 'ok'])
    expect(restore.failures).toEqual(["userfaultfd: found event 0x16, expected a fault in the snapshot's memory"])
  })
})

describe('the death of the userfaultfd', () => {
  it('is noticed by a handler at its next step, and told once', async () => {
    const restore = await createModelRestore({ blocks: [{ bits: '1'.repeat(8) }], policy: 'lazy' })
    sleepersOn(restore, [1, 2])
    restore.channel.close()
    for (let i = 0; i < 10; i++) restore.handlers[0].step(0)
    expect(restore.state.failed).toBe(true)
    expect(restore.failures).toEqual(['userfaultfd: poll: found EBADF, expected to wait for a message'])
    expect(restore.sum(({ errors }) => errors)).toBe(1)
  })

  it('fails what a worker has under way, at the next call, and the worker ends', async () => {
    const restore = await createModelRestore({ blocks: [{ bits: '1'.repeat(64) }], policy: 'lazy-sweep:chunk=16K' })
    restore.begin()
    duringRead(restore, 3, () => restore.channel.close())
    stepUntil(restore, () => !restore.workers[0].step(), 30)
    expect(restore.failures[0]).toMatch(/^UFFDIO_COPY at 0x[0-9a-f]+: found EBADF, expected the page to be installed$/)
    expect(installedPages(restore)).toEqual([0, 1, 2, 3])
    expect(restore.calls).toBeLessThan(100)
  })

  it('or anything else that a handler did not expect: the restore has failed before the error is thrown', async () => {
    const restore = await createModelRestore({ blocks: [{ bits: '1'.repeat(8) }], policy: 'lazy' })
    const sleeper = new Sleeper(restore, 1)
    restore.channel.copy = () => {
      throw new RangeError('found no memory for a string')
    }
    expect(() => restore.handlers[0].step(0)).toThrow('found no memory')
    expect(restore.failures).toEqual(['handler: found no memory for a string'])
    restore.channel.close()
    expect(sleeper.knewOfFailure).toBe(true)
  })

  it('after the restore has failed lets touchers go on, who know of it', async () => {
    const restore = await createModelRestore({ blocks: [{ bits: '1'.repeat(8) }], policy: 'lazy' })
    const sleepers = sleepersOn(restore, [1, 2])
    restore.onRead = () => restore.handlers[0].carrier.fail('disk: gone', 1)
    restore.handlers[0].step(0)
    sleepers.push(...sleepersOn(restore, [5, 6]))
    restore.channel.close()
    expect(sleepers.map(({ saw, knewOfFailure }) => [saw, knewOfFailure])).toEqual([
      ['right', true],
      ['right', true],
      [0, true],
      [0, true],
    ])
  })
})
