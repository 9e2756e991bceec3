/** Snapshots whose pages are scattered over files, or lie at odd offsets, on the real engines: memory is what an eager load leaves. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import { MIB } from '../../../src/core/units.ts'
import { parseHostPages } from '../../../src/destination/host-pages.ts'
import { createLayout } from '../../../src/destination/layout.ts'
import { asFile } from '../../../src/snapshot/as-file.ts'
import { hashBlock } from '../../../src/snapshot/load.ts'
import { openSnapshot } from '../../../src/snapshot/open-snapshot.ts'
import type { Snapshot } from '../../../src/snapshot/snapshot.ts'
import { writeSnapshot } from '../../../src/snapshot/snapshot-writer.ts'
import { probe } from '../../../src/uffd/availability.ts'
import { createKvmEngine, createUffdEngine } from '../../../src/uffd/engine/kernel-engine.ts'
import { PAGE, pageOf, sparseFile } from '../../snapshot/formats/support.ts'
import { bitmapOf, fillPages } from '../../snapshot/support.ts'
import { requireForEach } from '../../support/availability.ts'
import { memoryHashes, restore, temporaryFolder } from './support.ts'

const FIXTURES = join(import.meta.dirname, '../../fixtures/snapshots')
/** Of each way to install and to read: into the memory, past the page cache, a page a fault, many, mapped, from a file. */
const POLICIES = ['eager', 'eager-multi', 'lazy', 'lazy-sweep', 'lazy-sweep:direct=true', 'mmap', 'reap']

async function opened(name: string): Promise<Snapshot> {
  const snapshot = await openSnapshot(name)
  onTestFinished(() => snapshot.close())
  return snapshot
}

async function criuFolder(): Promise<Snapshot> {
  const folder = join(temporaryFolder(), 'criu')
  cpSync(join(FIXTURES, 'criu-4.1'), folder, { recursive: true })
  writeFileSync(join(folder, 'pages-1.img'), gunzipSync(readFileSync(join(folder, 'pages-1.img.gz'))))
  return opened(folder)
}

async function elfCore(): Promise<Snapshot> {
  const path = join(temporaryFolder(), 'core')
  writeFileSync(path, gunzipSync(readFileSync(join(FIXTURES, 'elf-core/guest-2m.elf.gz'))))
  const file = await asFile(await opened(path), { update: () => {} })
  onTestFinished(() => file.close())
  return file
}

/** 70 diffs: more files than a thread keeps open, and runs of pages that go over several of them. */
async function layers(): Promise<Snapshot> {
  const folder = temporaryFolder()
  const lines = ['firecracker:base']
  const every = (step: number, from: number, seed: number) =>
    Array.from(
      { length: Math.ceil((1024 - from) / step) },
      (_, i) => [(from + i * step) * PAGE, pageOf(seed + i)] as const,
    )
  await sparseFile(join(folder, 'base'), 4 * MIB, every(3, 0, 7))
  for (let i = 1; i <= 70; i++) {
    await sparseFile(join(folder, `d${i}`), 4 * MIB, every(197 + i, i, i))
    lines.push(`d${i}`)
  }
  writeFileSync(join(folder, 'list'), `lazyrestore layers 1\n${lines.join('\n')}\n`)
  return opened(join(folder, 'list'))
}

/** More blocks than a byte counts, two pages each, as the memory of a process may have. */
async function manyBlocks(): Promise<Snapshot> {
  const path = join(temporaryFolder(), 'many.mig')
  const blocks = Array.from({ length: 300 }, (_, i) => {
    return { name: `block ${i}`, pageSize: PAGE, pageCount: 2, bitmap: bitmapOf(2, [i % 2]) }
  })
  await writeSnapshot(path, { format: 'mapped-ram', machine: 'test', blocks, fillPages: fillPages(PAGE) })
  return opened(path)
}

let hashes: string[] = []
const options = {
  verify: true,
  limitMs: 60_000,
  inspect: async (memory: Parameters<typeof memoryHashes>[0]) => {
    hashes = memoryHashes(memory)
  },
}
const workload = 'working-set:share=30%,think=0ns,vcpus=2,write=0.3'

describe.each([
  ['a CRIU folder', criuFolder],
  ['an ELF core', elfCore],
  ['a chain of layers', layers],
  ['a snapshot of 300 blocks', manyBlocks],
] as const)('%s', (_, open) => {
  describe('on userfaultfd', () => {
    requireForEach(() => probe().userfaultfd)
    const engine = createUffdEngine(options)
    afterAll(() => engine.close())

    it('is restored under every kind of policy', async () => {
      const snapshot = await open()
      const expected = await Promise.all(snapshot.blocks.map(async block => (await hashBlock(snapshot, block)).sha256))
      for (const policy of POLICIES) {
        const { errors, eexist } = await restore(engine, { snapshot, policy, storage: 'host:cache=cold', workload })
        expect({ policy, errors, eexist }).toEqual({ policy, errors: 0, eexist: 0 })
        if (policy.startsWith('eager') || policy.startsWith('lazy-sweep')) expect(hashes).toEqual(expected)
      }
      const touched = await restore(engine, { snapshot, policy: 'lazy', workload: 'sequential:share=100%,think=0ns' })
      expect(touched.copies + touched.zeropages).toBe(createLayout(snapshot, parseHostPages('4K')).hostPageCount)
    })
  })

  describe('under a KVM guest', { tags: ['kvm'] }, () => {
    requireForEach(() => probe().userfaultfd ?? probe().kvm)
    const engine = createKvmEngine(options)
    afterAll(() => engine.close())

    it('is restored lazily', async () => {
      const { errors, faults } = await restore(engine, { snapshot: await open(), policy: 'lazy', workload })
      expect(errors).toBe(0)
      expect(faults).toBeGreaterThan(0)
    })
  })
})
