/** Working-set files: what is written comes back, byte for byte, and nothing that is damaged does. */
import { crc32 } from 'node:zlib'
import { test as property } from '@fast-check/vitest'
import { Packr } from 'msgpackr'
import { describe, expect, test } from 'vitest'
import { LazyRestoreError } from '../../src/core/error.ts'
import { createRandom, nextUint32 } from '../../src/core/random.ts'
import { checkWorkingSetFits } from '../../src/working-set/open.ts'
import { layoutOfBits } from '../destination/layout-of-bits.ts'
import { GarbageSource } from '../sim/garbage-source.ts'
import { anyMemory, anyRecording, anyStrokes, layoutOf, recordingOf, workloadOf } from '../sim/random-restore.ts'
import { refusal } from '../workload/support.ts'
import { contentsOf, expectedContents, memoryOfBits, opened, written } from './support.ts'

const SMALL = memoryOfBits({ bits: '1100 0111' }, { bits: '1'.repeat(20), hostPageSize: 65_536 })
const packr = new Packr({ useRecords: false, moreTypes: true })

describe('a working-set file', () => {
  property.prop([anyMemory, anyStrokes, anyRecording], { numRuns: 60 })(
    'has its pages in order and their contents side by side, whole host pages',
    async (memory, strokes, recording) => {
      const sources: GarbageSource[] = []
      const layout = layoutOf(memory, blocks => {
        sources.push(new GarbageSource(blocks))
        return sources[0]
      })
      const pages = [...recordingOf(layout, workloadOf(layout, strokes), recording)]
      const file = await opened(await written(layout, pages))
      expect([...file.pages]).toEqual(pages)
      expect(file.contents.offset % 4096).toBe(0)
      checkWorkingSetFits(file, layout)
      const found = await contentsOf(file)
      expect(found.equals(expectedContents({ layout, source: sources[0] }, pages))).toBe(true)
      expect(sources[0].clearPagesRead).toBe(0)
    },
  )

  test('has the layout that docs/formats.md gives', async () => {
    // Pages 7, 2 (zero) and 0 of the first block, then the second host page of the second, a tail of 4 target pages.
    const bytes = await written(SMALL.layout, [7, 2, 9, 0], { recordings: ['a', 'b'], minRuns: 2 })
    expect(bytes.toString('latin1', 0, 8)).toBe('\x89LWS\r\n\x1a\n')
    expect(bytes.readUInt32LE(8)).toBe(1)
    const headerEnd = 16 + bytes.readUInt32LE(12)
    expect(packr.unpack(bytes.subarray(16, headerEnd))).toEqual({
      snapshotIdentity: 'bits',
      pageSize: 4096,
      blocks: [
        { name: 'block0', usedLength: 8 * 4096, hostPageSize: 4096 },
        { name: 'block1', usedLength: 20 * 4096, hostPageSize: 65_536 },
      ],
      pageCount: 4,
      contentBytes: 4096 + 65_536 + 4096,
      recordings: ['a', 'b'],
      minRuns: 2,
    })
    expect(bytes.readUInt32LE(headerEnd)).toBe(crc32(bytes.subarray(0, headerEnd)))
    const list = headerEnd + 4
    expect([0, 1, 2, 3].map(i => bytes.readUInt32LE(list + 4 * i))).toEqual([7, 2, 9, 0])
    const contents = bytes.subarray(4096)
    expect(bytes.readUInt32LE(list + 16)).toBe(crc32(contents))
    // The CRC of the lists goes on from the header's, whose own four bytes are not in it.
    const whole = crc32(bytes.subarray(list, list + 20), crc32(bytes.subarray(0, headerEnd)))
    expect(bytes.readUInt32LE(list + 20)).toBe(whole)
    expect(bytes.subarray(list + 24, 4096).every(byte => byte === 0)).toBe(true)
    expect(contents.equals(expectedContents(SMALL, [7, 2, 9, 0]))).toBe(true)
  })

  test('of no page with data has no contents', async () => {
    for (const pages of [[], [2, 3]]) {
      const file = await opened(await written(SMALL.layout, pages))
      expect([...file.pages]).toEqual(pages)
      expect(file.contents.byteLength).toBe(0)
      await file.verify()
    }
  })

  test('checks each MiB that a read covers, and no byte of others', async () => {
    const memory = memoryOfBits({ bits: '1'.repeat(700) })
    const bytes = await written(
      memory.layout,
      Array.from({ length: 700 }, (_, page) => 699 - page),
    )
    const sound = await opened(bytes)
    await sound.verify()
    bytes[sound.contents.offset + 2 ** 20 + 5] ^= 1
    const file = await opened(bytes)
    const part = (from: number, to: number) => file.read(from, new Uint8Array(to - from))
    await part(0, 2 ** 20)
    await part(4096, 2 ** 21 - 4096)
    await part(2 ** 21, 700 * 4096)
    for (const [from, to] of [
      [2 ** 20, 2 ** 21],
      [4096, 700 * 4096],
    ]) {
      expect(await refusal(() => part(from, to))).toMatch(
        /^format: a\.lrws: contents \[1048576, 2097152\): found CRC [0-9a-f]{8}, expected [0-9a-f]{8}: the file is damaged$/,
      )
    }
    expect(await refusal(() => file.verify())).toMatch(/the file is damaged/)
  })

  test('refuses a read outside of its contents', async () => {
    const file = await opened(await written(SMALL.layout, [7]))
    expect(await refusal(() => file.read(1, new Uint8Array(4096)))).toBe(
      'io: a.lrws: found a read of 4096 bytes at 1 of the contents, expected it inside 4096 bytes',
    )
  })
})

describe('a file that is not as it was written', () => {
  const load = async (bytes: Uint8Array): Promise<void> => (await opened(bytes)).verify()

  test('is refused wherever one bit is changed', async () => {
    const bytes = await written(SMALL.layout, [7, 2, 9, 0, 8])
    const random = createRandom(1)
    // Every byte of the head and lists, and some of the padding and contents.
    for (let i = 0; i < 1200; i++) {
      const at = i < 400 ? i : nextUint32(random) % bytes.length
      const changed = Buffer.from(bytes)
      changed[at] ^= 1 << (nextUint32(random) % 8)
      await expect(load(changed), `byte ${at}`).rejects.toThrow(LazyRestoreError)
    }
  })

  test('is refused wherever it is cut, and when bytes are added', async () => {
    const bytes = await written(SMALL.layout, [7, 2, 9, 0, 8])
    for (let length = 1; length < bytes.length; length += length < 500 ? 7 : 4099) {
      await expect(load(bytes.subarray(0, length)), `${length} bytes`).rejects.toThrow(LazyRestoreError)
    }
    expect(await refusal(() => load(Buffer.concat([bytes, Buffer.alloc(1)])))).toMatch(
      /^format: a\.lrws: 0x[0-9a-f]+: found a file of \d+ bytes, expected \d+: contents of 139264 at 4096$/,
    )
  })

  const header = {
    snapshotIdentity: 'bits',
    pageSize: 4096,
    blocks: [{ name: 'm', usedLength: 40_960, hostPageSize: 4096 }],
    pageCount: 2,
    contentBytes: 4096,
    recordings: ['a'],
    minRuns: 1,
  }
  /** A file with right CRCs and any header and pages. */
  function forged(given: object, pages: readonly number[] = [3, 4], { version = 1 } = {}): Buffer {
    const packed = packr.pack(given)
    const head = Buffer.alloc(16)
    head.write('894c57530d0a1a0a', 'hex')
    head.writeUInt32LE(version, 8)
    head.writeUInt32LE(packed.length, 12)
    const contents = Buffer.alloc(4096, 7)
    const words = Buffer.from(Uint32Array.of(...pages, crc32(contents)).buffer)
    const uint32 = (value: number) => Buffer.from(Uint32Array.of(value).buffer)
    const headCrc = crc32(Buffer.concat([head, packed]))
    const front = [head, packed, uint32(headCrc), words, uint32(crc32(words, headCrc))]
    return Buffer.concat([Buffer.concat(front, 4096), contents])
  }

  test('is fine when forged with right checksums and sound fields', async () => {
    await load(forged(header))
  })

  test.each([
    [{ pageSize: 4095 }, 'field pageSize: found 4095, expected a power of two from 512 to 2^30'],
    [{ blocks: [] }, 'field blocks: found a list of 0, expected a list of 1 to 4096'],
    [{ blocks: [7] }, 'field blocks[0]: found 7, expected an object'],
    [
      { blocks: [{ ...header.blocks[0], usedLength: 4095 }] },
      'field blocks[0].usedLength: found 4095, expected a mult',
    ],
    [
      { blocks: [{ ...header.blocks[0], hostPageSize: 2048 }] },
      'field blocks[0].hostPageSize: found 2048, expected at',
    ],
    [
      { blocks: [{ ...header.blocks[0], usedLength: 2 ** 51 }] },
      'field blocks: found 549755813888 host pages, expected',
    ],
    [{ blocks: [{ ...header.blocks[0], kind: 'anon' }] }, 'found field "kind", expected only name, usedLength, hostPa'],
    [{ pageCount: 11 }, 'field pageCount: found 11, expected at most the 10 host pages of its blocks'],
    [{ pageCount: -1 }, 'field pageCount: found -1, expected a whole number from 0 to 4294967296'],
    [{ contentBytes: 4097 }, 'field contentBytes: found 4097, expected a multiple of 4096'],
    [{ contentBytes: 2 ** 53 }, 'field contentBytes: found 9007199254740992, expected a whole number'],
    [{ recordings: ['a', 7] }, 'field recordings[1]: found 7, expected text of at most 4096 characters'],
    [{ minRuns: 2 }, 'field minRuns: found 2, expected at most the 1 recordings'],
    [{ extra: 1 }, 'found field "extra", expected only'],
  ])('is refused with a header of %j', async (change, message) => {
    expect(await refusal(() => load(forged({ ...header, ...change })))).toContain(message)
  })

  test('is refused with counts that the file has no room for', async () => {
    const blocks = [{ ...header.blocks[0], usedLength: 2 ** 43 }]
    expect(await refusal(() => load(forged({ ...header, blocks, pageCount: 2 ** 31 })))).toMatch(
      /found \d+ bytes more, expected 8589934592 of the page list$/,
    )
    expect(await refusal(() => load(forged({ ...header, contentBytes: 2 ** 51 })))).toMatch(
      /found \d+ bytes more, expected 8589934592 of the contents' CRCs$/,
    )
    expect(await refusal(() => load(forged({ ...header, contentBytes: 8192 })))).toMatch(
      /found a file of 8192 bytes, expected 12288: contents of 8192 at 4096$/,
    )
  })

  test('is refused with a page twice, or one that there is not', async () => {
    expect(await refusal(() => load(forged(header, [3, 3])))).toBe(
      'format: a.lrws: page list: found page 3 twice, expected it once',
    )
    expect(await refusal(() => load(forged(header, [3, 10])))).toBe(
      'format: a.lrws: page list: found page 10, expected 0..9',
    )
  })

  test('is told apart when of another version, or no such file', async () => {
    expect(await refusal(() => load(forged(header, [3, 4], { version: 2 })))).toBe(
      'unsupported: a.lrws: 0x8: found working-set file version 2, expected 1',
    )
    expect(await refusal(() => load(Buffer.from('a text of some length')))).toMatch(
      /^format: a\.lrws: 0x0: found 6120746578742[0-9a-f]+, expected the magic 894c57530d0a1a0a$/,
    )
  })
})

describe('a file for another destination', () => {
  const file = async () => opened(await written(SMALL.layout, [7]))

  test('is refused for another snapshot', async () => {
    const { layout } = SMALL
    const other = { ...layout, snapshot: { ...layout.snapshot, name: 'b.mig', identity: 'other' } }
    await expect(file().then(found => checkWorkingSetFits(found, other))).rejects.toThrow(
      new LazyRestoreError(
        'mismatch',
        'a.lrws: found a working set of snapshot identity bits, expected other of snapshot b.mig',
      ),
    )
  })

  test('is refused for other host pages', async () => {
    const other = layoutOfBits({ bits: '1100 0111' }, { bits: '1'.repeat(20) })
    await expect(file().then(found => checkWorkingSetFits(found, other))).rejects.toThrow(
      'a.lrws: block 1: found block1 of 81920 bytes on host pages of 65536, expected block1 of 81920 bytes on host pages of 4096, as at the destination; workingset build --host-page-size makes one',
    )
  })
})
