/** The disk fails in the middle of a restore. */
import { beforeEach, expect, it, vi } from 'vitest'
import { requireForEach } from '../support/availability.ts'
import { fixtureFile, layoutOf, listen, qemuReason, restore, startDestination } from './support.ts'

const disk = vi.hoisted(() => ({ fails: false }))

type ReadNow = (file: number, buffer: Uint8Array, at: number, length: number, offset: number) => number
type Read = (...given: [...Parameters<ReadNow>, (error: Error | null, count: number) => void]) => void

vi.mock('node:fs', async original => {
  const fs = await original<typeof import('node:fs')>()
  const [readNow, read] = [fs.readSync as ReadNow, fs.read as Read]
  const failure = (): Error => Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' })
  // Whole pages into a buffer, as those of a snapshot are read.
  const isOfPages = (length: unknown): boolean => disk.fails && typeof length === 'number' && length % 4096 === 0
  return {
    ...fs,
    readSync: ((...given) => {
      if (isOfPages(given[3])) throw failure()
      return readNow(...given)
    }) satisfies ReadNow,
    read: ((...given) => {
      if (isOfPages(given[3])) setImmediate(() => given[5](failure(), 0))
      else read(...given)
    }) satisfies Read,
  }
})

requireForEach(qemuReason)
beforeEach(() => {
  disk.fails = false
})

it('a page that cannot be read ends the restore with its place; the VM waits for it, and gets it from a second one', async () => {
  const { path, rom } = fixtureFile('pc-16m')
  const { vm, address, guest } = await startDestination(rom)
  const failed = restore(await layoutOf(path), address, 'lazy', { completeAfterMs: 60_000 }).catch(error => error)
  await vm.qmp.event('RESUME')
  disk.fails = true
  guest.ask('w')
  const { code, message } = await failed
  expect(code).toBe('io')
  expect(message).toMatch(/vm\.mig: 0x[0-9a-f]+: cannot read: EIO: i\/o error, read\. A part of the memory is missing/)
  await vm.awaitMigration('postcopy-paused', 5000)
  disk.fails = false
  const second = await listen(vm, 'migrate-recover')
  await restore(await layoutOf(path), second, 'lazy-sweep', { resume: true })
  expect(await guest.answer()).toBe('W')
  expect(await guest.verify()).toBe('V')
})
