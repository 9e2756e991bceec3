/** The destination's memory against loops over target pages. */
import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { parseHostPages } from '../../src/destination/host-pages.ts'
import {
  blockOfHostPage,
  createLayout,
  dataBytes,
  dataRunCount,
  hostPagesOf,
  type Layout,
  PAGE_DATA,
  PAGE_MIXED,
  PAGE_ZERO,
  pageContent,
  runBytes,
} from '../../src/destination/layout.ts'
import { bytesUnder, hostPageCount, isZero, naiveBlocks, targetPagesUnder } from '../sim/naive/memory.ts'
import { anyMemory, layoutOf } from '../sim/random-restore.ts'
import { layoutOfBits, snapshotOfBits } from './layout-of-bits.ts'

const pagesOf = (layout: Layout) => Array.from({ length: layout.hostPageCount }, (_, page) => page)

describe('a layout', () => {
  property.prop([anyMemory], { numRuns: 300 })('numbers host and target pages on from block to block', memory => {
    const layout = layoutOf(memory)
    const blocks = naiveBlocks(layout)
    expect(layout.hostPageCount).toBe(hostPageCount(blocks))
    expect(layout.targetPageCount).toBe(blocks.reduce((sum, { hasData }) => sum + hasData.length, 0))
    expect(layout.byteLength).toBe(blocks.reduce((sum, { hasData, pageSize }) => sum + hasData.length * pageSize, 0))
    for (const [i, { firstHostPage, endHostPage, firstTargetPage, index }] of layout.blocks.entries()) {
      expect(index).toBe(i)
      expect(firstHostPage).toBe(blocks[i].firstHostPage)
      expect(endHostPage).toBe(blocks[i].firstHostPage + blocks[i].hostPages)
      expect(firstTargetPage).toBe(blocks[i].firstTargetPage)
      expect(blockOfHostPage(layout, firstHostPage).index).toBe(i)
      expect(blockOfHostPage(layout, endHostPage - 1).index).toBe(i)
    }
  })

  property.prop([anyMemory], { numRuns: 300 })('knows what each host page holds', memory => {
    const layout = layoutOf(memory)
    const expected = naiveBlocks(layout).flatMap(block =>
      Array.from({ length: block.hostPages }, (_, i) => {
        const bits = targetPagesUnder(block, block.firstHostPage + i).map(page => block.hasData[page])
        if (!bits.includes(true)) return PAGE_ZERO
        return bits.includes(false) ? PAGE_MIXED : PAGE_DATA
      }),
    )
    expect(pagesOf(layout).map(page => pageContent(layout, page))).toEqual(expected)
  })

  property.prop([anyMemory, fc.array(fc.nat(), { maxLength: 50 })], { numRuns: 300 })(
    'finds the host page over every target page',
    (memory, picks) => {
      const layout = layoutOf(memory)
      const targetPages = Uint32Array.from(picks, pick => pick % layout.targetPageCount)
      const expected = [...targetPages].map(page => {
        const block = naiveBlocks(layout).findLast(({ firstTargetPage }) => firstTargetPage <= page)!
        const offset = (page - block.firstTargetPage) * block.pageSize
        return block.firstHostPage + Math.floor(offset / block.hostPageSize)
      })
      expect([...hostPagesOf(layout, targetPages)]).toEqual(expected)
    },
  )

  property.prop([anyMemory, fc.nat(), fc.nat()], { numRuns: 300 })(
    'counts the bytes of a run, of all data, and the runs of data, tails included',
    (memory, a, b) => {
      const layout = layoutOf(memory)
      const blocks = naiveBlocks(layout)
      let bytes = 0
      let runs = 0
      for (const block of blocks) {
        const zero = Array.from({ length: block.hostPages }, (_, i) => isZero(block, block.firstHostPage + i))
        runs += zero.filter((isZero, i) => !isZero && (i === 0 || zero[i - 1])).length
        zero.forEach((isZero, i) => {
          if (!isZero) bytes += bytesUnder(block, block.firstHostPage + i)
        })
      }
      expect(dataBytes(layout)).toBe(bytes)
      expect(dataRunCount(layout)).toBe(runs)

      const i = a % blocks.length
      const first = b % blocks[i].hostPages
      const count = 1 + (a % (blocks[i].hostPages - first))
      const expected = Array.from({ length: count }, (_, k) =>
        bytesUnder(blocks[i], blocks[i].firstHostPage + first + k),
      )
      expect(runBytes(layout.blocks[i], blocks[i].firstHostPage + first, count)).toBe(
        expected.reduce((sum, each) => sum + each),
      )
    },
  )

  test('by hand: two blocks, the second of 16 KiB pages with a tail', () => {
    const layout = layoutOfBits({ bits: '101' }, { bits: '1111 0000 0100 01', hostPageSize: 16_384 })
    expect(layout.hostPageCount).toBe(7)
    expect(pagesOf(layout).map(page => pageContent(layout, page))).toEqual([1, 0, 1, 1, 0, 2, 2])
    expect([...hostPagesOf(layout, Uint32Array.of(0, 2, 3, 6, 7, 16))]).toEqual([0, 2, 3, 3, 4, 6])
    expect(dataBytes(layout)).toBe((2 + 4 + 4 + 2) * 4096)
    expect(dataRunCount(layout)).toBe(4)
    expect(runBytes(layout.blocks[1], 5, 2)).toBe((4 + 2) * 4096)
  })

  test('gives the target pages themselves back where host pages are target pages', () => {
    const pages = Uint32Array.of(4, 1)
    expect(hostPagesOf(layoutOfBits({ bits: '101' }, { bits: '11' }), pages)).toBe(pages)
  })

  test('refuses a host page behind the last', () => {
    expect(() => blockOfHostPage(layoutOfBits({ bits: '101' }), 3)).toThrow('host page: found 3, expected 0..2')
  })

  test('leaves out blocks whose memory is not in the file', () => {
    const layout = layoutOfBits({ bits: '111', ignored: true }, { bits: '01' })
    expect(layout.blocks.map(({ block }) => block.name)).toEqual(['block1'])
    expect([layout.hostPageCount, layout.targetPageCount, layout.byteLength]).toEqual([2, 2, 8192])
    expect(layout.blocks[0].firstHostPage).toBe(0)
  })

  test('refuses a snapshot of which nothing is to be restored', () => {
    const snapshot = snapshotOfBits([{ bits: '111', ignored: true }])
    expect(() => createLayout(snapshot, parseHostPages('4K'))).toThrow(
      'bits: found no RAM block to restore, expected at least one',
    )
  })
})

describe('the description of a layout', () => {
  const describeAs = (hostPages: string, ...pages: number[]) =>
    createLayout(
      snapshotOfBits(pages.map((count, i) => ({ name: `m${i}`, bits: '1'.repeat(count) }))),
      parseHostPages(hostPages),
    ).description

  test('is one memory where all blocks are alike', () => {
    expect(describeAs('4K', 1, 2, 3)).toBe('anon 4 KiB')
    expect(describeAs('64K:shmem', 1, 2)).toBe('shmem 64 KiB')
  })

  test('begins with the memory of most bytes, and calls the rest others', () => {
    expect(describeAs('2M', 64, 512)).toBe('m1: hugetlb 2 MiB, others: anon 4 KiB')
    expect(describeAs('m0=64K,m1=64K:shmem', 300, 100, 50)).toBe(
      'm0: anon 64 KiB, m1: shmem 64 KiB, others: anon 4 KiB',
    )
    expect(describeAs('m4=2M:anon', 9, 9, 9, 9, 5)).toBe('4 blocks of 144 KiB: anon 4 KiB, others: anon 2 MiB')
  })
})
