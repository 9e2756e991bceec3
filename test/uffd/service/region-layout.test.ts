/** Regions over the blocks of a snapshot: every byte of memory is the byte of the file that its offset says. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { testBit } from '../../../src/core/bitmap.ts'
import {
  draftPlaces,
  packPlaces,
  placeOffset,
  placePages,
  placesOfBlock,
  rankOf,
} from '../../../src/snapshot/page-places.ts'
import type { RamBlock } from '../../../src/snapshot/snapshot.ts'
import { AddressMap } from '../../../src/uffd/engine/address-map.ts'
import type { GuestRegion } from '../../../src/uffd/service/guest-regions.ts'
import { layoutKey, layRegions, offsetSpaceOf } from '../../../src/uffd/service/region-layout.ts'
import { snapshotOfBits } from '../../destination/layout-of-bits.ts'

const PAGE = 4096
const BASE = 0x7f0000000000

/** Cuts a space into regions at these pages; each somewhere else in memory. */
function regionsOf(pages: number, cuts: readonly number[]): GuestRegion[] {
  const edges = [...new Set([0, pages, ...cuts])].sort((a, b) => a - b)
  return edges.slice(1).map((end, i) => ({
    offset: edges[i] * PAGE,
    byteLength: (end - edges[i]) * PAGE,
    address: BASE + (edges.length - i) * 1024 * PAGE,
    pageSize: PAGE,
  }))
}

/** Where in the file a page of a block is; null: it is zero. */
function fileOffset(block: RamBlock, page: number): number | null {
  if (!testBit(block.bitmap, page)) return null
  const { places = null, pagesOffset, pageSize } = block
  if (places === null) return pagesOffset + page * pageSize
  return placeOffset(places, rankOf(places, places.firstPage + page), page, pageSize)
}

const blocks = fc.array(
  fc.array(fc.boolean(), { minLength: 1, maxLength: 200 }).map(bits => ({ bits: bits.map(Number).join('') })),
  { minLength: 1, maxLength: 5 },
)

describe('regions', () => {
  it('take each page from where the snapshot has it, and number pages as it does', () => {
    fc.assert(
      fc.property(
        blocks,
        fc.array(fc.nat({ max: 1000 }), { maxLength: 4 }),
        fc.boolean(),
        (blocks, cuts, scattered) => {
          const plain = snapshotOfBits(blocks)
          const snapshot = !scattered ? plain : { ...plain, blocks: plain.blocks.map(scatter) }
          const pages = snapshot.blocks.reduce((sum, { pageCount }) => sum + pageCount, 0)
          const regions = regionsOf(
            pages,
            cuts.map(cut => cut % pages),
          )
          const { layout, blockAddresses } = layRegions(offsetSpaceOf(snapshot, null), regions)
          const map = new AddressMap(layout, blockAddresses(regions))
          expect([layout.hostPageCount, layout.targetPageCount]).toEqual([pages, pages])
          let number = 0
          for (const block of snapshot.blocks) {
            for (let page = 0; page < block.pageCount; page++, number++) {
              const { address, offset } = regions.findLast(({ offset }) => offset <= number * PAGE)!
              const at = address + number * PAGE - offset
              expect([map.pageAt(at), map.pageAt(at + PAGE - 1), map.addressOf(number)]).toEqual([number, number, at])
              const piece = layout.blocks.findLast(({ firstHostPage }) => firstHostPage <= number)!
              expect(fileOffset(piece.block, number - piece.firstHostPage)).toBe(fileOffset(block, page))
            }
          }
        },
      ),
      { numRuns: 60 },
    )
  })

  it('share a layout wherever they are in memory', () => {
    const here = regionsOf(8, [3])
    const there = here.map(region => ({ ...region, address: region.address + 64 * PAGE }))
    const { layout, blockAddresses } = layRegions(offsetSpaceOf(snapshotOfBits([{ bits: '11001100' }]), null), here)
    expect(layoutKey(there)).toBe(layoutKey(here))
    expect(layoutKey(regionsOf(8, [4]))).not.toBe(layoutKey(here))
    // Of the same sizes, with a gap between them: refused, whoever was served before.
    const apart = here.map(region => ({ ...region, offset: region.offset * 2 }))
    expect(layoutKey(apart)).not.toBe(layoutKey(here))
    expect(blockAddresses(there)).toEqual(blockAddresses(here).map(address => address + 64 * PAGE))
    expect(layout.blocks.map(({ block }) => block.name)).toEqual(['block0+0x0', 'block0+0x3000'])
  })

  it('may be of one block, whose pages are numbered from 0 on', () => {
    const snapshot = snapshotOfBits([
      { bits: '11', name: 'rom' },
      { bits: '0101', name: 'ram' },
      { bits: '1', name: 'gone', ignored: true },
    ])
    const space = offsetSpaceOf(snapshot, 'ram')
    expect(space).toMatchObject({ byteLength: 4 * PAGE, firstTargetPage: 2 })
    expect(layRegions(space, regionsOf(4, [])).layout.hostPageCount).toBe(4)
    expect(() => layRegions(offsetSpaceOf(snapshot, null), regionsOf(4, []))).toThrow(
      /expected the 24 KiB .*; --block takes one/,
    )
    for (const name of ['gone', 'none']) {
      expect(() => offsetSpaceOf(snapshot, name)).toThrow(`--block: found "${name}", expected one of rom, ram`)
    }
  })

  it('on huge pages have them zero, mixed and full as the snapshot has', () => {
    const bits = `${'1'.repeat(512)}${'0'.repeat(512)}${'10'.repeat(256)}`
    const space = offsetSpaceOf(snapshotOfBits([{ bits }]), null)
    const pageSize = 512 * PAGE
    const regions = [{ offset: 0, byteLength: 3 * pageSize, address: BASE, pageSize }]
    const { layout } = layRegions(space, regions)
    expect(layout.blocks).toMatchObject([{ kind: 'hugetlb', hostPageSize: pageSize, pageShift: 9 }])
    expect([...layout.hasData, ...layout.mixed!]).toEqual([0b101, 0b100])
  })

  it.each([
    [
      'gap',
      [
        { at: 0, pages: 4 },
        { at: 5, pages: 3 },
      ],
      /offset: found 20480 behind regions of 16384 bytes/,
    ],
    ['start', [{ at: 1, pages: 7 }], /offset: found 4096 behind regions of 0 bytes/],
    ['end', [{ at: 0, pages: 9 }], /offset 0: found an end at 36864, expected at most 32768/],
    ['rest', [{ at: 0, pages: 7 }], /found 28 KiB of memory \(28672 bytes\), expected the 32 KiB/],
  ])('that do not cover the file are refused: a wrong %s', (_, parts, pattern) => {
    const space = offsetSpaceOf(snapshotOfBits([{ bits: '11001100' }]), null)
    const regions = parts.map(({ at, pages }) => ({
      offset: at * PAGE,
      byteLength: pages * PAGE,
      address: BASE + at * PAGE,
      pageSize: PAGE,
    }))
    expect(() => layRegions(space, regions)).toThrow(pattern)
  })

  it('are refused where a block ends inside a huge page, or a region inside a target page', () => {
    const uneven = snapshotOfBits([{ bits: '1'.repeat(300) }, { bits: '1'.repeat(724) }])
    const huge = [{ offset: 0, byteLength: 1024 * PAGE, address: BASE, pageSize: 512 * PAGE }]
    expect(() => layRegions(offsetSpaceOf(uneven, null), huge)).toThrow(
      /found block block0 and a region meet at 1228800, expected a multiple of 2 MiB/,
    )
    const large = snapshotOfBits([{ bits: '11', pageSize: 65_536 }])
    expect(() => layRegions(offsetSpaceOf(large, null), regionsOf(32, [3]))).toThrow(/meet at 12288, .* of 64 KiB/)
  })
})

/** The block with its pages in two files, in no order. */
function scatter(block: RamBlock): RamBlock {
  const firstPage = 5
  const draft = draftPlaces(block.pageSize, firstPage + block.pageCount, true)
  for (let page = 0; page < block.pageCount; page++) {
    if (testBit(block.bitmap, page)) placePages(draft, firstPage + page, 1, 1 + (page % 2), (page * 7) % 211)
  }
  return { ...block, places: placesOfBlock(packPlaces(draft), Float64Array.of(0, 1000, 2_000_000), firstPage) }
}
