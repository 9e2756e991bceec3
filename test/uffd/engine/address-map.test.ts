/** Addresses and host pages: one is found from the other, and nothing else is taken for a host page. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AddressMap, NO_PAGE } from '../../../src/uffd/engine/address-map.ts'
import { layoutOfBits } from '../../destination/layout-of-bits.ts'

const PAGE = 4096
const layout = layoutOfBits(
  { bits: '1'.repeat(10) },
  { bits: '1'.repeat(37), hostPageSize: 16 * PAGE },
  { bits: '1'.repeat(1024), kind: 'hugetlb', hostPageSize: 512 * PAGE },
)
/** Not in the order of the blocks; the second block's last host page ends where the third begins. */
const map = new AddressMap(layout, [0x7f00_4000_0000, 0x7f00_001d_0000, 0x7f00_0020_0000])

describe('the address map', () => {
  it('finds each host page at its address, and at each byte of it that is used', () => {
    for (let page = 0; page < layout.hostPageCount; page++) expect(map.pageAt(map.addressOf(page))).toBe(page)
    expect([0, 9, 10, 12, 13, 14].map(page => map.addressOf(page))).toEqual([
      0x7f00_4000_0000, 0x7f00_4000_9000, 0x7f00_001d_0000, 0x7f00_001f_0000, 0x7f00_0020_0000, 0x7f00_0040_0000,
    ])
  })

  it.each([
    ['before a block', 0x7f00_4000_0000 - 1],
    ['behind a block', 0x7f00_4000_a000],
    ['behind the end of a block, on its last host page', 0x7f00_001d_0000 + 37 * PAGE],
    ['nowhere', 0],
    ['at the end of all', 0x7f00_0060_0000],
  ])('finds none %s', (_where, address) => {
    expect(map.pageAt(address)).toBe(NO_PAGE)
  })

  it('agrees with a search over all used bytes', () => {
    const near = fc.tuple(fc.constantFrom(...map.blockAddress), fc.integer({ min: -(2 ** 22), max: 2 ** 23 }))
    fc.assert(
      fc.property(near, ([start, offset]) => {
        const address = start + offset
        const owner = layout.blocks.findIndex(({ block, index }) => {
          const first = map.blockAddress[index]
          return address >= first && address < first + block.usedLength
        })
        const page = map.pageAt(address)
        if (owner < 0) expect(page).toBe(NO_PAGE)
        else {
          const { firstHostPage, endHostPage, hostPageSize } = layout.blocks[owner]
          expect(page).toBeGreaterThanOrEqual(firstHostPage)
          expect(page).toBeLessThan(endHostPage)
          expect(address - map.addressOf(page)).toBeGreaterThanOrEqual(0)
          expect(address - map.addressOf(page)).toBeLessThan(hostPageSize)
        }
      }),
    )
  })
})
