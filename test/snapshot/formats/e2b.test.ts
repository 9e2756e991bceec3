/** E2B memfile headers, version 3, written here field by field as its source serialises them. */
import { writeFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { openSnapshot } from '../../../src/snapshot/open-snapshot.ts'
import { expectRefusal } from '../support.ts'
import { encodeHeader, type TestRange, uuid } from './e2b-header.ts'
import { firstBytes, PAGE, pageOf, sparseFile, temporaryFolder } from './support.ts'

const path = temporaryFolder('e2b')
const [BASE, MIDDLE, OWN] = ['b', 'c', 'd']
const ZERO = '0'
const seedBytes = (...seeds: number[]) => seeds.map(seed => pageOf(seed)[0])

const RANGES: readonly TestRange[] = [
  { offset: 0, length: 2, build: BASE, at: 0 },
  { offset: 2, length: 3, build: ZERO, at: 0 },
  { offset: 5, length: 1, build: OWN, at: 1 },
  { offset: 6, length: 1, build: MIDDLE, at: 0 },
  { offset: 7, length: 1, build: OWN, at: 0 },
]

/** Storage with three builds; returns the header's path. */
async function storage(name: string, header: Buffer): Promise<string> {
  const seeds: Record<string, number[]> = { [BASE]: [1, 2, 3], [MIDDLE]: [11, 12], [OWN]: [21, 22] }
  for (const [build, pages] of Object.entries(seeds)) {
    const pieces = pages.map((seed, i) => [i * PAGE, pageOf(seed)] as const)
    await sparseFile(path(name, uuid(build), 'memfile'), pages.length * PAGE, pieces)
  }
  await writeFile(path(name, uuid(OWN), 'memfile.header'), header)
  return path(name, uuid(OWN), 'memfile.header')
}

describe('a memfile header', () => {
  test('names the build and the place of each page, zeros and packed ones', async () => {
    const file = await storage('good', encodeHeader({ pages: 8, ranges: RANGES }))
    const snapshot = await openSnapshot(file)
    expect(snapshot).toMatchObject({ format: 'e2b', blocks: [{ name: 'memfile', pageCount: 8, setBits: 5 }] })
    expect(await firstBytes(snapshot)).toEqual([seedBytes(1, 2, 0, 0, 0, 22, 11, 21)])
    expect(snapshot.layers).toEqual([
      { name: uuid(BASE), storedPages: 3, usedPages: 2 },
      { name: uuid(MIDDLE), storedPages: 2, usedPages: 1 },
      { name: uuid(OWN), storedPages: 2, usedPages: 2 },
    ])
    await snapshot.close()
  })

  test('of 2 MiB blocks may go on behind the memory, up to the end of its block', async () => {
    const header = encodeHeader({
      pages: 3,
      blockSize: 2 ** 21,
      ranges: [{ offset: 0, length: 512, build: BASE, at: 0 }],
    })
    const snapshot = await openSnapshot(await storage('overhang', header))
    expect(await firstBytes(snapshot)).toEqual([seedBytes(1, 2, 3)])
    await snapshot.close()
  })

  test('without ranges is all of its own build, which may lie elsewhere', async () => {
    const file = await storage('elsewhere', encodeHeader({ pages: 2, ranges: [] }))
    const moved = path('moved.header')
    await writeFile(moved, encodeHeader({ pages: 2, ranges: [{ offset: 0, length: 2, build: MIDDLE, at: 0 }] }))
    const whole = await openSnapshot(file)
    expect(await firstBytes(whole)).toEqual([seedBytes(21, 22)])
    await whole.close()
    await sparseFile(path('elsewhere', uuid(MIDDLE), 'moved'), 2 * PAGE, [[PAGE, pageOf(5)]])
    const snapshot = await openSnapshot(`e2b:${moved},builds=${path('elsewhere')}`)
    expect(await firstBytes(snapshot)).toEqual([seedBytes(0, 5)])
    await snapshot.close()
  })

  const ranges = (i: number, change: Partial<TestRange>) =>
    RANGES.map((range, j) => (j === i ? { ...range, ...change } : range))
  test.each([
    ['of version 4', { version: 4 }, /0x0: version: found 4, expected 3, uncompressed$/, 'unsupported'],
    ['of no whole pages', { bytes: 5000 }, /0x10: size: found 5000, expected a multiple of 4096$/, 'format'],
    ['of 2 TiB', { pages: 2 ** 29 }, /0x10: length of memory: found 536870912 pages, expected at most/, 'limit'],
    ['with a gap', { ranges: RANGES.slice(1) }, /0x40: offset of the range: found 8192, expected 0$/, 'format'],
    [
      'that ends early',
      { ranges: RANGES.slice(0, 4) },
      /0xe0: end of the ranges: found 28672, expected 32768$/,
      'format',
    ],
    [
      'with an empty range',
      { ranges: ranges(1, { length: 0 }) },
      /0x70: length of the range: found 0, expected a multiple of 4096 inside the size of 32768$/,
      'format',
    ],
    [
      'that reaches behind a build',
      { ranges: ranges(3, { at: 2 }) },
      /0xd8: end in the build: found 12288, expected at most 8192, the length of .*memfile$/,
      'format',
    ],
    [
      'of a build that is not there',
      { ranges: ranges(3, { build: 'e' }) },
      /0xb8: build: found e{8}-e{4}-e{4}-e{4}-e{12}, expected a file \.\.\/e{8}-/,
      'format',
    ],
  ] as const)('%s is refused', async (name, change, message, code) => {
    const header = encodeHeader({ pages: 8, ranges: RANGES, ...change })
    await expectRefusal(openSnapshot(await storage(name, header)), code, message)
  })

  test('that is cut inside a range is refused', async () => {
    const header = encodeHeader({ pages: 8, ranges: RANGES }).subarray(0, -7)
    await expectRefusal(
      openSnapshot(await storage('cut', header)),
      'format',
      /0xe0: range: found 33 bytes, expected 40$/,
    )
  })
})
