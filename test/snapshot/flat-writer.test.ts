/** Flat images: what is written is the snapshot when it is read, and base and diff as layers are too. */
import { writeFile } from 'node:fs/promises'
import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { GIB, MIB } from '../../src/core/units.ts'
import { checkFirecrackerRegions, writeFlat } from '../../src/snapshot/flat-writer.ts'
import { eagerLoad } from '../../src/snapshot/load.ts'
import { openSnapshot } from '../../src/snapshot/open-snapshot.ts'
import type { RamBlock } from '../../src/snapshot/snapshot.ts'
import { writeSnapshot } from '../../src/snapshot/snapshot-writer.ts'
import { firstBytes, PAGE, pageOf, sparseFile, temporaryFolder } from './formats/support.ts'
import { expectRefusal, fixtureBytes, smallContent } from './support.ts'

const path = temporaryFolder('flat')

describe('a flat image', () => {
  test('of a snapshot by QEMU is its memory, block after block, and holes where it has no data', async () => {
    await writeFile(path('vm.mig'), await fixtureBytes('pc-16m'))
    const snapshot = await openSnapshot(path('vm.mig'))
    await writeFlat(path('vm.raw'), { snapshot, blocks: snapshot.blocks })
    const flat = await openSnapshot(path('vm.raw'))
    const memory = await eagerLoad(snapshot)
    expect(Buffer.compare((await eagerLoad(flat))[0], Buffer.concat(memory))).toBe(0)
    const setBits = snapshot.blocks.reduce((sum, block) => sum + block.setBits, 0)
    expect(flat.blocks[0].setBits).toBe(setBits)
    await snapshot.close()
    await flat.close()
  })

  test('may be of some blocks, and ends with a hole where the last pages have no data', async () => {
    await writeSnapshot(path('small.mig'), smallContent())
    const snapshot = await openSnapshot(path('small.mig'))
    await writeFlat(path('rom.raw'), { snapshot, blocks: [snapshot.blocks[1]] })
    const flat = await openSnapshot(path('rom.raw'))
    expect(flat.blocks[0]).toMatchObject({ usedLength: 2 * PAGE, setBits: 1 })
    await snapshot.close()
    await flat.close()
  })
})

describe('a diff', () => {
  /** Seed by page; null: a hole. */
  const content = fc.array(fc.option(fc.nat(2)), { minLength: 12, maxLength: 12 })
  property.prop([content, content], { numRuns: 40 })(
    'over its base is the snapshot, and has the pages that differ and no others',
    async (before, after) => {
      const write = (name: string, seeds: readonly (number | null)[]) => {
        const pieces = seeds.flatMap((seed, i) => (seed === null ? [] : [[i * PAGE, pageOf(seed)] as const]))
        return sparseFile(path(name), seeds.length * PAGE, pieces)
      }
      const base = await openSnapshot(await write('before.raw', before))
      const snapshot = await openSnapshot(await write('after.raw', after))
      await writeFlat(path('diff.raw'), { snapshot, blocks: snapshot.blocks, base })
      await writeFile(path('list'), 'lazyrestore layers 1\nbefore.raw\ndiff.raw\n')
      const layered = await openSnapshot(path('list'))
      expect(await firstBytes(layered)).toEqual(await firstBytes(snapshot))
      const changed = after.filter((seed, i) => (seed ?? 0) !== (before[i] ?? 0)).length
      expect(layered.layers?.[1].storedPages).toBe(changed)
      for (const open of [base, snapshot, layered]) await open.close()
    },
  )

  test('over a base of another length is refused', async () => {
    const base = await openSnapshot(await sparseFile(path('short.raw'), 3 * PAGE, []))
    const snapshot = await openSnapshot(await sparseFile(path('long.raw'), 4 * PAGE, []))
    const writing = writeFlat(path('none.raw'), { snapshot, blocks: snapshot.blocks, base })
    await expectRefusal(
      writing,
      'mismatch',
      /short\.raw: found blocks of 12288\/4096 bytes and page size, expected those/,
    )
    await base.close()
    await snapshot.close()
  })
})

describe("Firecracker's regions", () => {
  const block = (name: string, usedLength: number, address: number | null) =>
    ({ name, usedLength, address }) as RamBlock
  const check = async (...blocks: RamBlock[]) => {
    const snapshot = await openSnapshot('synthetic:1MiB')
    checkFirecrackerRegions(snapshot, blocks)
  }
  test.each([
    ['one block at 0', [block('a', GIB, 0)]],
    ['one block without an address', [block('a', 5 * GIB, null)]],
    ['two around the gap', [block('a', 3 * GIB, 0), block('b', GIB, 4 * GIB)]],
    ['one of aarch64', [block('a', 4 * GIB, 2 * GIB)]],
  ])('are those of %s', async (_, blocks) => {
    await check(...blocks)
  })
  test.each([
    ['a block elsewhere', [block('a', GIB, MIB)]],
    ['a block of half a MiB', [block('a', MIB / 2, 0)]],
    ['two without addresses', [block('a', MIB, null), block('b', MIB, null)]],
    ['one that goes on over the gap', [block('a', 4 * GIB, 0)]],
  ])('are not those of %s', async (_, blocks) => {
    await expectRefusal(check(...blocks), 'mismatch', /synthetic:1MiB: found a of \d+ bytes.*, expected Firecracker's/)
  })
})
