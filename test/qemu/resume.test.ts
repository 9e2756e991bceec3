/** A source that dies leaves a VM that can be taken up again, and whose memory is right when that is done. */
import { describe, expect, it } from 'vitest'
import { LazyRestoreError } from '../../src/core/error.ts'
import { MIB } from '../../src/core/units.ts'
import { hugePageReason } from '../../src/uffd/huge-pages.ts'
import { requireForEach, requireOrSkip } from '../support/availability.ts'
import { reserveHugePages } from '../support/huge-pages.ts'
import { fixtureFile, layoutOf, listen, qemuReason, restore, startDestination } from './support.ts'

const HUGE_PAGES = 10
reserveHugePages(2 * MIB, HUGE_PAGES)
requireForEach(qemuReason)

describe('after a killed source', () => {
  it.for([
    ['pc-16m', 'default', '4K', false],
    ['memfd-16m', 'huge', 'm0=2M', false],
    ['pc-16m', 'default', '4K', true],
  ] as const)(
    '%s on %s memory of %s, preempt %s, is completed',
    async ([name, backend, hostPages, preempt], context) => {
      if (backend === 'huge') requireOrSkip(context, hugePageReason(2 * MIB, HUGE_PAGES))
      const { path, rom } = fixtureFile(name)
      const layout = await layoutOf(path, hostPages)
      const capabilities = preempt ? ['postcopy-preempt'] : []
      const { vm, address, guest } = await startDestination(rom, { backend, capabilities })
      const kill = new AbortController()
      const options = { preempt, signal: kill.signal, completeAfterMs: 60_000 }
      const first = restore(layout, address, 'lazy', options).catch(error => error)
      await vm.qmp.event('RESUME')
      expect(await guest.work()).toBe('W')
      kill.abort(new LazyRestoreError('io', 'killed'))
      expect((await first).message).toMatch(/^killed\. A part of the memory is missing: .*postcopy-paused/)
      await vm.awaitMigration('postcopy-paused', 5000)
      guest.ask('v')
      const second = await listen(vm, 'migrate-recover')
      const { record } = await restore(layout, second, 'lazy-sweep', { preempt, resume: true })
      expect(await guest.answer()).toBe('V')
      expect(record).toMatchObject({ resumed: true, resumeNs: null })
      await vm.awaitMigration('completed', 5000)
    },
  )
})
