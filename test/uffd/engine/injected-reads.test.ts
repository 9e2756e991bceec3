/** Files that cannot be read: only what is in the bad part is broken, its touchers learn of it, and all else is right. */
import { describe, expect, it } from 'vitest'
import { UFFD_FEATURE_EVENT_REMOVE } from '../../../src/uffd/constants.ts'
import { createModelRestore, HUGE, type ModelRead, PAGE } from './model-support.ts'
import { installedPages, Sleeper, sleepersOn, stepUntil, wakeAll, wrongPages } from './sleepers.ts'

/** The snapshot's byte `badByte` of page slots cannot be read. */
function failAt(badByte: number) {
  return ({ file, offset, length }: ModelRead): void => {
    const bad = 1_000_000 + badByte
    if (file === 'snapshot' && offset <= bad && bad < offset + length) throw new Error(`disk: offset ${bad}: EIO`)
  }
}

const all = (count: number) => Array.from({ length: count }, (_, page) => page)

describe.each([
  ['poison', 'SIGBUS'],
  ['zero', 0],
] as const)('one bad page inside a large read (%s)', (broken, saw) => {
  it('is the only one that is broken; its toucher finds that out, all others get their bytes', async () => {
    const restore = await createModelRestore({ blocks: [{ bits: '1'.repeat(64) }], policy: 'lazy-sweep', broken })
    restore.onRead = failAt(37 * PAGE + 100)
    const sleepers = sleepersOn(restore, all(64))
    restore.begin()
    expect(restore.workers[0].step()).toBe(true)
    expect(sleepers.map(({ saw }) => saw)).toEqual(all(64).map(page => (page === 37 ? saw : 'right')))
    expect(sleepers[37].knewOfFailure).toBe(true)
    expect(restore.failures).toEqual([`disk: offset ${1_000_000 + 37 * PAGE + 100}: EIO`])
    expect(restore.sum(({ errors }) => errors)).toBe(1)
    expect([installedPages(restore).length, wrongPages(restore)]).toEqual([63, []])
    expect(restore.calls).toBeLessThan(80)
  })

  it('breaks its whole host page, however few small pages the kernel does in a call', async () => {
    const blocks = [{ bits: '1'.repeat(48), hostPageSize: 16 * PAGE }]
    const restore = await createModelRestore({ blocks, policy: 'lazy', broken, injection: { pagesPerCall: 2 } })
    restore.onRead = failAt(20 * PAGE)
    const sleepers = [4, 9, 15].map(small => new Sleeper(restore, 1, small * PAGE))
    wakeAll(restore, sleepers, 3)
    expect(sleepers.map(({ saw }) => saw)).toEqual([saw, saw, saw])
    expect(sleepers.every(({ knewOfFailure }) => knewOfFailure)).toBe(true)
    const [other] = sleepersOn(restore, [2])
    wakeAll(restore, [other], 3)
    expect(other.saw).toBe('right')
  })

  it('on huge pages breaks its huge page', async () => {
    const blocks = [{ bits: '1'.repeat(1024), kind: 'hugetlb', hostPageSize: HUGE }] as const
    const restore = await createModelRestore({ blocks, policy: 'lazy-sweep:chunk=4M', broken })
    restore.onRead = failAt(700 * PAGE)
    const sleepers = [
      new Sleeper(restore, 0, 5),
      new Sleeper(restore, 1, 9 * PAGE),
      new Sleeper(restore, 1, 300 * PAGE),
    ]
    restore.begin()
    wakeAll(restore, sleepers, 3)
    expect(sleepers.map(({ saw }) => saw)).toEqual(['right', saw, saw])
  })

  it('is broken too where an event is outstanding that must be read first', async () => {
    const features = UFFD_FEATURE_EVENT_REMOVE
    const blocks = [{ bits: '1'.repeat(8) }]
    const restore = await createModelRestore({ blocks, policy: 'lazy', broken, features })
    restore.onRead = failAt(3 * PAGE)
    const sleeper = new Sleeper(restore, 3)
    const remover = restore.vm.createThread()
    let isRemoving = false
    restore.onPoint = point => {
      if (point !== 'read' || isRemoving) return
      isRemoving = true
      restore.vm.madvise(remover, restore.map.addressOf(6), PAGE, 'dontneed')
    }
    wakeAll(restore, [sleeper], 20)
    expect([sleeper.saw, sleeper.knewOfFailure, remover.ending]).toEqual([saw, true, 'ok'])
    expect(restore.calls).toBeLessThan(100)
  })
})

describe('a file that ends early', () => {
  it('breaks the pages beyond its end and no others', async () => {
    const restore = await createModelRestore({
      blocks: [{ bits: '1'.repeat(20) }],
      policy: 'lazy-sweep:chunk=32K',
      broken: 'poison',
    })
    restore.onRead = ({ offset, length }) => {
      if (offset + length > 1_000_000 + 13 * PAGE) throw new Error('disk: found an end, expected 4096 bytes')
    }
    const sleepers = sleepersOn(restore, all(20))
    restore.begin()
    wakeAll(restore, sleepers, 20)
    expect(sleepers.map(({ saw }) => saw)).toEqual(all(20).map(page => (page < 13 ? 'right' : 'SIGBUS')))
    expect(restore.sum(({ errors }) => errors)).toBe(7)
  })

  it.each(['lazy-sweep', 'working-set', 'read-around', 'lazy', 'qemu-11.2'])(
    'or a device that is gone breaks everything that is asked for, and %s ends',
    async policy => {
      const blocks = [{ bits: '1101'.repeat(10) }]
      const restore = await createModelRestore({ blocks, policy, workingSet: [5, 1, 2], broken: 'poison' })
      restore.onRead = () => {
        throw new Error('disk: EIO')
      }
      const sleepers = sleepersOn(restore, all(40))
      restore.begin()
      wakeAll(restore, sleepers, 100)
      stepUntil(restore, () => restore.workers.every(worker => !worker.step()), 100)
      expect(sleepers.map(({ saw }) => saw)).toEqual(all(40).map(page => (page % 4 === 2 ? 'right' : 'SIGBUS')))
      expect(restore.failures.every(reason => reason === 'disk: EIO')).toBe(true)
      expect(restore.calls).toBeLessThan(400)
    },
  )
})

describe('a working-set file', () => {
  it.each(['working-set', 'working-set:wait=true'])(
    'that cannot be read: %s takes the bytes from the snapshot',
    async policy => {
      const blocks = [{ bits: '1'.repeat(40) }, { bits: '1'.repeat(20), hostPageSize: 16 * PAGE }]
      const restore = await createModelRestore({ blocks, policy, workingSet: [7, 8, 30, 41, 2] })
      const files: string[] = []
      restore.onRead = ({ file }) => {
        files.push(file)
        if (file === 'working set') throw new Error('working set: found 5 bytes, expected 20480')
      }
      const sleepers = sleepersOn(restore, [30, 7, 41, 20])
      restore.begin()
      wakeAll(restore, sleepers, 20)
      stepUntil(restore, () => !restore.workers[0].step(), 20)
      expect(sleepers.map(({ saw }) => saw)).toEqual(['right', 'right', 'right', 'right'])
      expect(files).toContain('working set')
      expect([restore.failures, wrongPages(restore)]).toEqual([[], []])
      expect(installedPages(restore).length).toBe(42)
    },
  )

  it('and the snapshot that both cannot be read: the pages are broken', async () => {
    const blocks = [{ bits: '1'.repeat(8) }]
    const restore = await createModelRestore({
      blocks,
      policy: 'working-set:wait=true',
      workingSet: [3, 4, 6],
      broken: 'poison',
    })
    restore.onRead = read => {
      if (read.file === 'working set') throw new Error('working set: EIO')
      failAt(4 * PAGE)(read)
    }
    restore.begin()
    expect(sleepersOn(restore, [3, 4, 6]).map(({ saw }) => saw)).toEqual(['right', 'SIGBUS', 'right'])
    expect(restore.failures).toEqual([`disk: offset ${1_000_000 + 4 * PAGE}: EIO`])
  })
})
