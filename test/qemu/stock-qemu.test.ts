/** A stock QEMU is restored out of a file that another QEMU wrote, and its guest finds every word of its memory right. */
import { describe, expect, it } from 'vitest'
import { MIB } from '../../src/core/units.ts'
import { POLICIES } from '../../src/policy/registry.ts'
import { hugePageReason } from '../../src/uffd/huge-pages.ts'
import { requireForEach, requireOrSkip } from '../support/availability.ts'
import { reserveHugePages } from '../support/huge-pages.ts'
import {
  type Backend,
  type FixtureName,
  fixtureFile,
  layoutOf,
  qemuReason,
  restore,
  startDestination,
} from './support.ts'

/** Of which a destination of 16 MiB takes 8. */
const HUGE_PAGES = 10
reserveHugePages(2 * MIB, HUGE_PAGES)
requireForEach(qemuReason)

/** Those that map the file send no pages. */
const MAPPING = ['mmap', 'firecracker-file', 'faasnap']
const SENDING = POLICIES.map(({ name }) => name).filter(name => !MAPPING.includes(name))
const CASES: readonly (readonly [FixtureName, Backend, string, readonly string[]])[] = [
  ['pc-16m', 'default', '4K', [...SENDING, 'working-set:wait=true', 'lazy-sweep:yield=true,rate=100MiB']],
  ['memfd-16m', 'memfd', '4K', ['lazy', 'lazy-sweep', 'working-set']],
  ['memfd-16m', 'huge', 'm0=2M', SENDING],
]

describe.each(CASES)('%s on memory %s', (name, backend, hostPages, policies) => {
  it.for(policies)('under %s', async (policy, context) => {
    if (backend === 'huge') requireOrSkip(context, hugePageReason(2 * MIB, HUGE_PAGES))
    const { path, rom } = fixtureFile(name)
    const layout = await layoutOf(path, hostPages)
    const { vm, address, guest } = await startDestination(rom, { backend })
    // A recording that has pages of all kinds, in no order.
    const pages = Uint32Array.from({ length: layout.hostPageCount / 3 }, (_, i) => (i * 7 + 3) % layout.hostPageCount)
    const restored = restore(layout, address, policy, {
      workingSet: { pages: new Uint32Array(new Set(pages)), readContents: null },
    })
    await vm.qmp.event('RESUME')
    guest.ask('w')
    const { record } = await restored
    expect(await guest.answer()).toBe('W')
    expect(await guest.verify()).toBe('V')
    expect(await vm.qmp.execute('query-status')).toMatchObject({ running: true, status: 'running' })
    expect(await vm.qmp.execute('query-migrate')).toMatchObject({ status: 'completed' })
    const stored = layout.blocks.reduce((sum, { block }) => sum + block.setBits, 0)
    expect(record.pages.data).toBe(stored)
  })
})
