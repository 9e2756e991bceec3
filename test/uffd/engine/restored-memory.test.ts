/** After a restore on the real kernel, under every policy and on every kind of memory, memory is what an eager load leaves. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import { MIB } from '../../../src/core/units.ts'
import { parseHostPages } from '../../../src/destination/host-pages.ts'
import { createLayout } from '../../../src/destination/layout.ts'
import { POLICIES } from '../../../src/policy/registry.ts'
import { openSnapshot } from '../../../src/snapshot/open-snapshot.ts'
import { probe } from '../../../src/uffd/availability.ts'
import { createUffdEngine } from '../../../src/uffd/engine/kernel-engine.ts'
import { hugePageReason } from '../../../src/uffd/huge-pages.ts'
import { fillsMemory, installOf } from '../../policy/plans.ts'
import { fixtureBytes, fixtureGolden } from '../../snapshot/support.ts'
import { requireForEach, requireOrSkip } from '../../support/availability.ts'
import { reserveHugePages } from '../../support/huge-pages.ts'
import { contentOf, memoryHashes, restore, syntheticFile, temporaryFolder } from './support.ts'

/** 1 GiB of them, and some for the blocks of the small ones. */
const HUGE_PAGES = 552
reserveHugePages(2 * MIB, HUGE_PAGES)
requireForEach(() => probe().userfaultfd)

let hashes: string[] = []
const notes: string[] = []
const engine = createUffdEngine({
  verify: true,
  limitMs: 60_000,
  onNote: note => notes.push(note),
  inspect: async memory => {
    if (memory.layout.byteLength < 64 * MIB) hashes = memoryHashes(memory)
  },
})
afterAll(() => engine.close())

/** Where pages are others, those that differ in how they install. */
const ON_OTHER_PAGES = ['eager', 'eager-multi', 'lazy', 'lazy-sweep', 'read-around', 'working-set', 'reap', 'adaptive']
const ENDING = ['eager', 'eager-multi', 'lazy-sweep', 'qemu-11.2', 'working-set', 'working-set:wait=true']

async function fixture(name: string) {
  const path = join(temporaryFolder(), `${name}.mig`)
  writeFileSync(path, await fixtureBytes(name))
  const snapshot = await openSnapshot(path)
  onTestFinished(() => snapshot.close())
  return snapshot
}

describe.each(['pc-16m', 'memfd-16m'])('%s, written by QEMU', name => {
  it.each(ENDING)('has every block as its golden file says, under %s', async policy => {
    const snapshot = await fixture(name)
    const golden = await fixtureGolden(name)
    await restore(engine, { snapshot, policy })
    expect(hashes).toEqual(golden.ram_blocks.map(({ sha256_after_load }) => sha256_after_load))
  })

  it.for(['2M', '64K', '4K:shmem', '64K:shmem'])('has so on host pages of %s', async (hostPages, context) => {
    if (hostPages === '2M') requireOrSkip(context, hugePageReason(2 * MIB, 8))
    const snapshot = await fixture(name)
    const golden = await fixtureGolden(name)
    for (const policy of ENDING) {
      const { errors, eexist } = await restore(engine, { snapshot, policy, hostPages })
      expect({ policy, hashes, errors, eexist }).toEqual({
        policy,
        hashes: golden.ram_blocks.map(({ sha256_after_load }) => sha256_after_load),
        errors: 0,
        eexist: 0,
      })
    }
  })
})

describe('a synthetic snapshot in a file', () => {
  it.each([
    ['4K', 'synthetic:32MiB,zero=50%,runs=3'],
    ['4K:shmem', 'synthetic:32MiB,zero=50%,runs=3'],
    ['64K', 'synthetic:32MiB,zero=70%,runs=20'],
    ['2M', 'synthetic:64MiB,zero=80%,runs=300'],
  ] as const)('is restored on %s pages', async (hostPages, spec) => {
    const snapshot = await syntheticFile(spec)
    const content = contentOf(createLayout(snapshot, parseHostPages(hostPages)))
    for (const name of hostPages === '4K' ? POLICIES.map(policy => policy.name) : ON_OTHER_PAGES) {
      const { copies, zeropages, zeroCopies, residentNs, faults } = await restore(engine, {
        snapshot,
        policy: name,
        hostPages,
        workload: 'working-set:share=20%,think=0ns,vcpus=2,write=0.3',
      })
      const installs = installOf(name) === 'uffd' && fillsMemory(name)
      if (installs) {
        expect({ name, copies, zeros: zeropages + zeroCopies }).toEqual({
          name,
          copies: content.data,
          zeros: content.zero,
        })
        expect(residentNs).toBeGreaterThan(0)
        expect(hostPages === '2M' ? zeropages : zeroCopies).toBe(0)
      }
      if (name === 'lazy') {
        // Both vCPUs may wait for one page.
        const installs = copies + zeropages + zeroCopies
        expect(faults).toBeGreaterThanOrEqual(installs)
        expect(faults).toBeLessThanOrEqual(2 * installs)
      }
    }
  })

  it('of 1 GiB is restored by lazy-sweep and eager-multi on anonymous, shared and huge pages', async context => {
    const snapshot = await syntheticFile('synthetic:1GiB,zero=60%,seed=3')
    const huge = hugePageReason(2 * MIB, 512)
    for (const hostPages of ['4K', '4K:shmem', ...(huge === null ? ['2M'] : [])]) {
      for (const policy of ['lazy-sweep', 'eager-multi']) {
        const { residentNs, errors } = await restore(engine, { snapshot, policy, hostPages })
        expect({ errors, isResident: residentNs !== null }).toEqual({ errors: 0, isResident: true })
      }
    }
    requireOrSkip(context, huge)
  }, 120_000)

  it('may be asked for by many vCPUs and handlers at once, each page being installed once', async () => {
    const snapshot = await syntheticFile('synthetic:16MiB,zero=50%,runs=2')
    const workload = 'uniform:accesses=4000,think=0ns,vcpus=4'
    for (const policy of [
      'lazy:handlers=2',
      'lazy-sweep:handlers=2',
      'read-around:handlers=3',
      'lazy-sweep:yield=true',
    ]) {
      const { eexist, copies, zeropages } = await restore(engine, { snapshot, policy, workload })
      expect({ policy, eexist }).toEqual({ policy, eexist: 0 })
      if (policy.startsWith('lazy-sweep')) expect(copies + zeropages).toBe(4096)
    }
  })
})
