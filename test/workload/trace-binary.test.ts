import { crc32 } from 'node:zlib'
import { test as property } from '@fast-check/vitest'
import { Packr } from 'msgpackr'
import { describe, expect, test } from 'vitest'
import { memoryOfSize } from '../../src/workload/memory.ts'
import { createWorkload } from '../../src/workload/registry.ts'
import { CHUNK_ACCESSES, decodeBinaryTrace, encodeBinaryTrace } from '../../src/workload/trace-binary.ts'
import { headerOf } from '../../src/workload/trace-header.ts'
import { anyWorkload, collect, MemorySource, refusal } from './support.ts'

const packr = new Packr({ useRecords: false, moreTypes: true })
const small = createWorkload('working-set:pages=30,reuse=1,vcpus=3', memoryOfSize(100, 4096), 1)
const validHeader = {
  ...headerOf(small),
  accessesPerVcpu: [20, 20, 20],
}
const validChunk = [small.page, small.thinkNs, small.flags]

/** A file of any header and chunks, with right lengths and CRCs. */
function build(header: unknown, chunks: readonly unknown[], { version = 1 } = {}): Buffer {
  const raw = (value: unknown) => (value instanceof Buffer ? value : Buffer.from(packr.pack(value)))
  const bytes = raw(header)
  const head = Buffer.alloc(16)
  head.write('894c52540d0a1a0a', 'hex')
  head.writeUInt32LE(version, 8)
  head.writeUInt32LE(bytes.length, 12)
  const parts = [head, bytes]
  let crc = crc32(Buffer.concat(parts))
  parts.push(uint32(crc))
  for (const chunk of chunks) {
    const payload = raw(chunk)
    crc = crc32(payload, crc)
    parts.push(uint32(payload.length), uint32(crc), payload)
  }
  return Buffer.concat(parts)
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function decode(bytes: Uint8Array) {
  return decodeBinaryTrace(new MemorySource(bytes, 'a.lrtrace'))
}

describe('a binary trace', () => {
  property.prop([anyWorkload])('comes back as it was written', async workload => {
    expect(await decode(collect(encodeBinaryTrace(workload)))).toEqual(workload)
  })

  test('comes back over several chunks, read one chunk at a time', async () => {
    const workload = createWorkload('uniform:accesses=200_000,vcpus=2', memoryOfSize(2 ** 32, 4096), 1)
    const source = new MemorySource(collect(encodeBinaryTrace(workload)))
    expect(await decodeBinaryTrace(source)).toEqual(workload)
    expect(source.longestRead).toBeLessThan(CHUNK_ACCESSES * 9 + 33)
  })

  test('has the layout that the documentation gives', () => {
    expect(collect(encodeBinaryTrace(small))).toEqual(build(validHeader, [validChunk]))
  })

  test('takes 9 bytes an access, and little more', () => {
    const workload = createWorkload('uniform:accesses=200_000', memoryOfSize(1000, 4096), 1)
    expect(collect(encodeBinaryTrace(workload)).length).toBeLessThan(9 * 200_000 + 500)
  })

  test('is refused at every length that is short of the whole', async () => {
    const bytes = collect(encodeBinaryTrace(small))
    for (let length = 0; length < bytes.length; length++) {
      const message = await refusal(() => decode(bytes.subarray(0, length)))
      expect(message).toMatch(/^format: a\.lrtrace: 0x[0-9a-f]+: found \d+ bytes (more|behind the header), expected /)
    }
  })

  test('is refused when chunks are swapped or one is left out, though each is whole in itself', async () => {
    const workload = createWorkload('uniform:accesses=196_608', memoryOfSize(1000, 4096), 1)
    const pieces: Buffer[] = []
    for (const piece of encodeBinaryTrace(workload)) pieces.push(Buffer.from(piece))
    const [head, p0, c0, p1, c1, p2, c2] = pieces
    const swapped = Buffer.concat([head, p0, c0, p2, c2, p1, c1])
    expect(await refusal(() => decode(swapped))).toMatch(/found contents of CRC [0-9a-f]{8} up to here, expected/)
    const doubled = Buffer.concat([head, p0, c0, p0, c0, p2, c2])
    expect(await refusal(() => decode(doubled))).toMatch(/the file is damaged/)
    const left = await refusal(() => decode(Buffer.concat([head, p0, c0, p2, c2])))
    expect(left).toMatch(/bytes behind the header, expected at least 1769\d{3} for 196608 accesses/)
  })
})

describe('a binary trace is refused, the place and both values named, for', () => {
  const at = `${'a.lrtrace: 0x10: header'}`
  const fieldTests: [string, unknown, string][] = [
    ['name', 7, 'field name: found 7, expected text of at most 4096 characters'],
    ['seed', -1, 'field seed: found -1, expected null or a whole number from 0 to 2^53 - 1'],
    ['snapshotIdentity', true, 'field snapshotIdentity: found true, expected null or text of at most 256 characters'],
    ['pageCount', 0, 'field pageCount: found 0, expected a whole number from 1 to 4294967296'],
    ['pageSize', 4095, 'field pageSize: found 4095, expected a power of two from 512 to 2^30'],
    ['vcpus', 1025, 'field vcpus: found 1025, expected a whole number from 1 to 1024'],
    ['vcpus', 2, 'field accessesPerVcpu: found a list of 3, expected a list of 2'],
    ['accesses', 2 ** 31, 'field accesses: found 2147483648, expected a whole number from 0 to 2147483647'],
    ['accesses', 1.5, 'field accesses: found 1.5, expected a whole number from 0 to 2147483647'],
    ['accesses', undefined, 'field accesses: found undefined, expected a whole number from 0 to 2147483647'],
    ['accessesPerVcpu', 'x', 'field accessesPerVcpu: found "x", expected a list of 3'],
    [
      'accessesPerVcpu',
      [20, 20, 61],
      'field accessesPerVcpu: found 61 for vCPU 2, expected a whole number from 0 to 60',
    ],
    ['accessesPerVcpu', [20, 20, 21], 'field accessesPerVcpu: found 61 in sum, expected 60'],
    [
      'colour',
      1,
      'found field "colour", expected only name, seed, snapshotIdentity, pageCount, pageSize, vcpus, accesses',
    ],
  ]
  test.each(fieldTests)('header field %s = %s', async (key, value, message) => {
    const bytes = build({ ...validHeader, [key]: value }, [validChunk])
    expect(await refusal(() => decode(bytes))).toBe(`format: ${at}: ${message}`)
  })

  test('a field left out', async () => {
    const { pageSize: _, ...header } = validHeader
    expect(await refusal(() => decode(build(header, [validChunk])))).toBe(
      `format: ${at}: found no field pageSize, expected a power of two from 512 to 2^30`,
    )
  })

  test('a header that is no object, no MessagePack, or nested without end', async () => {
    expect(await refusal(() => decode(build([1], [])))).toBe(`format: ${at}: found a list of 1, expected an object`)
    const broken = `format: ${at}: found no valid MessagePack, expected one value`
    expect(await refusal(() => decode(build(Buffer.from([0xc1, 0xc1]), [])))).toBe(broken)
    expect(await refusal(() => decode(build(Buffer.alloc(60_000, 0x91), [])))).toBe(broken)
    expect(await refusal(() => decode(build(Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff]), [])))).toBe(broken)
    expect(await refusal(() => decode(build(Buffer.alloc(0), [])))).toBe(broken)
  })

  test('another magic and another version', async () => {
    const bytes = build(validHeader, [validChunk])
    bytes[4] = 0x0a
    expect(await refusal(() => decode(bytes))).toBe(
      'format: a.lrtrace: 0x0: found 894c52540a0a1a0a, expected the magic 894c52540d0a1a0a',
    )
    for (const [letters, what] of [
      ['WS', 'working-set file'],
      ['ZP', 'zero cache'],
    ]) {
      bytes.write(`L${letters}\r\n`, 1, 'latin1')
      expect(await refusal(() => decode(bytes))).toBe(`format: a.lrtrace: 0x0: found a ${what}, expected a trace`)
    }
    expect(await refusal(() => decode(build(validHeader, [validChunk], { version: 2 })))).toBe(
      'unsupported: a.lrtrace: 0x8: found trace version 2, expected 1',
    )
  })

  test('a header longer than the limit, before it is read', async () => {
    const bytes = Buffer.alloc(100_000)
    build(validHeader, []).copy(bytes)
    bytes.writeUInt32LE(65_537, 12)
    const source = new MemorySource(bytes, 'a.lrtrace')
    expect(await refusal(() => decodeBinaryTrace(source))).toBe(
      'format: a.lrtrace: 0xc: found a header of 65537 bytes, expected at most 65536',
    )
    expect(source.longestRead).toBe(16)
  })

  test('more accesses than the file can hold, before memory is taken for them', async () => {
    const header = { ...validHeader, vcpus: 1, accesses: 2 ** 31 - 1, accessesPerVcpu: [2 ** 31 - 1] }
    const before = process.memoryUsage().arrayBuffers
    expect(await refusal(() => decode(build(header, [validChunk])))).toMatch(
      /^format: a\.lrtrace: 0x[0-9a-f]+: found 561 bytes behind the header, expected at least 1932794\d+ for 2147483647 accesses$/,
    )
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 24)
  })

  test('a chunk of a length that no chunk has', async () => {
    const bytes = build(validHeader, [validChunk])
    const prefix = build(validHeader, []).length
    bytes.writeUInt32LE(9 * 60 + 33, prefix)
    expect(await refusal(() => decode(bytes))).toBe(
      `format: a.lrtrace: 0x${prefix.toString(16)}: found a chunk of 573 bytes, expected at most 572`,
    )
  })

  const chunkTests: [string, unknown, string][] = [
    ['that is no list', { page: 1, padding: 'x'.repeat(600 - 70) }, 'found an object, expected a list of 3 columns'],
    ['of two columns', [small.page, Buffer.alloc(310)], 'found a list of 2, expected a list of 3 columns'],
    [
      'of other types',
      [new Int32Array(60), small.thinkNs, small.flags],
      'found other columns, expected Uint32Array, Uint32Array, Uint8Array',
    ],
    [
      'of unequal columns',
      [small.page, small.thinkNs, new Uint8Array(61)],
      'found 61 entries in column 2, expected 60',
    ],
    ['that is no MessagePack', Buffer.alloc(560, 0xc1), 'found no valid MessagePack, expected one value'],
  ]
  test.each(chunkTests)('a chunk %s', async (_, chunk, message) => {
    const offset = build(validHeader, []).length + 8
    expect(await refusal(() => decode(build(validHeader, [chunk])))).toBe(
      `format: a.lrtrace: 0x${offset.toString(16)}: chunk: ${message}`,
    )
  })

  test('bytes behind the last chunk', async () => {
    const bytes = build(validHeader, [validChunk])
    expect(await refusal(() => decode(Buffer.concat([bytes, Buffer.alloc(3)])))).toBe(
      `format: a.lrtrace: 0x${bytes.length.toString(16)}: found 3 bytes behind the last chunk, expected the end of the file`,
    )
  })

  test('a page past the memory, and flags that do not exist', async () => {
    const page = small.page.slice()
    page[41] = 100
    expect(await refusal(() => decode(build(validHeader, [[page, small.thinkNs, small.flags]])))).toBe(
      'format: a.lrtrace: access 41: found page 100, expected 0..99',
    )
    const flags = small.flags.slice()
    flags[5] = 4
    expect(await refusal(() => decode(build(validHeader, [[small.page, small.thinkNs, flags]])))).toBe(
      'format: a.lrtrace: access 5: found flags 4, expected 0..3',
    )
  })
})
