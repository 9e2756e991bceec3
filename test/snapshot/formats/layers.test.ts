/** Chains of diffs over a base, real sparse files, against an overlay that is made page by page. */
import { writeFile } from 'node:fs/promises'
import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { GIB, MIB } from '../../../src/core/units.ts'
import { openSnapshot } from '../../../src/snapshot/open-snapshot.ts'
import { rankOf } from '../../../src/snapshot/page-places.ts'
import type { ScatteredSource } from '../../../src/snapshot/scattered-source.ts'
import { writeSnapshot } from '../../../src/snapshot/snapshot-writer.ts'
import { expectRefusal, smallContent } from '../support.ts'
import { stateOf } from './cloud-hypervisor-state.ts'
import { firstBytes, PAGE, pageOf, sparseFile, temporaryFolder } from './support.ts'

const path = temporaryFolder('layers')
const HEADER = 'lazyrestore layers 1\n'

const list = async (name: string, lines: readonly string[]) => {
  await writeFile(path(name), HEADER + lines.join('\n'))
  return path(name)
}
/** Page → seed, as pieces of a sparse file. */
const pieces = (pages: Readonly<Record<number, number>>) =>
  Object.entries(pages).map(([page, seed]) => [Number(page) * PAGE, pageOf(seed)] as const)
const seedBytes = (seeds: readonly number[]) => seeds.map(seed => pageOf(seed)[0])

describe('a chain of diffs', () => {
  test('takes each page from the newest layer that has it, zeros too', async () => {
    await sparseFile(path('base.raw'), 8 * PAGE, pieces({ 0: 10, 1: 11, 2: 12, 5: 15 }))
    await sparseFile(path('one'), 8 * PAGE, pieces({ 1: 21, 2: 22, 7: 27 }))
    await sparseFile(path('two'), 8 * PAGE, pieces({ 2: 0, 3: 33 }))
    const name = await list('chain', ['# newest last', 'base.raw', '', 'one', path('two')])
    const snapshot = await openSnapshot(name)
    expect(snapshot).toMatchObject({ format: 'layers', name, blocks: [{ name: 'ram', setBits: 6, pagesOffset: 0 }] })
    expect(await firstBytes(snapshot)).toEqual([seedBytes([10, 21, 0, 33, 0, 15, 0, 27])])
    expect(snapshot.layers).toEqual([
      { name: 'base.raw', storedPages: 4, usedPages: 2 },
      { name: path('one'), storedPages: 3, usedPages: 2 },
      { name: path('two'), storedPages: 2, usedPages: 2 },
    ])
    await snapshot.close()
  })

  test('has the blocks of its base, whichever format that has', async () => {
    await sparseFile(path('mem'), 4 * MIB, pieces({ 1: 1, 600: 6 }))
    await sparseFile(path('mem.diff'), 4 * MIB, pieces({ 511: 51, 512: 52 }))
    const name = await list('fc', ['firecracker:mem,regions=0+2MiB;4GiB+2MiB', 'mem.diff'])
    const snapshot = await openSnapshot(name)
    expect(snapshot.blocks).toMatchObject([
      { name: 'ram@0x0', address: 0, setBits: 2, pagesOffset: 0 },
      { name: 'ram@0x100000000', address: 4 * GIB, setBits: 2, pagesOffset: 2 * MIB },
    ])
    const [low, high] = await firstBytes(snapshot)
    expect([low[1], low[511], high[0], high[88]]).toEqual(seedBytes([1, 51, 52, 6]))
    await snapshot.close()
  })

  test("over mapped-ram goes on from one block's pages to the next one's", async () => {
    await writeSnapshot(path('vm.mig'), smallContent())
    await sparseFile(path('vm.diff'), 7 * PAGE, pieces({ 3: 3, 4: 4, 5: 5 }))
    const snapshot = await openSnapshot(await list('mig', ['vm.mig', 'vm.diff']))
    const base = await openSnapshot(path('vm.mig'))
    const [ram, rom] = await firstBytes(base)
    expect(snapshot.blocks.map(({ name, setBits }) => [name, setBits])).toEqual([
      ['ram', 4],
      ['rom', 1],
    ])
    const changed = [
      [...ram.slice(0, 3), pageOf(3)[0], pageOf(4)[0]],
      [pageOf(5)[0], rom[1]],
    ]
    expect(await firstBytes(snapshot)).toEqual(changed)
    await base.close()
    await snapshot.close()
  })

  test('over a Cloud Hypervisor folder has its ranges', async () => {
    const ranges = [2, 3].map((pages, i) => ({ gpa: i * MIB, length: pages * PAGE }))
    await writeFile(path('ch', 'state.json'), stateOf({ memory_ranges: { data: ranges } }))
    await sparseFile(path('ch', 'memory-ranges'), 5 * PAGE, pieces({ 0: 1, 4: 5 }))
    await sparseFile(path('ch.diff'), 5 * PAGE, pieces({ 1: 2, 2: 3 }))
    const snapshot = await openSnapshot(await list('ch.layers', ['ch', 'ch.diff']))
    expect(await firstBytes(snapshot)).toEqual([seedBytes([1, 2]), seedBytes([3, 0, 5])])
    await snapshot.close()
  })

  test('of one layer is its base', async () => {
    await sparseFile(path('only.raw'), 4 * PAGE, pieces({ 3: 9 }))
    const snapshot = await openSnapshot(await list('alone', ['only.raw']))
    expect(await firstBytes(snapshot)).toEqual([seedBytes([0, 0, 0, 9])])
    await snapshot.close()
  })

  const layer = fc.uniqueArray(fc.tuple(fc.nat(39), fc.nat(200)), { maxLength: 12, selector: ([page]) => page })
  property.prop([fc.array(layer, { minLength: 1, maxLength: 12 })], { numRuns: 40 })(
    'of any shape is the overlay of its layers, in bytes and in places',
    async layers => {
      const overlay = new Array<number>(40).fill(0)
      const owner = new Array<number>(40).fill(-1)
      const names: string[] = []
      for (const [i, pages] of layers.entries()) {
        names.push(`p${i}.raw`)
        await sparseFile(path(`p${i}.raw`), 40 * PAGE, pieces(Object.fromEntries(pages)))
        for (const [page, seed] of pages) {
          overlay[page] = seed
          owner[page] = i
        }
      }
      const snapshot = await openSnapshot(await list('any', names))
      expect(await firstBytes(snapshot)).toEqual([seedBytes(overlay)])
      const used = layers.map((_, i) => owner.filter(of => of === i).length)
      expect(snapshot.layers?.map(({ usedPages }) => usedPages)).toEqual(used)
      const { places } = snapshot.source as ScatteredSource
      const origins = owner.flatMap((of, page) => (of < 0 ? [] : [places.origin[rankOf(places, page)]]))
      expect(origins).toEqual(owner.filter(of => of >= 0).map(of => of + 1))
      await snapshot.close()
    },
  )

  test('takes no more than a bit a page, and two bytes for each that is stored, however many there are', async () => {
    const lines = ['deep.raw']
    await sparseFile(path('deep.raw'), 64 * MIB, pieces({ 0: 1 }))
    for (let i = 1; i <= 200; i++) {
      await sparseFile(path(`d${i}`), 64 * MIB, pieces({ [i * 80]: i, [i * 80 + 1]: i, 9: i }))
      lines.push(`d${i}`)
    }
    const snapshot = await openSnapshot(await list('deep', lines))
    const { places } = snapshot.source as ScatteredSource
    expect(places.origin.length).toBe(402)
    expect(places.ranks.byteLength + places.inFile.byteLength).toBe(((64 * MIB) / PAGE) * (3 / 16))
    expect(places.slot).toBeNull()
    expect(snapshot.blocks[0].setBits).toBe(402)
    const buffer = new Uint8Array(PAGE)
    for (const [page, seed] of [
      [9, 200],
      [8000, 100],
      [16001, 200],
    ]) {
      await snapshot.source.read(page * PAGE, buffer)
      expect(buffer).toEqual(pageOf(seed))
    }
    await snapshot.close()
  })
})

describe('a list of layers', () => {
  test.each([
    ['of none', ['# nothing'], 'format', /: 0x15: layers: found 0, expected 1 to 65000$/],
    [
      'of a base that is not there',
      ['none.raw'],
      'io',
      /: 0x15: base: found .*none\.raw: no such file, expected a snapshot that can be opened$/,
    ],
    [
      'of a diff that is not there',
      ['b.raw', 'none'],
      'format',
      /: 0x1b: layer: found none, expected a file that is th/,
    ],
    [
      'of a diff of another length',
      ['b.raw', 'short'],
      'format',
      /short: 0x1000: end of the file: found 4096 bytes, expected 8192/,
    ],
    ['over a list', ['inner'], 'unsupported', /inner: found it below another, expected one that stands alone$/],
    ['over a synthetic snapshot', ['synthetic:1MiB'], 'io', /base: found .*synthetic:1MiB: no such file, expected/],
  ] as const)('%s is refused', async (name, lines, code, message) => {
    await sparseFile(path('b.raw'), 2 * PAGE, [])
    await sparseFile(path('short'), PAGE, [])
    await list('inner', ['b.raw'])
    await expectRefusal(openSnapshot(await list(name, lines)), code, message)
  })

  test('may name nothing outside of the roots that are given', async () => {
    await sparseFile(path('secret', 'b.raw'), 2 * PAGE, [])
    await sparseFile(path('open', 'b.raw'), 2 * PAGE, [])
    await writeFile(path('open', 'list'), `${HEADER}b.raw\n../secret/b.raw\n`)
    const message = /secret\/b\.raw: found it outside of the snapshot roots, expected it under one of them$/
    await expectRefusal(openSnapshot(path('open', 'list'), { roots: [path('open')] }), 'io', message)
    const snapshot = await openSnapshot(path('open', 'list'), { roots: [path('open'), path('secret')] })
    await snapshot.close()
  })
})
