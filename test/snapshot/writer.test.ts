/** What a written file looks like on disk, and what is left when writing fails. */
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { hashBlock } from '../../src/snapshot/load.ts'
import { openSnapshot } from '../../src/snapshot/open-snapshot.ts'
import { type SnapshotContent, snapshotPages, writeSnapshot, writeStream } from '../../src/snapshot/snapshot-writer.ts'
import { openSynthetic } from '../../src/snapshot/synthetic.ts'
import { bitmapOf, encode, expectRefusal, fillPages, read, smallContent } from './support.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lazyrestore-write-'))
})
afterEach(() => rm(directory, { recursive: true }))

/** 32 MiB and 16 MiB blocks of a q35 machine; the bytes expected follow from the format's description, field by field. */
const example: SnapshotContent = {
  format: 'mapped-ram',
  machine: 'pc-q35-10.0',
  ramSectionId: 2,
  fillPages: fillPages(4096),
  blocks: [
    { name: 'pc.ram', pageSize: 4096, pageCount: 8192, bitmap: bitmapOf(8192, []) },
    { name: '0000:00:02.0/vga.vram', pageSize: 4096, pageCount: 4096, bitmap: bitmapOf(4096, []) },
  ],
}

test('a mapped-ram header has the bytes that QEMU writes', async () => {
  const bytes = await encode(example)
  const hex = (from: number, to: number) => bytes.toString('hex', from, to)
  expect(hex(0, 0x18)).toBe('5145564d00000003070000000b70632d7133352d31302e30')
  expect(hex(0x18, 0x1a)).toBe('051a')
  expect(hex(0x34, 0x47)).toBe('00000001000000010a6d61707065642d72616d')
  expect(hex(0x47, 0x58)).toBe('01000000020372616d0000000000000004')
  expect(hex(0x58, 0x60)).toBe('0000000003000004')
  expect(hex(0x60, 0x6f)).toBe('0670632e72616d0000000002000000')
  expect(hex(0x6f, 0x8b)).toBe('000000010000000000001000000000000000008b0000000000100000')
  expect(hex(0x2100016, 0x210003a)).toBe('0000000001000000000000010000000000001000000000000210003a0000000002200000')
  expect(hex(0x3200000, 0x3200011)).toBe('00000000000000107e0000000203000000')
})

test('a fixed-ram record holds the size of its bitmap and the pages offset, and the section holds one EOS', async () => {
  const bytes = await encode(smallContent({ format: 'fixed-ram' }))
  const at = bytes.indexOf('ram\0\0\0\0\0\0\x50\0', 0, 'latin1') - 1
  expect(bytes.toString('hex', at, at + 24)).toBe('0372616d0000000000005000000000080000000000100000')
  const end = bytes.indexOf(Buffer.from('00000000000000107e00000001', 'hex'))
  expect(bytes.toString('hex', end, end + 25)).toBe('00000000000000107e0000000103000000017e000000010006')
})

test('the description behind the EOF byte is JSON and lists no device', async () => {
  const bytes = await encode(smallContent())
  const { offset } = (await read(bytes)).vmDescription!
  expect(JSON.parse(bytes.toString('utf8', offset))).toMatchObject({ page_size: 4096, devices: [] })
})

test('pages are written first, then the bitmaps, then the end of the stream', async () => {
  const offsets: number[] = []
  await writeStream({ write: async offset => void offsets.push(offset) }, smallContent())
  const [start, ramRecord, romRecord, ...rest] = offsets
  expect([start, ramRecord, romRecord]).toEqual([0, 87, 0x105000])
  expect(rest).toEqual([0x101000, 0x104000, 0x200000, 127, 0x105028, 0x202000])
})

test('clear pages are holes on the disk', async () => {
  const pageCount = 2 ** 16
  const path = join(directory, 'sparse')
  await writeSnapshot(
    path,
    smallContent({ blocks: [{ name: 'ram', pageSize: 4096, pageCount, bitmap: bitmapOf(pageCount, [9]) }] }),
  )
  const { size, blocks } = await stat(path)
  expect(size).toBeGreaterThan(256 * 2 ** 20)
  expect(blocks * 512).toBeLessThan(2 ** 20)
})

test('runs of pages are asked for together, at most 1 MiB at a time', async () => {
  const asked: number[][] = []
  const pages = Array.from({ length: 300 }, (_, i) => i + 5)
  await encode(
    smallContent({
      blocks: [{ name: 'ram', pageSize: 4096, pageCount: 400, bitmap: bitmapOf(400, [...pages, 399]) }],
      fillPages: (block, firstPage, target) => void asked.push([block, firstPage, target.length / 4096]),
    }),
  )
  expect(asked).toEqual([
    [0, 5, 256],
    [0, 261, 44],
    [0, 399, 1],
  ])
})

describe('when writing fails', () => {
  const failing = smallContent({
    fillPages: (_, firstPage) => {
      if (firstPage > 2) throw new Error('no page')
    },
  })

  test('no file is left', async () => {
    await expect(writeSnapshot(join(directory, 'new'), failing)).rejects.toThrow('no page')
    expect(await readdir(directory)).toEqual([])
  })

  test('an older file of the name is untouched', async () => {
    await writeFile(join(directory, 'old'), 'as it was')
    await expect(writeSnapshot(join(directory, 'old'), failing)).rejects.toThrow('no page')
    expect(await readdir(directory)).toEqual(['old'])
    expect(await readFile(join(directory, 'old'), 'utf8')).toBe('as it was')
  })

  test('because the directory does not exist, the message names the file', async () => {
    const path = join(directory, 'none', 'new')
    await expectRefusal(writeSnapshot(path, smallContent()), 'io', new RegExp(`^${path}: cannot write: ENOENT`))
  })
})

test('an older file of the name is replaced', async () => {
  const path = join(directory, 'file')
  await writeFile(path, 'old')
  await writeSnapshot(path, smallContent())
  const snapshot = await openSnapshot(path)
  expect(snapshot.blocks.length).toBe(2)
  await snapshot.close()
  expect(await readdir(directory)).toEqual(['file'])
})

test('a synthetic snapshot written to a file loads to the same content', async () => {
  const synthetic = openSynthetic('synthetic:4MiB,zero=50%,runs=5,seed=3')
  const path = join(directory, 'made')
  await writeSnapshot(path, {
    format: 'mapped-ram',
    machine: 'none',
    blocks: synthetic.blocks,
    fillPages: snapshotPages(synthetic),
  })
  const written = await openSnapshot(path)
  expect(written.blocks[0].bitmap).toEqual(synthetic.blocks[0].bitmap)
  expect(await hashBlock(written, written.blocks[0])).toEqual(await hashBlock(synthetic, synthetic.blocks[0]))
  await written.close()
})

describe('content that no reader would accept is refused before a byte is written', () => {
  const block = { name: 'ram', pageSize: 4096, pageCount: 4, bitmap: bitmapOf(4, []) }
  const cases: readonly (readonly [string, Partial<SnapshotContent>, string])[] = [
    ['an empty name', { machine: '' }, 'name: found "", expected 1 to 255 printable ASCII characters'],
    ['a name twice', { blocks: [block, block] }, 'block names: found one twice, expected each once'],
    [
      'an odd page size',
      { blocks: [{ ...block, pageSize: 5000 }] },
      'page size of ram: found 5000, expected a power of two from 512 to 1 GiB',
    ],
    [
      'two page sizes',
      { blocks: [block, { ...block, name: 'b', pageSize: 512 }] },
      'page size of b: found 512, expected 4096, as ram',
    ],
    ['no pages', { blocks: [{ ...block, pageCount: 0 }] }, 'pages of ram: found 0, expected at least 1'],
    [
      'a short bitmap',
      { blocks: [{ ...block, pageCount: 33 }] },
      'bitmap of ram: found 1 words, expected bits for 33 pages',
    ],
    [
      'padding bits',
      { blocks: [{ ...block, bitmap: bitmapOf(6, [5]) }] },
      'bitmap of ram: found 1 bits set past page 4, expected none',
    ],
    ['capabilities without the format', { capabilities: [] }, 'capabilities: found , expected mapped-ram among them'],
    [
      'more bytes than a file can have',
      { blocks: [{ ...block, pageSize: 2 ** 30, pageCount: 2 ** 22 }] },
      'bytes of RAM: found 4503599627370496, expected less than 2^52',
    ],
    [
      'an ignored block without the capability',
      { blocks: [{ ...block, ignored: true }] },
      'block ram: found ignored, expected mapped-ram with x-ignore-shared in the capabilities',
    ],
    [
      'too many pages',
      { blocks: [{ ...block, pageCount: 2 ** 32 }] },
      'target pages: found 4294967296, expected at most 4294967295',
    ],
  ]
  test.each(cases)('%s', async (_, change, message) => {
    await expectRefusal(encode(smallContent(change)), 'usage', `snapshot to write: ${message}`)
  })
})
