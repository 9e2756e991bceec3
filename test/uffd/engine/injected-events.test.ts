/** REMOVE events: a page that was removed reads as zeros from then on, whenever that was; and installs that events hold up. */
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { UFFD_FEATURE_EVENT_REMOVE } from '../../../src/uffd/constants.ts'
import { PHASE_STOP } from '../../../src/uffd/engine/restore-state.ts'
import { createMessageBuffer } from '../../../src/uffd/message-buffer.ts'
import type { ModelThread } from '../../../src/uffd/model/thread.ts'
import type { BlockOfBits } from '../../destination/layout-of-bits.ts'
import { createModelRestore, HUGE, type ModelRestore, type ModelRestoreOptions, PAGE } from './model-support.ts'
import { Sleeper, sleepersOn, stepUntil, wakeAll } from './sleepers.ts'

/** The carriers' clock, which stands still unless a test moves it. */
let nowNs = 0
vi.mock('../../../src/uffd/engine/clock.ts', () => ({ monotonicNs: () => nowNs }))
beforeEach(() => {
  nowNs = 1e9
})

/** A worker's sleep takes time, in which handlers do a step. */
async function restoreWithEvents(options: ModelRestoreOptions): Promise<ModelRestore> {
  const restore = await createModelRestore({ ...options, features: UFFD_FEATURE_EVENT_REMOVE })
  restore.onPoint = point => {
    if (point !== 'sleep') return
    nowNs += 1e6
    for (const handler of restore.handlers) handler.step(0)
  }
  return restore
}

/** Removes host pages as what they are backed by wants it done; the thread sleeps until the event is read. */
function remove(restore: ModelRestore, first: number, count = 1): ModelThread {
  const block = restore.layout.blocks.find(({ endHostPage }) => first < endHostPage)!
  const thread = restore.vm.createThread()
  const advice = block.kind === 'anon' ? 'dontneed' : 'remove'
  restore.vm.madvise(thread, restore.map.addressOf(first), count * block.hostPageSize, advice)
  return thread
}

/** Does `act` in the middle of the first read. */
function duringFirstRead(restore: ModelRestore, act: () => void): void {
  let reads = 0
  const { onPoint } = restore
  restore.onPoint = point => {
    onPoint(point)
    if (point === 'read' && ++reads === 1) act()
  }
}

const all = (count: number) => Array.from({ length: count }, (_, page) => page)
const KINDS: readonly (BlockOfBits & { readonly pages: number })[] = [
  { bits: '1'.repeat(12), kind: 'anon', pages: 12 },
  { bits: '1'.repeat(12), kind: 'shmem', pages: 12 },
  { bits: '1'.repeat(160), kind: 'anon', hostPageSize: 16 * PAGE, pages: 10 },
  { bits: '1'.repeat(1536), kind: 'hugetlb', hostPageSize: HUGE, pages: 3 },
]

describe.each(KINDS)('on $kind pages of $hostPageSize', block => {
  const last = block.pages - 1

  /** What each host page is seen to have, once nobody removes any more. */
  function seen(restore: ModelRestore): (string | number)[] {
    const sleepers = sleepersOn(restore, all(block.pages), PAGE - 9)
    wakeAll(restore, sleepers, 50)
    return sleepers.map(({ saw }) => saw)
  }
  const zeroAt = (...pages: number[]) => all(block.pages).map(page => (pages.includes(page) ? 0 : 'right'))

  it('a page removed before its install reads as zeros, under a sweep too', async () => {
    const restore = await restoreWithEvents({ blocks: [block], policy: 'lazy-sweep' })
    restore.begin()
    const remover = remove(restore, 1)
    stepUntil(restore, () => !restore.workers[0].step(), 50)
    expect(remover.ending).toBe('ok')
    expect(seen(restore)).toEqual(zeroAt(1))
    expect(restore.failures).toEqual([])
  })

  it('a page removed after its install reads as zeros, and again after it was removed again', async () => {
    const restore = await restoreWithEvents({ blocks: [block], policy: 'lazy' })
    expect(seen(restore)).toEqual(zeroAt())
    for (let i = 0; i < 3; i++) {
      const remover = remove(restore, last)
      stepUntil(restore, () => !remover.blocked, 10)
      expect(seen(restore)).toEqual(zeroAt(last))
    }
    expect(restore.failures).toEqual([])
  })

  it('a page removed while a worker reads it slowly reads as zeros; a handler had read the event meanwhile', async () => {
    const restore = await restoreWithEvents({ blocks: [block], policy: 'lazy-sweep:chunk=8M' })
    restore.begin()
    const waiting = new Sleeper(restore, 1, 5)
    let remover: ModelThread | null = null
    duringFirstRead(restore, () => {
      remover = remove(restore, 1)
      stepUntil(handlersOf(restore), () => !remover!.blocked, 10)
    })
    expect(restore.workers[0].step()).toBe(true)
    wakeAll(restore, [waiting], 10)
    expect([remover!.ending, waiting.saw]).toEqual(['ok', 0])
    expect(seen(restore)).toEqual(zeroAt(1))
  })

  it('a page removed while the only handler reads it slowly reads as zeros: the handler reads the event itself', async () => {
    const restore = await restoreWithEvents({ blocks: [block], policy: 'lazy' })
    const waiting = new Sleeper(restore, 1, 5)
    let remover: ModelThread | null = null
    duringFirstRead(restore, () => {
      remover = remove(restore, 1)
    })
    wakeAll(restore, [waiting], 10)
    expect([remover!.ending, waiting.saw]).toEqual(['ok', 0])
    expect(restore.sum(({ installer }) => installer!.eagain)).toBeGreaterThan(0)
    expect(seen(restore)).toEqual(zeroAt(1))
    expect(restore.calls).toBeLessThan(200)
  })

  it('of a run that is removed in part, the rest is installed', async () => {
    const restore = await restoreWithEvents({ blocks: [block], policy: 'lazy-sweep:chunk=8M' })
    restore.begin()
    let remover: ModelThread | null = null
    duringFirstRead(restore, () => {
      remover = remove(restore, 1, block.pages - 2)
      restore.handlers[0].step(0)
    })
    while (restore.workers[0].step());
    expect(remover!.ending).toBe('ok')
    expect(restore.pagesInstalled).toBe(2)
    expect(seen(restore)).toEqual(zeroAt(...all(block.pages).slice(1, last)))
  })
})

/** For a moment in which workers stand still. */
function handlersOf(restore: ModelRestore): ModelRestore {
  return { handlers: restore.handlers, workers: [] } as unknown as ModelRestore
}

describe('a removal', () => {
  it('of part of a host page cannot be told apart from one of the whole, and fails the restore', async () => {
    const blocks = [{ bits: '1'.repeat(64), hostPageSize: 16 * PAGE }]
    for (const [first, count] of [
      [1, 3],
      [5, 11],
      [8, 20],
    ] as const) {
      const restore = await restoreWithEvents({ blocks, policy: 'lazy' })
      const remover = restore.vm.createThread()
      restore.vm.madvise(remover, restore.map.blockAddress[0] + first * PAGE, count * PAGE, 'dontneed')
      stepUntil(restore, () => !remover.blocked, 5)
      expect(restore.failures).toEqual([
        expect.stringMatching(/^userfaultfd: found a removal of part of host page \d, expected whole host pages$/),
      ])
      expect(restore.calls).toBeLessThan(20)
    }
  })

  it('of the used part of a last host page is one of all of it', async () => {
    const blocks = [{ bits: '1'.repeat(18), hostPageSize: 16 * PAGE }]
    const restore = await restoreWithEvents({ blocks, policy: 'lazy' })
    const remover = restore.vm.createThread()
    restore.vm.madvise(remover, restore.map.addressOf(1), 2 * PAGE, 'dontneed')
    stepUntil(restore, () => !remover.blocked, 5)
    const sleepers = [new Sleeper(restore, 1, 10), new Sleeper(restore, 1, PAGE + 10)]
    wakeAll(restore, sleepers, 10)
    expect([sleepers.map(({ saw }) => saw), restore.failures]).toEqual([[0, 0], []])
  })

  it('of memory that is no block is none of ours', async () => {
    const restore = await restoreWithEvents({ blocks: [{ bits: '11' }, { bits: '11' }], policy: 'lazy' })
    const { vm, channel } = restore
    const other = vm.createMemory({ kind: 'anon', hostPageSize: PAGE, byteLength: 4 * PAGE })
    channel.register(other.address, other.byteLength, 1)
    const remover = vm.createThread()
    vm.madvise(remover, other.address, other.byteLength, 'dontneed')
    stepUntil(restore, () => !remover.blocked, 5)
    const sleepers = sleepersOn(restore, all(4))
    wakeAll(restore, sleepers, 10)
    expect([sleepers.map(({ saw }) => saw), restore.failures]).toEqual([['right', 'right', 'right', 'right'], []])
  })
})

describe('EAGAIN for as long as an event is outstanding', () => {
  it.each([1, 100, 2000])('%i times after it was read: the worker goes on then', async retriesAfterEvent => {
    const blocks = [{ bits: '1'.repeat(8) }]
    const restore = await restoreWithEvents({ blocks, policy: 'lazy-sweep', injection: { retriesAfterEvent } })
    restore.begin()
    const remover = remove(restore, 7)
    let sleeps = 0
    restore.onPoint = point => {
      // A handler that reads messages and does not wait for more: the event's thread runs late.
      if (point === 'sleep' && ++sleeps === 3) restore.channel.read(createMessageBuffer(1))
    }
    restore.workers[0].step()
    expect([remover.ending, restore.failures]).toEqual(['ok', []])
    expect(restore.sum(({ installer }) => installer!.eagain)).toBe(3 + retriesAfterEvent)
  })

  it.each(['poison', 'zero'] as const)(
    'for ever: the install is given up after 5 s, and the restore has failed (%s)',
    async broken => {
      const restore = await restoreWithEvents({ blocks: [{ bits: '1'.repeat(8) }], policy: 'lazy-sweep', broken })
      restore.begin()
      const sleeper = new Sleeper(restore, 2)
      remove(restore, 7)
      let sleeps = 0
      restore.onPoint = point => {
        if (point !== 'sleep') return
        sleeps++
        nowNs += 1e6
      }
      restore.workers[0].step()
      expect(restore.failures).toEqual(['userfaultfd event: found installs held up for 5 s'])
      expect(sleeps).toBeLessThan(10_100)
      // Nobody reads the event, so not even this can be done; whoever stops the restore lets the thread go.
      expect([sleeper.saw, restore.state.failed]).toEqual(['asleep', true])
      restore.channel.close()
      expect(sleeper.knewOfFailure).toBe(true)
    },
  )

  it('when the restore is stopped nobody waits any more, and that is no failure', async () => {
    const restore = await restoreWithEvents({ blocks: [{ bits: '1'.repeat(8) }], policy: 'lazy-sweep' })
    restore.begin()
    remove(restore, 7)
    restore.onPoint = point => {
      if (point === 'sleep') restore.state.enter(PHASE_STOP)
    }
    restore.workers[0].step()
    expect([restore.failures, restore.state.failed]).toEqual([[], false])
    expect(restore.calls).toBeLessThan(10)
  })
})
