/** CRIU image folders: one that CRIU 4.1.1 dumped, and small ones made here for what could not be dumped (chains, shared memory). */
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { beforeAll, describe, expect, test } from 'vitest'
import { eagerLoad, hashBlock } from '../../../src/snapshot/load.ts'
import { openSnapshot } from '../../../src/snapshot/open-snapshot.ts'
import type { ScatteredSource } from '../../../src/snapshot/scattered-source.ts'
import { expectRefusal } from '../support.ts'
import { ANON, dumpFiles, FILE, LAZY, PARENT, PRESENT, SHARED, type TestDump, writeDump } from './criu-images.ts'
import { dataPages, firstBytes, PAGE, pageOf, temporaryFolder } from './support.ts'

const FIXTURE = join(import.meta.dirname, '../../fixtures/snapshots/criu-4.1')
const path = temporaryFolder('criu')

describe('the dump of a process by CRIU 4.1.1', () => {
  let folder: string
  beforeAll(() => {
    folder = path('real')
    cpSync(FIXTURE, folder, { recursive: true })
    writeFileSync(join(folder, 'pages-1.img'), gunzipSync(readFileSync(join(folder, 'pages-1.img.gz'))))
  })

  test('has a block for each range of memory, and the stack and heap with their untouched pages', async () => {
    const snapshot = await openSnapshot(folder)
    expect(snapshot.format).toBe('criu')
    expect(snapshot.blocks.map(({ name, usedLength, setBits }) => [name, usedLength / PAGE, setBits])).toEqual([
      ['18786:0x401000', 1, 1],
      ['18786:0x4a2000', 10, 6],
      ['18786:0x2efae000', 34, 2],
      ['18786:0x600000000000', 2048, 1366],
      ['18786:0x7fbfc8c1b000', 2, 2],
      ['18786:0x7ffdba423000', 33, 3],
    ])
    await snapshot.close()
  })

  test('has what the process wrote, page by page', async () => {
    const snapshot = await openSnapshot(`criu:${folder},pid=18786`)
    const index = snapshot.blocks.findIndex(({ name }) => name.endsWith(':0x600000000000'))
    const memory = (await eagerLoad(snapshot))[index]
    const words = new Uint32Array(memory.buffer, memory.byteOffset, memory.length / 4)
    const wrong: number[] = []
    for (let page = 0; page < 2048; page++) {
      const isRight = words
        .subarray(page * 1024, (page + 1) * 1024)
        .every((word, w) => word === (page % 3 === 0 ? (page * 1000003 + w) >>> 0 : 0))
      if (!isRight) wrong.push(page)
    }
    expect(wrong).toEqual([])
    // Zeros that the process wrote were dumped, untouched pages were not.
    const data = dataPages(snapshot.blocks[index])
    expect(data).toEqual(Array.from({ length: 2048 }, (_, p) => p).filter(page => page % 3 !== 2))
    expect((await hashBlock(snapshot, snapshot.blocks[index])).zeroPages).toBe(2048 - 683)
    await snapshot.close()
  })

  test('takes six bytes for each page that is stored', async () => {
    const snapshot = await openSnapshot(folder)
    const { places } = snapshot.source as ScatteredSource
    const stored = snapshot.blocks.reduce((sum, { setBits }) => sum + setBits, 0)
    expect(places.origin.byteLength + places.slot!.byteLength).toBe(6 * stored)
    await snapshot.close()
  })
})

const BASE: TestDump = {
  pid: 7,
  mappings: [
    { page: 0x1000, pages: 6, status: ANON },
    { page: 0x1006, pages: 4, status: ANON },
    { page: 0x2000, pages: 8, status: FILE, protection: 5 },
    { page: 0x3000, pages: 2 ** 30, status: ANON, protection: 0 },
  ],
  entries: [
    { page: 0x1001, pages: 2, flags: PRESENT | LAZY, seeds: [11, 12] },
    { page: 0x1005, pages: 3, flags: PRESENT | LAZY, seeds: [15, 16, 17] },
    { page: 0x2001, pages: 1, flags: PRESENT, seeds: [21] },
    { page: 0x2002, pages: 1, flags: PRESENT, seeds: [22] },
    { page: 0x2007, pages: 1, flags: PRESENT, seeds: [27] },
  ],
}
const seedBytes = (...seeds: number[]) => seeds.map(seed => pageOf(seed)[0])

describe('ranges of memory', () => {
  test('join where mappings touch; of files only what was dumped is there; reservations are left out', async () => {
    const snapshot = await openSnapshot(writeDump(path('base'), BASE))
    expect(snapshot.blocks.map(({ name, pageCount }) => [name, pageCount])).toEqual([
      ['7:0x1000000', 10],
      ['7:0x2001000', 2],
      ['7:0x2007000', 1],
    ])
    expect(await firstBytes(snapshot)).toEqual([
      seedBytes(0, 11, 12, 0, 0, 15, 16, 17, 0, 0),
      seedBytes(21, 22),
      seedBytes(27),
    ])
    expect(snapshot.layers).toBeNull()
    await snapshot.close()
  })

  test('of shared memory are one block, as long as the longest mapping of it', async () => {
    const dump: TestDump = {
      ...BASE,
      mappings: [
        ...BASE.mappings.slice(0, 3),
        { page: 0x4000, pages: 2, status: SHARED, sharedId: 9 },
        { page: 0x5000, pages: 2, status: SHARED, sharedId: 9, offset: 3 * PAGE },
      ],
      shared: { 9: [{ page: 1, pages: 2, flags: PRESENT, seeds: [31, 32] }] },
    }
    const snapshot = await openSnapshot(writeDump(path('shared'), dump))
    const last = snapshot.blocks.length - 1
    expect(snapshot.blocks[last]).toMatchObject({ name: 'shmem-9', address: null, pageCount: 5 })
    expect((await firstBytes(snapshot))[last]).toEqual(seedBytes(0, 31, 32, 0, 0))
    await snapshot.close()
  })

  test('of a dump without flags are read by in_parent and the old page count', async () => {
    const entries = BASE.entries.map(entry => ({ ...entry, flags: null }))
    const snapshot = await openSnapshot(writeDump(path('old'), { ...BASE, entries }))
    expect((await firstBytes(snapshot))[0]).toEqual(seedBytes(0, 11, 12, 0, 0, 15, 16, 17, 0, 0))
    await snapshot.close()
  })
})

describe('a chain of dumps', () => {
  const next = (parent: string, entries: TestDump['entries']): TestDump => ({ ...BASE, entries, parent })

  test('takes each page from the newest dump that has it', async () => {
    writeDump(path('chain', 'a'), BASE)
    writeDump(
      path('chain', 'b'),
      next('../a', [
        { page: 0x1001, pages: 1, flags: PARENT },
        { page: 0x1002, pages: 1, flags: PRESENT, seeds: [112] },
        { page: 0x1005, pages: 3, flags: PARENT },
        { page: 0x2001, pages: 2, flags: PARENT },
        { page: 0x2007, pages: 1, flags: PARENT },
      ]),
    )
    const top = writeDump(
      path('chain', 'c'),
      next('../b', [
        { page: 0x1001, pages: 2, flags: PARENT },
        { page: 0x1005, pages: 2, flags: PARENT },
        { page: 0x1007, pages: 2, flags: PRESENT, seeds: [217, 218] },
        { page: 0x2001, pages: 2, flags: PARENT },
      ]),
    )
    const snapshot = await openSnapshot(top)
    expect(await firstBytes(snapshot)).toEqual([seedBytes(0, 11, 112, 0, 0, 15, 16, 217, 218, 0), seedBytes(21, 22)])
    expect(snapshot.layers).toEqual(
      [
        { name: `${top}/parent/parent`, storedPages: 8, usedPages: 5 },
        { name: `${top}/parent`, storedPages: 1, usedPages: 1 },
        { name: top, storedPages: 2, usedPages: 2 },
      ].map(layer => ({ ...layer, name: expect.stringContaining(layer.name.slice(-7)) })),
    )
    await snapshot.close()
  })

  test.each([
    ['nothing behind it', undefined, /page 0x1001000: found no parent, expected pages in the parent of /],
    ['itself behind it', '.', /parent: found a folder of the chain again, expected an older dump$/],
    ['another process behind it', '../other', /found no pagemap-7\.img there, expected pages in the parent of/],
    ['other pages behind it', '../less', /page 0x1003000: found no such page, expected it, as a newer dump leaves it/],
  ])('with %s is refused', async (name, parent, message) => {
    writeDump(path('broken', 'other'), { ...BASE, pid: 8 })
    writeDump(path('broken', 'less'), BASE)
    const { parent: _, ...dump } = next('', [{ page: 0x1001, pages: 4, flags: PARENT }])
    const folder = writeDump(path('broken', name), parent === undefined ? dump : { ...dump, parent })
    await expectRefusal(openSnapshot(folder), 'format', message)
  })
})

describe('a damaged dump', () => {
  const lazy = BASE.entries.map(entry => ({ ...entry, flags: LAZY }))
  test.each([
    ['lazy pages', { ...BASE, entries: lazy }, /pages: found lazy pages, which are still at the source/, 'unsupported'],
    [
      'entries out of order',
      { ...BASE, entries: [...BASE.entries].reverse() },
      /pagemap-7\.img: 0x[0-9a-f]+: address: found 0x2002000, expected at least 0x2008000$/,
      'format',
    ],
    [
      'pages in no mapping',
      { ...BASE, mappings: BASE.mappings.slice(0, 2) },
      /pages: found 3 of its 8 pages in no mapping, expected pages of the mappings/,
      'format',
    ],
    [
      'too few pages',
      { ...BASE, entries: [{ page: 0x1001, pages: 2, flags: PRESENT, seeds: [1] }] },
      /pages-1\.img: 0x1000: end of the file: found 4096 bytes, expected 8192 bytes, for the 2 pages present/,
      'format',
    ],
    [
      'more memory than can be held',
      { ...BASE, mappings: [{ page: 0x1000, pages: 2 ** 29, status: ANON }] },
      /length of memory: found 536870912 pages, expected at most 268435456$/,
      'limit',
    ],
    [
      'mappings out of order',
      { ...BASE, mappings: [...BASE.mappings].reverse() },
      /mm-7\.img: 0x[0-9a-f]+: mapping: found 0x2000000, expected at least 0x/,
      'format',
    ],
  ] as const)('with %s is refused', async (name, dump, message, code) => {
    await expectRefusal(openSnapshot(writeDump(path('damaged', name), dump)), code, message)
  })

  test.each([
    [
      'pstree.img',
      'a cut record',
      (b: Buffer) => b.subarray(0, 14),
      /0x8: record: found the end of the file, expected/,
    ],
    [
      'pstree.img',
      'another magic',
      (b: Buffer) => b.fill(0, 4, 8),
      /0x4: magic of the image: found 0x0, expected 0x50/,
    ],
    ['mm-7.img', 'a wire type that there is not', (b: Buffer) => b.fill(0x0f, 12, 13), /protobuf wire type: found 7/],
    ['pagemap-7.img', 'an endless number', (b: Buffer) => b.fill(0xff, 13, 14), /protobuf number: found no end of it/],
  ])('whose %s has %s is refused', async (file, name, damage, message) => {
    const folder = writeDump(path('bytes', name), BASE)
    writeFileSync(join(folder, file), damage(dumpFiles(BASE)[file]))
    await expectRefusal(openSnapshot(folder), 'format', message)
  })

  test('that lacks an image is refused, and a process that it does not have', async () => {
    const { 'pages-1.img': _, ...files } = dumpFiles(BASE)
    for (const [name, bytes] of Object.entries(files)) writeFileSync(path('lacking', name), bytes)
    await expectRefusal(openSnapshot(path('lacking')), 'format', /pages_id: found 1, expected a file pages-1\.img$/)
    const whole = writeDump(path('whole'), BASE)
    await expectRefusal(openSnapshot(`criu:${whole},pid=8`), 'format', /processes: found no memory of process 8/)
  })
})
