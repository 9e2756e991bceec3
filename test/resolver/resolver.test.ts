/** What the resolver answers, and that carrying it out gives what an eager load gives. */
import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { blockOfHostPage, type Layout } from '../../src/destination/layout.ts'
import { assemble } from '../../src/resolver/assemble.ts'
import {
  createResolution,
  OP_COPY,
  OP_ZERO_COPY,
  OP_ZEROPAGE,
  operationOf,
  type Resolution,
  resolve,
  solePieceOffset,
} from '../../src/resolver/resolver.ts'
import { layoutOfBits } from '../destination/layout-of-bits.ts'
import { GarbageSource } from '../sim/garbage-source.ts'
import { bytesUnder, isZero, naiveBlocks } from '../sim/naive/memory.ts'
import { anyMemory, layoutOf } from '../sim/random-restore.ts'

function runsOf({
  runCount,
  fileOffset,
  bufferOffset,
  length,
}: Resolution): [file: number, buffer: number, length: number][] {
  return Array.from({ length: runCount }, (_, i) => [fileOffset[i], bufferOffset[i], length[i]])
}

/** A run of host pages of one block and one operation, by two numbers. */
function pickRun(layout: Layout, a: number, b: number): { first: number; count: number } {
  const first = a % layout.hostPageCount
  const { endHostPage } = blockOfHostPage(layout, first)
  const block = naiveBlocks(layout)[blockOfHostPage(layout, first).index]
  let end = first + 1
  while (end < endHostPage && isZero(block, end) === isZero(block, first)) end++
  return { first, count: 1 + (b % (end - first)) }
}

describe('the operation for a host page', () => {
  property.prop([anyMemory], { numRuns: 300 })(
    'is COPY for data, ZEROPAGE for zeros, and a zero COPY on hugetlb',
    memory => {
      const layout = layoutOf(memory)
      for (const [i, block] of naiveBlocks(layout).entries()) {
        for (let page = block.firstHostPage; page < block.firstHostPage + block.hostPages; page++) {
          const zeros = block.kind === 'hugetlb' ? OP_ZERO_COPY : OP_ZEROPAGE
          expect(operationOf(layout, page, layout.blocks[i])).toBe(isZero(block, page) ? zeros : OP_COPY)
        }
      }
    },
  )
})

describe('a resolution', () => {
  property.prop([anyMemory, fc.nat(), fc.nat(), fc.constantFrom(1, 4096, 10_000, 65_536, 1 << 30)], { numRuns: 600 })(
    'carried out is what an eager load leaves, by reads of data only, none too long',
    async (memory, a, b, maxReadBytes) => {
      const layout = layoutOf(memory, blocks => new GarbageSource(blocks))
      const source = layout.snapshot.source as GarbageSource
      const { first, count } = pickRun(layout, a, b)
      const resolution = resolve(layout, first, count, maxReadBytes, createResolution(layout, count, maxReadBytes))
      const block = blockOfHostPage(layout, first)
      const { pageSize } = block.block
      const longest = Math.max(pageSize, maxReadBytes)

      expect(resolution.op).toBe(operationOf(layout, first, block))
      expect([resolution.hostPage, resolution.pageCount, resolution.block]).toEqual([first, count, block])
      const naive = naiveBlocks(layout)[block.index]
      const bytes = Array.from({ length: count }, (_, i) => bytesUnder(naive, first + i)).reduce(
        (sum, each) => sum + each,
      )
      expect(resolution.byteLength).toBe(bytes)

      const runs = runsOf(resolution)
      expect(runs.filter(([, , length]) => length > longest || length % pageSize !== 0)).toEqual([])
      const buffer = new Uint8Array(bytes + 10).fill(0xcd)
      const assembled = await assemble(source, resolution, buffer)
      expect(assembled.length).toBe(bytes)
      expect(source.clearPagesRead).toBe(0)
      // No shorter read than needed: where two runs touch, the first is as long as it may be.
      const tooShort = runs.filter(
        ([file, , length], i) => file + length === runs[i + 1]?.[0] && length + pageSize <= longest,
      )
      expect(tooShort).toEqual([])

      const start = (first - block.firstHostPage) * block.hostPageSize
      const eager = source.expected[block.index].subarray(start, start + bytes)
      expect(Buffer.compare(assembled, eager)).toBe(0)
      expect([...buffer.subarray(bytes)]).toEqual(new Array(10).fill(0xcd))
    },
  )

  test('by hand: a mixed page of 32 KiB is read run by run, cut at two pages', () => {
    const layout = layoutOfBits({ bits: '11' }, { bits: '0111 1101 1000 0000', hostPageSize: 32_768 })
    const base = 1_000_000 + 2 * 4096
    const resolution = resolve(layout, 2, 1, 8192, createResolution(layout, 2, 8192))
    expect(resolution.op).toBe(OP_COPY)
    expect(runsOf(resolution)).toEqual([
      [base + 4096, 4096, 8192],
      [base + 3 * 4096, 3 * 4096, 8192],
      [base + 5 * 4096, 5 * 4096, 4096],
      [base + 7 * 4096, 7 * 4096, 4096],
    ])
    resolve(layout, 2, 2, 8192, resolution)
    expect(runsOf(resolution).slice(3)).toEqual([[base + 7 * 4096, 7 * 4096, 8192]])
    expect(resolution.byteLength).toBe(65_536)
  })

  test('of zeros reads nothing, and is ZEROPAGE or, on hugetlb, a zero COPY', () => {
    const zeros = '0'.repeat(512)
    const layout = layoutOfBits({ bits: '0010' }, { bits: zeros, kind: 'hugetlb', hostPageSize: 2 ** 21 })
    const resolution = createResolution(layout, 4, 4096)
    expect(resolve(layout, 0, 2, 4096, resolution)).toMatchObject({ op: OP_ZEROPAGE, byteLength: 8192, runCount: 0 })
    expect(resolve(layout, 4, 1, 4096, resolution)).toMatchObject({
      op: OP_ZERO_COPY,
      byteLength: 2 ** 21,
      runCount: 0,
    })
  })

  property.prop([anyMemory, fc.nat(), fc.nat()], { numRuns: 300 })(
    "of pages as small as the snapshot's is one piece, where it is said to be",
    (memory, a, b) => {
      const layout = layoutOf(memory, blocks => new GarbageSource(blocks))
      const { first, count } = pickRun(layout, a, b)
      const block = blockOfHostPage(layout, first)
      fc.pre(operationOf(layout, first, block) === OP_COPY)
      const offset = solePieceOffset(block, first)
      const resolution = resolve(layout, first, count, 1 << 30, createResolution(layout, count, 1 << 30))
      if (block.pageShift > 0 || block.block.places) expect(offset).toBe(-1)
      else expect(runsOf(resolution)).toEqual([[offset, 0, resolution.byteLength]])
    },
  )

  test('of a tail ends where the block does', () => {
    const layout = layoutOfBits({ bits: '1111 01', hostPageSize: 16_384 }, { bits: '1' })
    const resolution = resolve(layout, 1, 1, 4096, createResolution(layout, 1, 4096))
    expect(resolution.byteLength).toBe(8192)
    expect(runsOf(resolution)).toEqual([[1_000_000 + 5 * 4096, 4096, 4096]])
  })

  test.each([
    [0, 0, 'block block0: found host pages [0, 0), expected a run inside [0, 4)'],
    [2, 3, 'block block0: found host pages [2, 5), expected a run inside [0, 4)'],
    [6, 1, 'host page: found 6, expected 0..5'],
    [0, 3, 'host page 2: found another operation than at host page 0'],
    [2, 2, 'host page 3: found another operation than at host page 2'],
  ])('of host pages [%i, +%i) is refused', (first, count, message) => {
    const layout = layoutOfBits({ bits: '1101' }, { bits: '11' })
    expect(() => resolve(layout, first, count, 4096, createResolution(layout, 6, 4096))).toThrow(message)
  })

  test('without room for all of its reads is refused, rather than left without some', () => {
    const layout = layoutOfBits({ bits: '10101010'.repeat(4), hostPageSize: 32_768 })
    const small = createResolution(layout, 1, 4096)
    expect(() => resolve(layout, 0, 4, 4096, small)).toThrow(
      `host pages [0, 4): found more than ${small.length.length} runs to read, expected a resolution with room for all`,
    )
  })
})

describe('assemble', () => {
  test('passes on the error of a source that ends early', async () => {
    const layout = layoutOfBits({ bits: '1' })
    const resolution = resolve(layout, 0, 1, 4096, createResolution(layout, 1, 4096))
    await expect(assemble(layout.snapshot.source, resolution, new Uint8Array(4096))).rejects.toMatchObject({
      code: 'io',
    })
  })
})
