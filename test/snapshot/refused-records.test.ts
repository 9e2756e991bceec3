/**
 * Every check of the reader has its test here: one field of a small valid file is made wrong, and the whole message must
 * name the file, the offset, what was found and what was expected.
 */
import { beforeAll, describe, expect, test } from 'vitest'
import { bitmapOf, encode, expectRefusal, read, SMALL, smallContent } from './support.ts'

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

test('the file that the others are made from is valid, and its fields are where the tests change them', async () => {
  const { blocks, deviceState } = await read(valid)
  expect(blocks.map(({ bitmapOffset, pagesOffset }) => [bitmapOffset, pagesOffset])).toEqual([
    [SMALL.ramBitmap, SMALL.ramPages],
    [SMALL.romBitmap, SMALL.romPages],
  ])
  expect(deviceState).toEqual({ offset: SMALL.eof, length: 0 })
  expect(valid.toString('latin1', SMALL.machine, SMALL.machine + 2)).toBe('pc')
  expect(valid.readUInt32BE(SMALL.capabilityCount)).toBe(1)
  expect(valid.toString('latin1', SMALL.capability, SMALL.capability + 10)).toBe('mapped-ram')
  expect(valid.readBigUInt64BE(SMALL.ramPagesOffset)).toBe(BigInt(SMALL.ramPages))
})

describe('the start of the stream', () => {
  test('a file that has no magic anywhere', async () => {
    const bytes = Buffer.alloc(3000, 'not a snapshot, ')
    const message =
      'FILE: 0x0: stream magic: found 6e 6f 74 20, expected 51 45 56 4d (QEVM) there or in the first MiB, or a format in front, as in raw:FILE'
    await expectRefusal(read(bytes), 'format', message)
  })

  test('another stream version', async () => {
    const message = 'FILE: 0x4: stream version: found 2, expected 3'
    await expectRefusal(read(u32(SMALL.version, 2)), 'unsupported', message)
  })

  test('no configuration', async () => {
    const message = 'FILE: 0x8: configuration section: found type 1, expected type 7'
    await expectRefusal(read(u8(SMALL.configuration, 1)), 'unsupported', message)
  })

  test('a machine type whose length is out of bounds', async () => {
    const message = 'FILE: 0x9: machine type length: found 4294967295, expected 1..255'
    await expectRefusal(read(u32(SMALL.machineLength, 0xffffffff)), 'format', message)
  })

  test('a machine type with a control character', async () => {
    const message = 'FILE: 0xe: machine type: found byte 1b, expected printable ASCII'
    await expectRefusal(read(u8(SMALL.machine + 1, 0x1b)), 'format', message)
  })

  test('an unknown subsection', async () => {
    const message =
      /^FILE: 0xf: subsection: found configuration\/zapabilities, expected configuration\/target-page-bits, /
    await expectRefusal(read(u8(SMALL.subsectionName + 14, 0x7a)), 'unsupported', message)
  })

  test('another version of a subsection', async () => {
    const message = 'FILE: 0x2b: version of configuration/capabilities: found 2, expected 1'
    await expectRefusal(read(u32(SMALL.subsectionVersion, 2)), 'unsupported', message)
  })

  test('the same subsection twice', async () => {
    const twice = Buffer.concat([
      valid.subarray(0, SMALL.sectionStart),
      valid.subarray(SMALL.subsection, SMALL.sectionStart),
      valid.subarray(SMALL.sectionStart),
    ])
    const message = 'FILE: 0x3e: subsection: found a second configuration/capabilities, expected each once'
    await expectRefusal(read(twice), 'format', message)
  })

  test('more capabilities than there can be', async () => {
    const message = 'FILE: 0x2f: number of capabilities: found 65, expected at most 64'
    await expectRefusal(read(u32(SMALL.capabilityCount, 65)), 'format', message)
  })

  test('an ordinary migration stream', async () => {
    const bytes = mutated(b => void b.write('zapped-ram', SMALL.capability, 'latin1'))
    const message =
      /^FILE: 0x8: capabilities: found zapped-ram, expected mapped-ram: this is an ordinary migration stream/
    await expectRefusal(read(bytes), 'unsupported', message)
  })

  test('target page bits of which there is no such page', async () => {
    const content = smallContent({ blocks: [{ name: 'ram', pageSize: 8192, pageCount: 1, bitmap: bitmapOf(1, []) }] })
    const bytes = await encode(content)
    const at = 15 + 1 + 1 + 'configuration/target-page-bits'.length + 4
    bytes.writeUInt32BE(31, at)
    await expectRefusal(read(bytes), 'format', 'FILE: 0x33: target page bits: found 31, expected 9..30')
  })
})

describe('the start of the RAM section', () => {
  test('another section before it', async () => {
    const bytes = mutated(b => void b.write('rom', SMALL.sectionName, 'latin1'))
    const message =
      'FILE: 0x3e: first section: found rom, expected ram: a section before it has no length and cannot be stepped over'
    await expectRefusal(read(bytes), 'unsupported', message)
  })

  test('a device section before it', async () => {
    const message = /^FILE: 0x3e: first section: found ram, expected ram: a section before it/
    await expectRefusal(read(u8(SMALL.sectionStart, 4)), 'unsupported', message)
  })

  test('no section at all', async () => {
    const message = 'FILE: 0x3e: section type: found 0, expected 1, the start of the RAM section'
    await expectRefusal(read(u8(SMALL.sectionStart, 0)), 'format', message)
  })

  test('another instance', async () => {
    const message = 'FILE: 0x47: RAM section instance: found 1, expected 0'
    await expectRefusal(read(u32(SMALL.sectionInstance, 1)), 'unsupported', message)
  })

  test('another version', async () => {
    const message = 'FILE: 0x4b: RAM section version: found 3, expected 4'
    await expectRefusal(read(u32(SMALL.sectionVersion, 3)), 'unsupported', message)
  })

  test('a flag that is illegal where the total stands', async () => {
    const message = 'FILE: 0x4f: RAM flags: found PAGE, expected 0x4 (MEM_SIZE)'
    await expectRefusal(read(u64(SMALL.total, 0x7008)), 'format', message)
  })

  test('a total that a double cannot hold', async () => {
    const message = 'FILE: 0x4f: total RAM and flags: found 0xfffffffffffff004, expected less than 2^53'
    await expectRefusal(read(u64(SMALL.total, 0xfffffffffffff004n)), 'format', message)
  })

  test('a total that the blocks do not reach', async () => {
    // Behind the last block the EOS is taken for a record: its name has no length.
    const message = 'FILE: 0x202000: RAM block name length: found 0, expected 1..255'
    await expectRefusal(read(u64(SMALL.total, 0x8004)), 'format', message)
  })

  test('a total that a block exceeds', async () => {
    const message =
      'FILE: 0x105004: length of RAM block rom: found 8192, expected at most 4096, what is left of the total'
    await expectRefusal(read(u64(SMALL.total, 0x6004)), 'format', message)
  })
})

describe('the record of a block', () => {
  test('no name', async () => {
    const message = 'FILE: 0x57: RAM block name length: found 0, expected 1..255'
    await expectRefusal(read(u8(SMALL.ramRecord, 0)), 'format', message)
  })

  test('a name that is not printable', async () => {
    const message = 'FILE: 0x59: RAM block name: found byte 00, expected printable ASCII'
    await expectRefusal(read(u8(SMALL.ramName + 1, 0)), 'format', message)
  })

  test('a name that another block has', async () => {
    const bytes = mutated(b => void b.write('ram', SMALL.romName, 'latin1'))
    const message = 'FILE: 0x105000: RAM block name: found ram twice, expected each name once'
    await expectRefusal(read(bytes), 'format', message)
  })

  test('a length that is no multiple of the page size', async () => {
    const message = 'FILE: 0x5b: length of RAM block ram: found 20481, expected a multiple of the page size, 4096'
    await expectRefusal(read(u64(SMALL.ramLength, 0x5001)), 'format', message)
  })

  test('a length that a double cannot hold', async () => {
    const message = 'FILE: 0x5b: length of RAM block ram: found 0x8000000000000000, expected less than 2^53'
    await expectRefusal(read(u64(SMALL.ramLength, 1n << 63n)), 'format', message)
  })

  test('another version of the header', async () => {
    const message = 'FILE: 0x63: mapped-ram header version of ram: found 2, expected 1'
    await expectRefusal(read(u32(SMALL.ramHeaderVersion, 2)), 'unsupported', message)
  })

  test.each([0, 256, 4097, 6144, 2 ** 31])('a page size of %i', async size => {
    const message = `FILE: 0x67: page size of ram: found ${size}, expected a power of two from 512 to 1 GiB`
    await expectRefusal(read(u64(SMALL.ramPageSize, size)), 'format', message)
  })

  test('two page sizes in one file', async () => {
    const message = "FILE: 0x105010: page size of rom: found 512, expected 4096, the target's"
    await expectRefusal(read(u64(SMALL.romPageSize, 512)), 'format', message)
  })

  test('more target pages than an index can hold, before anything is allocated for them', async () => {
    const bytes = u64(SMALL.ramLength, 2 ** 41)
    bytes.writeBigUInt64BE(BigInt(2 ** 42 + 4), SMALL.total)
    bytes.writeBigUInt64BE(512n, SMALL.ramPageSize)
    const message =
      'FILE: 0x5b: length of RAM block ram: found 4294967296 pages, expected at most 4294967295 in all blocks'
    await expectRefusal(read(bytes), 'limit', message)
  })

  test('a bitmap outside the file', async () => {
    const end = `0x${valid.length.toString(16)}`
    const message = `FILE: 0x6f: bitmap of ram: found [0x7fffffff, 0x80000007), expected inside the file, which ends at ${end}`
    await expectRefusal(read(u64(SMALL.ramBitmapOffset, 0x7fffffff)), 'format', message)
  })

  test('pages outside the file', async () => {
    const end = `0x${valid.length.toString(16)}`
    const message = `FILE: 0x77: pages of ram: found [0x200000, 0x205000), expected inside the file, which ends at ${end}`
    await expectRefusal(read(u64(SMALL.ramPagesOffset, 0x200000)), 'format', message)
  })

  test('pages that are not aligned to their size', async () => {
    const message = 'FILE: 0x77: pages offset of ram: found 0x100001, expected a multiple of the page size, 4096'
    await expectRefusal(read(u64(SMALL.ramPagesOffset, 0x100001)), 'format', message)
  })

  test('more blocks than the limit', async () => {
    // Records of ignored blocks follow one another, and blocks of no bytes do not come off the total.
    const content = smallContent({
      capabilities: ['x-ignore-shared', 'mapped-ram'],
      blocks: Array.from({ length: 4096 }, (_, i) => ({
        ...{ name: `${i}`.padStart(4, '0'), pageSize: 4096, pageCount: 1, bitmap: bitmapOf(1, []), ignored: true },
      })),
    })
    const bytes = await encode(content)
    expect((await read(bytes)).blocks.length).toBe(4096)
    const total = bytes.indexOf(Buffer.from('0000000001000004', 'hex'))
    bytes.writeBigUInt64BE(0x1001004n, total)
    await expectRefusal(read(bytes), 'limit', /: RAM blocks: found more than 4096, expected at most 4096$/)
  })

  test('a fixed-ram bitmap of another size than the pages need', async () => {
    const bytes = await encode(smallContent({ format: 'fixed-ram' }))
    const at = bytes.indexOf('ram', SMALL.sectionName + 3) + 3 + 8
    expect(bytes.readUInt32BE(at)).toBe(8)
    bytes.writeUInt32BE(16, at)
    const message = `FILE: 0x${at.toString(16)}: bitmap size of ram (pages of 4096 bytes): found 16, expected 8`
    await expectRefusal(read(bytes), 'format', message)
  })
})
