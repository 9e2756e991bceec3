/** Contention on the fault path: the lock by hand, a restore by hand, and the published curve over vCPUs. */
import { describe, expect, it } from 'vitest'
import { parseSpec } from '../../src/core/spec-string.ts'
import { parseHostPages } from '../../src/destination/host-pages.ts'
import { createLayout } from '../../src/destination/layout.ts'
import { createPolicy } from '../../src/policy/registry.ts'
import { FREE_FAULT_PATH, parseFaultPath, UffdLocks } from '../../src/sim/fault-path.ts'
import { simulate } from '../../src/sim/simulate.ts'
import { openSynthetic } from '../../src/snapshot/synthetic.ts'
import { parseStorage } from '../../src/storage/device.ts'
import { layoutOfBits } from '../destination/layout-of-bits.ts'
import { COSTS, restore, workloadOf } from './worked-by-hand.ts'

describe('a lock', () => {
  const path = { name: '', uffds: 2, lockNs: 300, handoverNs: 700, scanNs: 80 }

  it('is had at once, or after those before, and handed on at a cost only behind somebody who waits', () => {
    const locks = new UffdLocks(path, 100)
    expect([locks.take(0, 1000), locks.take(0, 1000), locks.take(0, 1000), locks.take(0, 1000)]).toEqual([
      300,
      600, // spins on the lock itself
      1600, // behind the second: 700 more
      2600,
    ])
    expect(locks.take(1, 1000)).toBe(300)
    expect(locks.take(0, 9000)).toBe(300)
  })

  it('is kept for the walk over all who wait on its userfaultfd', () => {
    const locks = new UffdLocks(path, 100)
    for (const page of [0, 49, 50]) locks.addWaiting(locks.uffdOf(page), 1)
    expect(locks.wake(0, 0, 1000)).toBe(300 + 2 * 80 + 1000)
    expect(locks.wake(1, 0, 0)).toBe(300 + 80)
  })
})

describe('a fault on a locked path', () => {
  it('takes the lock to queue, to be read, and to be woken', () => {
    const layout = layoutOfBits({ bits: '11' })
    const free = restore('lazy', layout, [[{ page: 0 }]])
    const locked = restore('lazy', layout, [[{ page: 0 }]], {
      faultPath: { ...FREE_FAULT_PATH, lockNs: 301, handoverNs: 707, scanNs: 83 },
    })
    expect(locked.workDoneNs - free.workDoneNs).toBe(3 * 301 + 83)
  })
})

describe('throughput over vCPUs', () => {
  /**
   * demand_paging_test -u MINOR on 256 cores (A. Moorthy, cover letter of KVM_CAP_MEM_FAULT_NOWAIT), thousand pages/s. The round
   * trip is fitted on the first row, scan and handover on those of 16 and 256 vCPUs; 4 and 64 are predictions.
   */
  const PUBLISHED = [
    { vcpus: 1, published: 150, error: 0 },
    { vcpus: 4, published: 210, error: -0.29 }, // a known miss: the lock is handed on too dearly between so few
    { vcpus: 16, published: 130, error: 0 },
    { vcpus: 64, published: 86, error: 0 },
    { vcpus: 256, published: 36, error: 0 },
  ]
  const PAGES = 60

  function thousandPagesPerS(vcpus: number, { uffds = 1, handlers = vcpus, installNs = 0 } = {}): number {
    const faultPath = parseFaultPath(`locked:uffds=${uffds}`)
    const wakeCallNs = 700
    const restNs = 6667 - 3 * faultPath.lockNs - faultPath.scanNs - wakeCallNs
    const free = Object.fromEntries(Object.keys(COSTS).map(name => [name, 0])) as unknown as typeof COSTS
    const costs = {
      ...free,
      cores: 2 * vcpus + 2,
      runQueues: 1,
      threadAlonePerMille: 1000,
      threadAllPerMille: 1000,
      faultTrapNs: 0.15 * restNs,
      handlerWakeRemoteNs: 0.35 * restNs,
      messageReadNs: 0.05 * restNs,
      copyCallNs: 0.1 * restNs + installNs,
      wakeCallRemoteNs: wakeCallNs,
      vcpuWakeRemoteNs: 0.35 * restNs,
    }
    const layout = createLayout(openSynthetic(`synthetic:${vcpus * PAGES * 4}KiB,zero=0%`), parseHostPages('4K'))
    // Each vCPU has a part of the memory for itself.
    const touches = Array.from({ length: vcpus }, (_, vcpu) =>
      Array.from({ length: PAGES }, (_, i) => ({ page: vcpu * PAGES + i })),
    )
    const workload = workloadOf(layout, touches)
    const { resumeNs, vcpus: done } = simulate({
      layout,
      policy: createPolicy(parseSpec(`lazy:handlers=${handlers}`), { layout, workingSet: null }),
      workload,
      hostPage: workload.page,
      storage: parseStorage('page-cache'),
      costs,
      fixedNs: 0,
      seed: 1,
      faultPath,
    })
    return (vcpus * PAGES * 1e6) / (done.workDoneNs - resumeNs)
  }

  it.each(PUBLISHED)('$vcpus: $published, as far off as docs/model.md says', ({ vcpus, published, error }) => {
    expect(Math.abs(thousandPagesPerS(vcpus) / published - 1 - error)).toBeLessThan(0.02)
  })

  it('rises with handlers where installs take long, and falls with them where the lock does', () => {
    const slow = (handlers: number) => thousandPagesPerS(16, { handlers, installNs: 50_000 })
    expect(slow(4)).toBeGreaterThan(3.5 * slow(1))
    expect(thousandPagesPerS(16, { handlers: 16 })).toBeLessThan(0.5 * thousandPagesPerS(16, { handlers: 1 }))
  })

  it('rises with userfaultfds that have locks of their own', () => {
    expect(thousandPagesPerS(64, { uffds: 64 })).toBeGreaterThan(20 * thousandPagesPerS(64))
  })
})

describe('a fault path', () => {
  it('is written as a name and options', () => {
    expect(parseFaultPath('free')).toEqual(FREE_FAULT_PATH)
    expect(parseFaultPath('locked:uffds=4,scan=20ns')).toMatchObject({ uffds: 4, scanNs: 20, handoverNs: 1700 })
  })

  it.each([
    ['open', 'fault path: found "open", expected one of free, locked, with key=value options'],
    ['locked:uffds=0', 'locked: option uffds: found 0, expected at least 1'],
  ])('%s is refused', (text, message) => expect(() => parseFaultPath(text)).toThrow(message))
})
