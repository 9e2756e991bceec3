import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { testBit } from '../../src/core/bitmap.ts'
import { memorySource } from '../../src/snapshot/byte-source.ts'
import { eagerLoad, hashBlock, loadPages } from '../../src/snapshot/load.ts'
import { readSnapshot } from '../../src/snapshot/qemu-snapshot.ts'
import type { SnapshotContent } from '../../src/snapshot/snapshot-writer.ts'
import { snapshotPages } from '../../src/snapshot/snapshot-writer.ts'
import { openSynthetic } from '../../src/snapshot/synthetic.ts'
import {
  bitmapOf,
  byteOf,
  clearSlotRead,
  encode,
  expectRefusal,
  fillPages,
  fixtureBytes,
  read,
  SMALL,
  smallContent,
  watchedSource,
} from './support.ts'

const blockName = fc.stringMatching(/^[!-~]{1,40}$/)

/** Up to four blocks of up to 80 pages, in either dialect, with device state of any bytes. */
const content: fc.Arbitrary<SnapshotContent> = fc
  .record({
    format: fc.constantFrom('mapped-ram' as const, 'fixed-ram' as const),
    machine: blockName,
    pageSize: fc.constantFrom(512, 4096, 16384),
    ramSectionId: fc.nat(1000),
    names: fc.uniqueArray(blockName, { minLength: 1, maxLength: 4 }),
    pages: fc.array(fc.array(fc.boolean(), { minLength: 1, maxLength: 80 }), { minLength: 4, maxLength: 4 }),
    deviceState: fc.uint8Array({ maxLength: 200 }),
  })
  .map(({ names, pages, pageSize, ...rest }) => ({
    ...rest,
    fillPages: fillPages(pageSize),
    blocks: names.map((name, i) => ({
      name,
      pageSize,
      pageCount: pages[i].length,
      bitmap: bitmapOf(
        pages[i].length,
        pages[i].flatMap((set, page) => (set ? [page] : [])),
      ),
    })),
  }))

/** What a load must give for block `index`. */
function expectedMemory({ blocks }: SnapshotContent, index: number): Uint8Array {
  const { pageSize, pageCount, bitmap } = blocks[index]
  const memory = new Uint8Array(pageSize * pageCount)
  for (let at = 0; at < memory.length; at++) {
    const page = Math.floor(at / pageSize)
    if (testBit(bitmap, page)) memory[at] = byteOf(index, page, at % pageSize)
  }
  return memory
}

describe('what is written is what is read', () => {
  property.prop([content, fc.integer({ min: 1, max: 255 })], { numRuns: 150 })(
    'in both dialects, and stale bytes under clear bits neither surface nor are read',
    async (written, stale) => {
      const bytes = await encode(written)
      const clean = await read(bytes)
      for (const { bitmap, pageCount, pageSize, pagesOffset } of clean.blocks) {
        for (let page = 0; page < pageCount; page++) {
          if (!testBit(bitmap, page))
            bytes.fill(stale, pagesOffset + page * pageSize, pagesOffset + (page + 1) * pageSize)
        }
      }
      const source = watchedSource(memorySource(bytes, 'FILE'))
      const snapshot = await readSnapshot(source)
      const memory = await eagerLoad(snapshot)

      expect(snapshot).toMatchObject({
        format: written.format,
        machine: written.machine,
        capabilities: [written.format],
        ramSectionId: written.ramSectionId,
        identity: clean.identity,
      })
      expect(
        snapshot.blocks.map(({ name, pageSize, pageCount, bitmap }) => ({ name, pageSize, pageCount, bitmap })),
      ).toEqual(written.blocks)
      for (const [i, block] of memory.entries()) expect(Buffer.compare(block, expectedMemory(written, i))).toBe(0)
      const { offset, length } = snapshot.deviceState!
      expect([...bytes.subarray(offset, offset + length)]).toEqual([...written.deviceState!])
      expect(clearSlotRead(source.reads, snapshot.blocks)).toBeNull()
    },
  )
})

test('a real file written anew has the same bytes up to the end of its last block', async () => {
  const original = await fixtureBytes('pc-16m')
  const snapshot = await read(original)
  const slice = ({ offset, length }: { offset: number; length: number }) => original.subarray(offset, offset + length)
  const rewritten = await encode({
    format: 'mapped-ram',
    machine: snapshot.machine!,
    blocks: snapshot.blocks,
    fillPages: snapshotPages(snapshot),
    ramSectionId: snapshot.ramSectionId!,
    deviceState: slice(snapshot.deviceState!),
    vmDescription: slice(snapshot.vmDescription!),
  })
  const again = await read(rewritten)
  expect(again.blocks).toEqual(snapshot.blocks)
  expect(again.blocks[0]).toMatchObject({ bitmapOffset: 141, pagesOffset: 0x100000 })
  expect(again.identity).toBe(snapshot.identity)
  const last = snapshot.blocks.at(-1)!
  const blocksEnd = last.pagesOffset + last.usedLength
  expect(Buffer.compare(rewritten.subarray(0, blocksEnd), original.subarray(0, blocksEnd))).toBe(0)
  const afterRam = snapshot.deviceState!.offset
  expect(Buffer.compare(rewritten.subarray(again.deviceState!.offset), original.subarray(afterRam))).toBe(0)
})

test('a mapped-ram snapshot converted to fixed-ram and back keeps every page and bit', async () => {
  const first = await read(await encode(smallContent()))
  const convert = async (snapshot: typeof first, format: 'mapped-ram' | 'fixed-ram') =>
    read(await encode({ format, machine: 'pc', blocks: snapshot.blocks, fillPages: snapshotPages(snapshot) }))
  const middle = await convert(first, 'fixed-ram')
  const last = await convert(middle, 'mapped-ram')
  expect(middle.format).toBe('fixed-ram')
  expect(await eagerLoad(middle)).toEqual(await eagerLoad(first))
  expect(last.identity).toBe(first.identity)
  expect(middle.identity).not.toBe(first.identity)
})

test('fixed-ram pages are 4096 bytes unless the stream or the caller says otherwise', async () => {
  const pages = (pageSize: number) => [{ name: 'ram', pageSize, pageCount: 4, bitmap: bitmapOf(4, [3]) }]
  const usual = await encode(smallContent({ format: 'fixed-ram', blocks: pages(4096) }))
  expect((await read(usual)).blocks[0].pageSize).toBe(4096)
  const large = await encode(smallContent({ format: 'fixed-ram', blocks: pages(65536), fillPages: fillPages(65536) }))
  expect((await read(large)).blocks[0].pageSize).toBe(65536)
  // The bitmap of four pages and of one is 8 bytes either way: only the caller can know.
  expect((await read(usual, { pageSize: 16384 })).blocks[0]).toMatchObject({ pageSize: 16384, pageCount: 1 })
  await expectRefusal(read(usual, { pageSize: 5000 }), 'usage', /^page size: found 5000, expected a power of two/)
})

test.each(['mapped-ram', 'fixed-ram'] as const)('pages of more than a MiB come back from %s', async format => {
  const pageSize = 2 * 2 ** 20
  const blocks = ['ram', 'rom'].map(name => ({ name, pageSize, pageCount: 2, bitmap: bitmapOf(2, [1]) }))
  const given = smallContent({ format, blocks, fillPages: fillPages(pageSize) })
  const loaded = await eagerLoad(await read(await encode(given)))
  // Deep equality would take minutes.
  expect(loaded.map((bytes, index) => Buffer.compare(bytes, expectedMemory(given, index)))).toEqual([0, 0])
})

test('padding bits past the last page are cleared on load', async () => {
  const bytes = await encode(smallContent())
  bytes.fill(0xff, SMALL.ramBitmap, SMALL.ramBitmap + 8)
  const { blocks } = await read(bytes)
  expect(blocks[0]).toMatchObject({ setBits: 5, bitmap: Uint32Array.of(0b11111) })
})

test('bit p of the bitmap is bit p % 8 of its byte p / 8', async () => {
  const blocks = [{ name: 'ram', pageSize: 4096, pageCount: 70, bitmap: bitmapOf(70, [0, 9, 23, 32, 69]) }]
  const bytes = await encode(smallContent({ blocks }))
  const { bitmapOffset } = (await read(bytes)).blocks[0]
  expect([...bytes.subarray(bitmapOffset!, bitmapOffset! + 16)]).toEqual([
    ...[0x01, 0x02, 0x80, 0, 0x01, 0, 0, 0],
    ...[0x20, 0, 0, 0, 0, 0, 0, 0],
  ])
})

describe('a block ignored by x-ignore-shared', () => {
  const ignoring = () =>
    smallContent({
      capabilities: ['x-ignore-shared', 'mapped-ram'],
      blocks: [
        { name: 'ram', pageSize: 4096, pageCount: 5, bitmap: bitmapOf(5, [1]), ignored: true },
        { name: 'rom', pageSize: 4096, pageCount: 2, bitmap: bitmapOf(2, [0]) },
      ],
    })

  test('is listed without a page in the file, and the block behind it is read', async () => {
    const snapshot = await read(await encode(ignoring()))
    expect(snapshot.blocks).toMatchObject([
      {
        name: 'ram',
        pageCount: 5,
        setBits: 0,
        bitmap: Uint32Array.of(0),
        ignored: true,
        bitmapOffset: null,
        pagesOffset: 0,
      },
      { name: 'rom', pageCount: 2, setBits: 1, ignored: false, pagesOffset: 0x100000 },
    ])
    expect((await eagerLoad(snapshot)).map(({ length }) => length)).toEqual([0, 8192])
  })

  test('cannot be loaded', async () => {
    const snapshot = await read(await encode(ignoring()))
    const loading = hashBlock(snapshot, snapshot.blocks[0])
    await expectRefusal(loading, 'mismatch', 'FILE: block ram: its memory is shared and not in the file')
  })

  test('needs the capability: without it offsets of 0 lie in the start of the stream', async () => {
    const bytes = await encode(smallContent())
    bytes.fill(0, SMALL.ramBitmapOffset, SMALL.ramBitmapOffset + 16)
    await expectRefusal(read(bytes), 'format', /^FILE: /)
  })

  test('is the only kind that has no offsets: with the capability other blocks have theirs', async () => {
    const content = smallContent({ capabilities: ['x-ignore-shared', 'mapped-ram'] })
    const { blocks } = await read(await encode(content))
    expect(blocks.map(({ ignored, setBits }) => ({ ignored, setBits }))).toEqual([
      { ignored: false, setBits: 3 },
      { ignored: false, setBits: 1 },
    ])
  })
})

test('a load reads runs of stored pages together, at most 1 MiB at a time', async () => {
  const stored = Array.from({ length: 600 }, (_, i) => 3 + i)
  const blocks = [{ name: 'ram', pageSize: 4096, pageCount: 700, bitmap: bitmapOf(700, [0, ...stored]) }]
  const source = watchedSource(memorySource(await encode(smallContent({ blocks })), 'FILE'))
  const snapshot = await readSnapshot(source)
  source.reads.length = 0
  let pages = 0
  for await (const { firstPage, bytes } of loadPages(snapshot, snapshot.blocks[0])) {
    expect(firstPage).toBe(pages)
    pages += bytes.length / 4096
  }
  expect(pages).toBe(700)
  expect(source.reads.map(({ offset, length }) => [(offset - 0x100000) / 4096, length / 4096])).toEqual([
    [0, 1],
    [3, 256],
    [259, 256],
    [515, 88],
  ])
})

test('a stored page that holds only zeros counts as a zero page', async () => {
  const zeroFill: SnapshotContent['fillPages'] = (_, __, target) => void target.fill(0)
  const snapshot = await read(await encode(smallContent({ fillPages: zeroFill })))
  expect((await hashBlock(snapshot, snapshot.blocks[0])).zeroPages).toBe(5)
})

test('eagerLoad refuses more memory than a test should take', async () => {
  await expectRefusal(eagerLoad(openSynthetic('synthetic:2GiB')), 'limit', /found 2.* GiB of RAM, expected at most 1/)
})
