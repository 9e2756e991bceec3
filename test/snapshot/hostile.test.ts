/** Files that were cut or damaged anywhere: refused, or read as what they still are; never a crash, never unbounded work. */
import { fc, test as property } from '@fast-check/vitest'
import { beforeAll, describe, expect, test } from 'vitest'
import { LazyRestoreError } from '../../src/core/error.ts'
import { memorySource } from '../../src/snapshot/byte-source.ts'
import { readSnapshot } from '../../src/snapshot/qemu-snapshot.ts'
import { findStreamEnd } from '../../src/snapshot/stream-end.ts'
import { encode, expectRefusal, fixtureBytes, read, SMALL, smallContent, watchedSource } from './support.ts'

describe('a real file, cut short', () => {
  let bytes: Buffer
  let ramEnd: number
  let eof: number
  beforeAll(async () => {
    bytes = await fixtureBytes('pc-16m')
    const { deviceState } = await read(bytes)
    ramEnd = deviceState!.offset
    eof = ramEnd + deviceState!.length
  })

  property.prop([fc.oneof(fc.nat(23_185_494), fc.integer({ min: -1000, max: -1 }), fc.nat(400))], { numRuns: 300 })(
    'anywhere is refused, except right behind the EOF byte',
    async at => {
      const length = at < 0 ? bytes.length + at : at
      fc.pre(length !== eof + 1)
      const error = await read(bytes.subarray(0, length)).then(
        () => null,
        reason => reason,
      )
      expect(error).toBeInstanceOf(LazyRestoreError)
      expect(error.message).toMatch(/^FILE: 0x[0-9a-f]+: .*: found .*, expected /)
    },
  )

  test('at any byte of its device state and at any byte of the description is refused', async () => {
    const accepted: number[] = []
    for (let length = ramEnd + 1; length < bytes.length; length++) {
      // The description's text is one alike place after the other: its first and last KiB stand for all of it.
      if (length > eof + 1024 && length < bytes.length - 1024) continue
      const end = await findStreamEnd(memorySource(bytes.subarray(0, length), 'FILE'), ramEnd).catch(() => null)
      if (end !== null) accepted.push(length)
    }
    expect(accepted).toEqual([eof + 1])
  })

  test('behind RAM, with the EOF byte next, reads as a VM without device state', async () => {
    const cut = Buffer.concat([bytes.subarray(0, ramEnd), Buffer.of(0)])
    expect((await read(cut)).deviceState).toEqual({ offset: ramEnd, length: 0 })
  })
})

describe('a damaged file', () => {
  const places = Object.values(SMALL)
  /** Near a field more often than anywhere. */
  const position = fc.oneof(
    { weight: 8, arbitrary: fc.tuple(fc.constantFrom(...places), fc.nat(12)).map(([at, more]) => at + more) },
    { weight: 1, arbitrary: fc.nat(SMALL.eof) },
  )
  const value = fc.oneof(fc.constantFrom(0, 1, 0x04, 0x10, 0x7f, 0x80, 0xff), fc.nat(255))
  const damage = fc.array(fc.tuple(position, value), { minLength: 1, maxLength: 4 })

  test.each([
    ['mapped-ram', ['mapped-ram']],
    ['mapped-ram', ['x-ignore-shared', 'mapped-ram']],
    ['fixed-ram', ['fixed-ram']],
  ] as const)(
    '(%s, %j) is read or refused, and no more of it is read than it has, in 2,500 cases',
    async (format, capabilities) => {
      const valid = await encode(smallContent({ format, capabilities }))
      let refused = 0
      await fc.assert(
        fc.asyncProperty(damage, async changes => {
          const before = changes.map(([at]) => [at, valid[at]] as const)
          for (const [at, byte] of changes) valid[at] = byte
          const source = watchedSource(memorySource(valid, 'FILE'))
          try {
            const { blocks } = await readSnapshot(source)
            for (const { pageCount, bitmap } of blocks) expect(bitmap.length).toBe(Math.ceil(pageCount / 32))
          } catch (error) {
            expect(error).toBeInstanceOf(LazyRestoreError)
            refused++
          } finally {
            for (const [at, byte] of before.reverse()) valid[at] = byte
          }
          expect(source.bytesRead()).toBeLessThanOrEqual(valid.length)
        }),
        { numRuns: 2500 },
      )
      expect(refused).toBeGreaterThan(1000)
      expect((await read(valid)).blocks.length).toBe(2)
    },
  )
})

test('bytes that are no snapshot at all are refused', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 0, maxLength: 400 }), fc.boolean(), async (noise, magic) => {
      const bytes = magic ? Buffer.concat([Buffer.from('QEVM\0\0\0\x03\x07\0\0\0\x02pc', 'latin1'), noise]) : noise
      const error = await read(bytes).catch(reason => reason)
      expect(error).toBeInstanceOf(LazyRestoreError)
    }),
    { numRuns: 500 },
  )
})

test('an ignored block may claim 2 TiB of shared memory: its bitmap is never touched', async () => {
  const content = smallContent({ capabilities: ['x-ignore-shared', 'mapped-ram'] })
  const bytes = await encode({ ...content, blocks: content.blocks.map((block, i) => ({ ...block, ignored: i === 0 })) })
  bytes.writeBigUInt64BE(BigInt(2 ** 41), bytes.indexOf(Buffer.from('0000000000005000', 'hex')))
  bytes.writeBigUInt64BE(BigInt(2 ** 41 + 8192 + 4), bytes.indexOf(Buffer.from('0000000000007004', 'hex')))
  const before = process.memoryUsage().rss
  const { blocks } = await read(bytes)
  expect(blocks[0]).toMatchObject({ usedLength: 2 ** 41, setBits: 0, ignored: true })
  expect(process.memoryUsage().rss - before).toBeLessThan(32 * 2 ** 20)
})

test('a device state without a NUL byte is searched no further than a description can reach', async () => {
  const bytes = Buffer.alloc(20 * 2 ** 20, 0x41)
  const source = watchedSource(memorySource(bytes, 'FILE'))
  await expectRefusal(findStreamEnd(source, 0), 'format', /^FILE: 0x1400000: end of the stream: found 41 41 41 41, /)
  expect(source.bytesRead()).toBeLessThan(17 * 2 ** 20)
})
