/** With postcopy-preempt requested pages come on a connection of their own. */
import { describe, expect, it } from 'vitest'
import { requireForEach } from '../support/availability.ts'
import { fixtureFile, layoutOf, qemuReason, restore, startDestination } from './support.ts'

requireForEach(qemuReason)

describe('a destination with postcopy-preempt', () => {
  it.for(['lazy', 'lazy-sweep', 'read-around', 'eager'])('is restored under %s', async policy => {
    const { path, rom } = fixtureFile('pc-16m')
    const layout = await layoutOf(path)
    const { vm, address, guest } = await startDestination(rom, { capabilities: ['postcopy-preempt'] })
    const restored = restore(layout, address, policy, { preempt: true, limitMs: 5000 })
    await vm.qmp.event('RESUME')
    guest.ask('w')
    const { record } = await restored
    expect(await guest.answer()).toBe('W')
    expect(await guest.verify()).toBe('V')
    expect(record.preempt).toBe(true)
  })
})
