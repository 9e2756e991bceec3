/** The checks of the file as a whole: that nothing overlaps, and that the stream is complete. See refused-records.test.ts. */
import { readdirSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import { openSnapshot } from '../../src/snapshot/open-snapshot.ts'
import { encode, expectRefusal, fixtureBytes, read, SMALL, smallContent } from './support.ts'

let valid: Buffer
beforeAll(async () => {
  valid = await encode(smallContent())
})

/** The small file after `change`. */
function mutated(change: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.from(valid)
  change(bytes)
  return bytes
}

/** Writes big-endian fields; `u64` takes numbers and bigints. */
const u8 = (at: number, value: number) => mutated(bytes => void bytes.writeUInt8(value, at))
const u32 = (at: number, value: number) => mutated(bytes => void bytes.writeUInt32BE(value, at))
const u64 = (at: number, value: number | bigint) => mutated(bytes => void bytes.writeBigUInt64BE(BigInt(value), at))

describe('two things at one place in the file', () => {
  const overlap = (where: number, what: string, other: string) =>
    new RegExp(
      `^FILE: 0x${where.toString(16)}: ${what}: found \\[.*\\) inside \\[.*\\), ${other}, expected bytes of its own$`,
    )

  test('a bitmap over the start of the stream', async () => {
    const message = overlap(0x10, 'bitmap of ram', 'the start of the stream')
    await expectRefusal(read(u64(SMALL.ramBitmapOffset, 0x10)), 'format', message)
  })

  test('a bitmap over its own record', async () => {
    const message = overlap(SMALL.ramName, 'bitmap of ram', 'record of ram')
    await expectRefusal(read(u64(SMALL.ramBitmapOffset, SMALL.ramName)), 'format', message)
  })

  test('a bitmap over its own pages', async () => {
    const message = overlap(SMALL.ramPages + 8, 'bitmap of ram', 'pages of ram')
    await expectRefusal(read(u64(SMALL.ramBitmapOffset, SMALL.ramPages + 8)), 'format', message)
  })

  test("a bitmap over another block's bitmap", async () => {
    const message = overlap(SMALL.romBitmap + 4, 'bitmap of ram', 'bitmap of rom')
    await expectRefusal(read(u64(SMALL.ramBitmapOffset, SMALL.romBitmap + 4)), 'format', message)
  })

  test("a bitmap over another block's pages", async () => {
    const message = overlap(SMALL.ramPages + 4096, 'bitmap of rom', 'pages of ram')
    await expectRefusal(read(u64(SMALL.romBitmapOffset, SMALL.ramPages + 4096)), 'format', message)
  })

  test('a bitmap over the end of the stream', async () => {
    const message = overlap(SMALL.footer, 'bitmap of rom', 'the stream behind the last block')
    await expectRefusal(read(u64(SMALL.romBitmapOffset, SMALL.footer)), 'format', message)
  })

  test("pages over another block's pages", async () => {
    // The stream behind the last block must still be found: a copy of it follows the pages' new place.
    const bytes = mutated(b => {
      b.writeBigUInt64BE(BigInt(SMALL.ramPages + 0x4000), SMALL.romPagesOffset)
      b.copy(b, SMALL.ramPages + 0x6000, SMALL.eos)
    })
    const message = overlap(SMALL.ramPages + 0x4000, 'pages of rom', 'pages of ram')
    await expectRefusal(read(bytes), 'format', message)
  })

  test('a bitmap that is elsewhere, but on bytes of its own, is read where it is', async () => {
    const bytes = u64(SMALL.ramBitmapOffset, 0x8000)
    bytes.writeUInt8(0b00101, 0x8000)
    expect((await read(bytes)).blocks[0]).toMatchObject({ bitmap: Uint32Array.of(0b00101), bitmapOffset: 0x8000 })
  })
})

describe('the rest of the RAM section', () => {
  test.each([
    [0x08, 'PAGE'],
    [0x02, 'ZERO'],
    [0x40, 'XBZRLE'],
    [0x80, 'HOOK'],
  ])('flag 0x%s behind the blocks', async (flag, name) => {
    const message = `FILE: 0x202000: RAM flags: found 0x${flag.toString(16)} (${name}), expected 0x10 (EOS)`
    await expectRefusal(read(u64(SMALL.eos, flag)), 'format', message)
  })

  test('no footer', async () => {
    const message = 'FILE: 0x202008: section footer: found 0x7f, expected 0x7e'
    await expectRefusal(read(u8(SMALL.footer, 0x7f)), 'format', message)
  })

  test('a footer of another section', async () => {
    const message = 'FILE: 0x202009: section id in the footer: found 9, expected 1'
    await expectRefusal(read(u32(SMALL.footer + 1, 9)), 'format', message)
  })

  test("an iteration of another device's section", async () => {
    await expectRefusal(read(u32(SMALL.endId, 7)), 'unsupported', 'FILE: 0x20200e: section id: found 7, expected 1')
  })

  test("another section inside RAM's", async () => {
    const message = /^FILE: 0x20200d: section type: found 1, another section inside RAM's, expected RAM's SECTION_END/
    await expectRefusal(read(u8(SMALL.sectionEnd, 1)), 'unsupported', message)
  })

  test('a flag other than EOS at the end', async () => {
    const message = 'FILE: 0x202012: RAM flags: found 0x20 (CONTINUE), expected 0x10 (EOS)'
    await expectRefusal(read(u64(SMALL.endEos, 0x20)), 'format', message)
  })

  test('a command that does not belong in a file', async () => {
    const command = (bytes: string) =>
      Buffer.concat([valid.subarray(0, SMALL.sectionEnd), Buffer.from(bytes, 'hex'), valid.subarray(SMALL.sectionEnd)])
    expect((await read(command('08000b0000'))).blocks.length).toBe(2)
    const message =
      'FILE: 0x20200d: migration command: found 0x3 with 16 bytes, expected 0xb (SWITCHOVER_START) with 0, the only one that belongs in a file'
    await expectRefusal(read(command('0800030010')), 'unsupported', message)
  })

  test('no RAM END: the EOF byte comes first', async () => {
    const bytes = Buffer.concat([valid.subarray(0, SMALL.sectionEnd), valid.subarray(SMALL.eof)])
    const message =
      "FILE: 0x20200d: section type: found 0, expected RAM's SECTION_END: the save was interrupted, and the bitmaps were never written"
    await expectRefusal(read(bytes), 'format', message)
  })

  test('an endless row of iterations', async () => {
    const part = Buffer.from('02000000017e00000001', 'hex')
    const fixed = await encode(smallContent({ format: 'fixed-ram' }))
    const end = fixed.indexOf(Buffer.from('7e0000000103', 'hex')) + 5
    const parts = (count: number) =>
      Buffer.concat([fixed.subarray(0, end), ...Array(count).fill(part), fixed.subarray(end)])
    expect((await read(parts(1000))).format).toBe('fixed-ram')
    await expectRefusal(read(parts(2 ** 20)), 'limit', /: RAM iterations: found more than 1048576, expected fewer$/)
  })
})

describe('the end of the stream', () => {
  const expected =
    'expected an EOF mark behind the last section, and the description of the device state if any: was the save cut short?'

  test('no EOF byte in front of the description', async () => {
    const message = `FILE: 0x${valid.length.toString(16)}: end of the stream: found ${valid.subarray(-4).toString('hex').replace(/..\B/g, '$& ')}, ${expected}`
    await expectRefusal(read(u8(SMALL.eof, 4)), 'format', message)
  })

  test('a description of another length', async () => {
    const length = valid.readUInt32BE(SMALL.eof + 2)
    await expectRefusal(read(u32(SMALL.eof + 2, length + 1)), 'format', new RegExp(expected.replace('?', '\\?')))
  })

  test('bytes behind the description', async () => {
    const bytes = Buffer.concat([valid, Buffer.from('x')])
    await expectRefusal(read(bytes), 'format', new RegExp(expected.replace('?', '\\?')))
  })

  test('a NUL byte that no section footer precedes', async () => {
    const bytes = Buffer.concat([valid.subarray(0, SMALL.eof), Buffer.from('0400000000', 'hex')])
    await expectRefusal(read(bytes), 'format', new RegExp(expected.replace('?', '\\?')))
  })

  test('the EOF byte alone is accepted, as machine types that suppress the description write it', async () => {
    const bare = await read(valid.subarray(0, SMALL.eof + 1))
    expect(bare).toMatchObject({ vmDescription: null, deviceState: { offset: SMALL.eof, length: 0 } })
    const section = Buffer.from('0400000003016100000000000000017e0000000300', 'hex')
    const device = await read(Buffer.concat([valid.subarray(0, SMALL.eof), section]))
    expect(device).toMatchObject({
      vmDescription: null,
      deviceState: { offset: SMALL.eof, length: section.length - 1 },
    })
  })
})

describe('an interrupted save', () => {
  test('of a real VM, whose bitmaps are zero and whose RAM section has no end, is not read as zeros', async () => {
    const bytes = await fixtureBytes('pc-16m')
    const { blocks } = await read(bytes)
    for (const { bitmapOffset, bitmap } of blocks) bytes.fill(0, bitmapOffset!, bitmapOffset! + bitmap.byteLength)
    const last = blocks.at(-1)!
    const setupEnd = last.pagesOffset + last.usedLength + 13
    const message =
      "FILE: 0x1601032: section type: found the end of the file, expected RAM's SECTION_END: the save was interrupted, and the bitmaps were never written"
    // Killed between two iterations; the START's EOS and footer and one SECTION_PART are there.
    await expectRefusal(
      read(bytes.subarray(0, setupEnd)),
      'format',
      message.replace('0x1601032', `0x${setupEnd.toString(16)}`),
    )
    const partEnd = setupEnd + 18
    await expectRefusal(
      read(bytes.subarray(0, partEnd)),
      'format',
      message.replace('0x1601032', `0x${partEnd.toString(16)}`),
    )
  })
})

test('a block of no bytes is accepted, and its pages overlap nothing', async () => {
  const bytes = u64(SMALL.ramLength, 0)
  bytes.writeBigUInt64BE(BigInt(SMALL.romRecord), SMALL.ramPagesOffset)
  bytes.writeBigUInt64BE(0x2004n, SMALL.total)
  const { blocks } = await read(bytes)
  expect(blocks).toMatchObject([
    { name: 'ram', usedLength: 0, pageCount: 0, setBits: 0 },
    { name: 'rom', usedLength: 8192, setBits: 1 },
  ])
})

test('a file that is refused is closed again', async () => {
  const openFiles = () => readdirSync('/proc/self/fd').length
  const before = openFiles()
  for (let i = 0; i < 5; i++) {
    await expectRefusal(
      openSnapshot(import.meta.filename),
      'format',
      /refused-streams\.test\.ts: 0x0: stream magic: found /,
    )
  }
  expect(openFiles()).toBeLessThan(before + 5)
})
