/** Installs that do not go through at once: EEXIST, partial copies, no memory, an empty pool of huge pages. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Interleaver, Toucher } from './interleaving.ts'
import { createModelRestore, HUGE, PAGE } from './model-support.ts'
import { installedPages, Sleeper, sleepersOn, wakeAll, wrongPages } from './sleepers.ts'

const HOST_64K = 16 * PAGE
const hugeBlock = { bits: '1'.repeat(1024), kind: 'hugetlb', hostPageSize: HUGE } as const

describe('a page that somebody else installs between claim and COPY', () => {
  it('counts as installed, and the vCPU that waits for it is woken', async () => {
    const restore = await createModelRestore({ blocks: [{ bits: '1111' }], policy: 'lazy', injection: { races: 1 } })
    const sleeper = new Sleeper(restore, 2)
    restore.handlers[0].step(0)
    expect([sleeper.saw, restore.sum(({ installer }) => installer!.eexist)]).toEqual(['right', 1])
    expect(restore.calls).toBeLessThan(10)
  })

  it.each([0, 5, 15])(
    'is the one that is passed over: the rest of a 64 KiB host page, waiter on small page %i',
    async small => {
      for (const bits of ['1'.repeat(32), '0'.repeat(32)]) {
        const blocks = [{ bits, hostPageSize: HOST_64K }]
        const restore = await createModelRestore({ blocks, policy: 'lazy', injection: { races: 1 } })
        const sleeper = new Sleeper(restore, 1, small * PAGE + 9)
        wakeAll(restore, [sleeper], 3)
        expect(sleeper.saw).toBe('right')
        expect(restore.vm.isPresent(restore.map.addressOf(1) + 15 * PAGE)).toBe(true)
        expect(wrongPages(restore)).toEqual([])
      }
    },
  )

  it('is passed over behind a partial copy as well', async () => {
    const blocks = [{ bits: '1'.repeat(48), hostPageSize: HOST_64K }]
    const injection = { races: 2, pagesPerCall: 3 }
    const restore = await createModelRestore({ blocks, policy: 'lazy-sweep', injection })
    restore.begin()
    while (restore.workers[0].step());
    expect([installedPages(restore), wrongPages(restore)]).toEqual([[0, 1, 2], []])
  })
})

describe('what is injected at random', () => {
  it.each(['lazy:handlers=2', 'lazy-sweep:handlers=2,chunk=128K', 'read-around', 'working-set:wait=true', 'qemu-11.2'])(
    'delays %s and changes nothing else',
    async policy => {
      const injections = fc.record({
        races: fc.nat({ max: 20 }),
        pagesPerCall: fc.nat({ max: 4 }),
        replacedAreas: fc.nat({ max: 5 }),
        disturbances: fc.nat({ max: 30 }),
        emptyReads: fc.nat({ max: 5 }),
        interruptedPolls: fc.nat({ max: 5 }),
      })
      const draws = fc.array(fc.array(fc.nat(), { maxLength: 8 }), { minLength: 1, maxLength: 3 })
      const pages = fc.constantFrom(PAGE, HOST_64K)
      const kinds = fc.constantFrom('anon', 'shmem')
      await fc.assert(
        fc.asyncProperty(
          injections,
          draws,
          pages,
          kinds,
          fc.integer(),
          async (injection, lists, hostPageSize, kind, seed) => {
            const blocks = [{ bits: '110100111'.repeat(6), hostPageSize, kind }, { bits: '01101' }] as const
            const restore = await createModelRestore({
              blocks,
              policy,
              injection,
              profile: '7.3',
              workingSet: [2, 0, 3],
            })
            const touchers = lists.map(list => {
              const accesses = list.map(draw => {
                const page = draw % restore.layout.hostPageCount
                return { page, offset: (draw * 769) % restore.pageBytes(page), write: (draw & 64) !== 0 }
              })
              return new Toucher(restore, accesses)
            })
            restore.begin()
            new Interleaver(restore, touchers, seed, 10_000).run()
            expect([restore.failures, wrongPages(restore)]).toEqual([[], []])
            expect(touchers.flatMap(({ endings }) => endings)).toEqual(lists.flat().map(() => 'ok'))
            expect(restore.pagesInstalled).toBe(installedPages(restore).length)
          },
        ),
        { numRuns: 8 },
      )
    },
  )
})

describe('no memory', () => {
  it('for a while: the install waits for it', async () => {
    const restore = await createModelRestore({
      blocks: [{ bits: '1111' }],
      policy: 'lazy',
      injection: { smallPages: 0 },
    })
    let sleeps = 0
    restore.onPoint = point => {
      if (point === 'sleep' && ++sleeps === 40) restore.kernel.smallPages.free = 1
    }
    const sleeper = new Sleeper(restore, 1)
    restore.handlers[0].step(0)
    expect([sleeper.saw, restore.failures]).toEqual(['right', []])
  })

  it.each([
    ['poison', 'SIGBUS'],
    ['zero', 0],
  ] as const)('for ever: the page is given up after a bounded time (%s), with the reason', async (broken, saw) => {
    const blocks = [{ bits: '1111' }]
    const restore = await createModelRestore({ blocks, policy: 'lazy', broken, injection: { smallPages: 0 } })
    const [first, second] = sleepersOn(restore, [1, 3])
    wakeAll(restore, [first, second], 3)
    for (const sleeper of [first, second]) {
      expect([sleeper.saw, sleeper.knewOfFailure]).toEqual([saw, true])
    }
    expect(restore.failures).toEqual([
      expect.stringMatching(/^UFFDIO_COPY at 0x[0-9a-f]+: found ENOMEM, expected the page to be installed$/),
    ])
    expect(restore.calls).toBeLessThan(150)
  })

  it.each([
    ['poison', 'SIGBUS'],
    ['zero', 0],
  ] as const)('in the middle of a 64 KiB host page: what is missing of it is given up (%s)', async (broken, saw) => {
    const blocks = [{ bits: '1'.repeat(16), hostPageSize: HOST_64K }]
    const restore = await createModelRestore({ blocks, policy: 'lazy', broken, injection: { smallPages: 5 } })
    const [early, late] = [new Sleeper(restore, 0, PAGE), new Sleeper(restore, 0, 9 * PAGE)]
    wakeAll(restore, [early, late], 3)
    expect([early.saw, late.saw, late.knewOfFailure]).toEqual(['right', saw, true])
    expect(restore.calls).toBeLessThan(100)
  })

  it('for shared zeros: they cannot be given up either, and the restore has failed, without asking again and again', async () => {
    const blocks = [{ bits: '1111', kind: 'shmem' }] as const
    const restore = await createModelRestore({ blocks, policy: 'lazy', injection: { smallPages: 0 } })
    const sleeper = new Sleeper(restore, 0)
    for (let i = 0; i < 50; i++) restore.handlers[0].step(0)
    expect([sleeper.saw, restore.state.failed]).toEqual(['asleep', true])
    expect(restore.calls).toBeLessThan(400)
    restore.channel.close()
    expect([sleeper.saw, sleeper.knewOfFailure]).toEqual([0, true])
  })
})

describe.each(['6.12', '6.18', '7.3'] as const)('an empty pool of huge pages on %s', profile => {
  it('that fills up again: the install waits for it', async () => {
    const restore = await createModelRestore({
      blocks: [hugeBlock],
      policy: 'lazy',
      profile,
      injection: { hugePages: 0 },
    })
    let sleeps = 0
    restore.onPoint = point => {
      if (point === 'sleep' && ++sleeps === 40) restore.kernel.hugePages().free = 2
    }
    const sleeper = new Sleeper(restore, 1)
    restore.handlers[0].step(0)
    expect([sleeper.saw, restore.failures]).toEqual(['right', []])
  })

  it('that stays empty: EEXIST is not taken for a page that is there, and the poisoned page is SIGBUS', async () => {
    const injection = { hugePages: 1 }
    const restore = await createModelRestore({
      blocks: [hugeBlock],
      policy: 'lazy-sweep:chunk=4M',
      profile,
      broken: 'poison',
      injection,
    })
    const sleepers = sleepersOn(restore, [0, 1])
    restore.begin()
    restore.workers[0].step()
    expect(sleepers.map(({ saw }) => saw)).toEqual(['right', 'SIGBUS'])
    expect(restore.failures).toEqual([
      expect.stringMatching(
        /^UFFDIO_COPY at 0x[0-9a-f]+: found (ENOMEM|EEXIST for a page that is missing: no free huge page), expected/,
      ),
    ])
    expect(restore.calls).toBeLessThan(100)
  })

  it('that stays empty: where zeros are wanted there are none either, and nobody asks again and again', async () => {
    const restore = await createModelRestore({
      blocks: [hugeBlock],
      policy: 'lazy',
      profile,
      injection: { hugePages: 0 },
    })
    const sleepers = sleepersOn(restore, [0, 1])
    for (let i = 0; i < 50; i++) restore.handlers[0].step(0)
    expect([sleepers.map(({ saw }) => saw), restore.state.failed]).toEqual([['asleep', 'asleep'], true])
    expect(restore.calls).toBeLessThan(600)
  })
})
