import { fc, test } from '@fast-check/vitest'
import { describe, expect, it } from 'vitest'
import { GIB, MIB } from '../../../src/core/units.ts'
import { planGuestMap, RAM_ADDRESS, TABLES_ADDRESS, writePageTables } from '../../../src/uffd/kvm/guest-map.ts'

const PAGE_SIZES = [4096, 64 * 1024, 2 * MIB, GIB]

const block = fc
  .record({ pages: fc.integer({ min: 1, max: 12 }), hostPageSize: fc.constantFrom(...PAGE_SIZES) })
  .map(({ pages, hostPageSize }) => ({ address: 0, byteLength: pages * hostPageSize, hostPageSize }))

describe('a guest map', () => {
  test.prop([fc.array(block, { maxLength: 8 }), fc.array(fc.nat(300_000), { maxLength: 8 })])(
    'keeps everything apart, RAM above 4 GiB and on its host pages, lists below 3 GiB',
    (blocks, entries) => {
      const map = planGuestMap(blocks, entries)
      const ranges = [
        [0, map.lowBytes],
        ...map.listAddress.map((address, i) => [address, address + map.listBytes[i]]),
        ...map.blockAddress.map((address, i) => [address, address + blocks[i].byteLength]),
      ]
      for (let i = 1; i < ranges.length; i++) expect(ranges[i][0]).toBeGreaterThanOrEqual(ranges[i - 1][1])
      for (const [i, address] of map.blockAddress.entries()) {
        expect(address).toBeGreaterThanOrEqual(RAM_ADDRESS)
        expect(address % Math.max(2 * MIB, blocks[i].hostPageSize)).toBe(0)
      }
      for (const [i, count] of entries.entries()) expect(map.listBytes[i]).toBeGreaterThanOrEqual(count * 16)
      expect(map.listAddress.every((address, i) => address + map.listBytes[i] <= 3 * GIB)).toBe(true)
      expect(map.end).toBeGreaterThanOrEqual(ranges.at(-1)![1])
    },
  )

  it('refuses what has no address', () => {
    const ram = (byteLength: number) => [{ address: 0, byteLength, hostPageSize: 4096 }]
    expect(planGuestMap(ram(508 * GIB), []).end).toBe(512 * GIB)
    expect(() => planGuestMap(ram(508 * GIB + 4096), [])).toThrow(/^kvm: RAM: found .*, expected at most 508 GiB$/)
    expect(() => planGuestMap([], [64 * MIB + 1])).toThrow(/^kvm: one list: found .*, expected at most 1 GiB$/)
    expect(() => planGuestMap([], [64 * MIB, 64 * MIB, 64 * MIB])).toThrow(/^kvm: lists: found 3 GiB/)
  })
})

describe('page tables', () => {
  test.prop([fc.integer({ min: 1, max: 20 }), fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })])(
    'lead every address to itself, for reading, writing and level 3',
    (gib, place) => {
      const end = gib * GIB - 4096
      const low = new Uint8Array(TABLES_ADDRESS + (2 + gib) * 4096)
      writePageTables(low, end)
      const memory = new DataView(low.buffer)
      const address = Math.floor(place * end)
      const entry = (table: bigint, shift: number) =>
        memory.getBigUint64(Number((table & ~0xfffn) + ((BigInt(address) >> BigInt(shift)) & 0x1ffn) * 8n), true)
      const pointers = entry(BigInt(TABLES_ADDRESS), 39)
      const directory = entry(pointers, 30)
      const page = entry(directory, 21)
      for (const one of [pointers, directory, page]) expect(one & 0x7n).toBe(7n)
      expect(page & 0x80n).toBe(0x80n)
      expect((page & ~0x1f_ffffn) + BigInt(address % (2 * MIB))).toBe(BigInt(address))
    },
  )
})
