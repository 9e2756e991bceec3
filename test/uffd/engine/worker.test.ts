/** When a background worker works: not while a fault waits, not above its rate, not after the restore was stopped. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { PHASE_STOP, RestoreState } from '../../../src/uffd/engine/restore-state.ts'
import { STAND_BACK_NS } from '../../../src/uffd/engine/worker.ts'
import { createModelRestore, PAGE } from './model-support.ts'
import { installedPages, sleepersOn } from './sleepers.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

const blocks = [{ bits: '1'.repeat(64) }]

describe('a worker', () => {
  it.each([
    ['lazy-sweep:yield=true', 3],
    ['lazy-sweep', 0],
  ])('of %s waits %i times while a fault is open', async (policy, waits) => {
    const restore = await createModelRestore({ blocks, policy })
    restore.begin()
    let looks = 0
    vi.spyOn(RestoreState.prototype, 'faultsOpen', 'get').mockImplementation(() => {
      expect(installedPages(restore)).toEqual([])
      return looks++ < waits ? 1 : 0
    })
    const startMs = performance.now()
    expect(restore.workers[0].step()).toBe(true)
    expect(looks).toBe(waits > 0 ? waits + 1 : 0)
    expect(performance.now() - startMs).toBeGreaterThanOrEqual((waits * STAND_BACK_NS) / 1e6)
    expect(installedPages(restore).length).toBe(64)
  })

  it('that stands back for a fault ends when the restore is stopped', async () => {
    const restore = await createModelRestore({ blocks, policy: 'lazy-sweep:yield=true' })
    restore.begin()
    vi.spyOn(RestoreState.prototype, 'faultsOpen', 'get').mockImplementation(() => {
      restore.state.enter(PHASE_STOP)
      return 1
    })
    restore.workers[0].fill()
    expect(installedPages(restore)).toEqual([])
  })

  it('may go on while a fault is installed whose bytes are there', async () => {
    const restore = await createModelRestore({ blocks, policy: 'lazy-sweep:yield=true' })
    const open: [string, number][] = []
    restore.begin()
    const [sleeper] = sleepersOn(restore, [7])
    restore.onRead = () => void open.push(['read', restore.state.faultsOpen])
    restore.onPoint = point => void (point === 'call' && open.push(['call', restore.state.faultsOpen]))
    restore.handlers[0].step(0)
    expect(sleeper.saw).toBe('right')
    expect(open.filter(([where]) => where === 'read')).toEqual([['read', 1]])
    expect(open.slice(open.findIndex(([where]) => where === 'read') + 1)[0]).toEqual(['call', 0])
    expect(restore.state.faultsOpen).toBe(0)
  })

  it('keeps to its rate', async () => {
    const restore = await createModelRestore({ blocks, policy: 'lazy-sweep:rate=4M,chunk=64K' })
    restore.begin()
    const startMs = performance.now()
    restore.workers[0].fill()
    const tookMs = performance.now() - startMs
    expect(installedPages(restore).length).toBe(64)
    // The fourth batch starts when the time of three has passed.
    expect(tookMs).toBeGreaterThanOrEqual((3 * 16 * PAGE * 1000) / (4 * 2 ** 20) - 1)
  })

  it('does nothing before vCPUs run, nor after the restore was stopped', async () => {
    const restore = await createModelRestore({ blocks, policy: 'lazy-sweep' })
    expect(restore.workers[0].step()).toBe(false)
    restore.begin()
    restore.state.enter(PHASE_STOP)
    expect(restore.workers[0].step()).toBe(false)
    expect([restore.calls, installedPages(restore)]).toEqual([0, []])
  })

  it('ends at once where the policy has nothing for the background', async () => {
    const restore = await createModelRestore({ blocks, policy: 'working-set:sweep=false,wait=true', workingSet: [3] })
    restore.begin()
    restore.workers[0].fill()
    expect(installedPages(restore)).toEqual([3])
  })
})
