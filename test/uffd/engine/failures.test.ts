/** What goes wrong in a restore on the real kernel ends in an error that says what, within a bound, and never in other memory. */
import { truncateSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { GIB, MIB } from '../../../src/core/units.ts'
import { openSynthetic } from '../../../src/snapshot/synthetic.ts'
import { probe } from '../../../src/uffd/availability.ts'
import { createUffdEngine } from '../../../src/uffd/engine/kernel-engine.ts'
import { requireForEach } from '../../support/availability.ts'
import { restore, syntheticFile } from './support.ts'

requireForEach(() => probe().userfaultfd)

const engine = createUffdEngine({ limitMs: 20_000 })
afterAll(() => engine.close())

describe('a file that is cut short after it was opened', () => {
  it.each(['lazy', 'lazy:handlers=2', 'lazy-sweep', 'working-set:wait=true', 'eager', 'eager-multi:direct=false'])(
    'fails the restore under %s, with file and offset',
    async policy => {
      const snapshot = await syntheticFile('synthetic:8MiB,zero=0%')
      const { pagesOffset } = snapshot.blocks[0]
      truncateSync(snapshot.name, pagesOffset + 4 * MIB)
      const work = restore(engine, { snapshot, policy, workload: 'sequential:think=0ns,vcpus=2' })
      await expect(work).rejects.toThrow(
        new RegExp(`^${snapshot.name}: (offset \\d+|0x[0-9a-f]+: read): found \\d+ bytes, expected \\d+$`),
      )
      // The threads are free for the next one.
      const whole = await syntheticFile('synthetic:8MiB,zero=50%')
      expect((await restore(engine, { snapshot: whole, policy })).errors).toBe(0)
    },
  )
})

it('a snapshot that is no file cannot be restored for real, and the error says how to write one', async () => {
  const snapshot = openSynthetic('synthetic:1MiB')
  await expect(restore(engine, { snapshot, policy: 'lazy' })).rejects.toThrow(
    /synthetic:1MiB: found no file, expected one to restore from; write it with: lazyrestore snapshot make/,
  )
})

it('more data than the host has memory for is refused before anything is mapped', async () => {
  const snapshot = openSynthetic('synthetic:4TiB,zero=0%')
  const path = (await syntheticFile('synthetic:1MiB')).name
  const file = { ...(await syntheticFile('synthetic:1MiB')), blocks: snapshot.blocks, name: path }
  await expect(restore(engine, { snapshot: file, policy: 'lazy', workload: 'uniform:accesses=1' })).rejects.toThrow(
    /^memory: found .* available, expected 4 TiB for the snapshot's data$/,
  )
  expect(snapshot.blocks[0].usedLength).toBe(4096 * GIB)
})

it('a restore that takes longer than its limit ends with an error, and leaves the threads free', async () => {
  const snapshot = await syntheticFile('synthetic:1MiB')
  const hasty = createUffdEngine({ limitMs: 200 })
  const workload = 'uniform:accesses=100,think=50ms,jitter=0,vcpus=1'
  await expect(restore(hasty, { snapshot, policy: 'lazy', workload })).rejects.toThrow(
    'waited 0.2 s for the restore to end',
  )
  const quick = await restore(hasty, { snapshot, policy: 'lazy', workload: 'uniform:accesses=10,think=0ns' })
  expect(quick.errors).toBe(0)
  await hasty.close()
})
