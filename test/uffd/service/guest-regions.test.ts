/** The message of a VMM: what is taken, what is refused and how, and that pieces of it are never taken for a whole. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MIB } from '../../../src/core/units.ts'
import { endOfArray, type GuestRegion, parseRegions } from '../../../src/uffd/service/guest-regions.ts'

const PAGE = 4096
const wire = { base_host_virt_addr: 0x7f0000000000, size: 3 * PAGE, offset: 0, page_size: PAGE, page_size_kib: PAGE }
const text = (...regions: object[]) => JSON.stringify(regions)

/** Regions that may stand beside each other, in a random order in the message, and in memory. */
const sets: fc.Arbitrary<GuestRegion[]> = fc
  .tuple(
    fc.array(fc.tuple(fc.constantFrom(PAGE, 2 * MIB), fc.integer({ min: 1, max: 300 }), fc.nat()), {
      minLength: 1,
      maxLength: 12,
    }),
  )
  .map(([parts]) => {
    let offset = 0
    const placed = parts.map(([pageSize, pages, order]) => {
      offset = Math.ceil(offset / pageSize) * pageSize
      const region = { pageSize, byteLength: pages * pageSize, offset, address: 0, order }
      offset += region.byteLength
      return region
    })
    let address = 0x7f0000000000
    for (const region of placed.toSorted((a, b) => a.order - b.order)) {
      region.address = Math.ceil(address / region.pageSize) * region.pageSize
      address = region.address + region.byteLength
    }
    return placed.map(({ order: _, ...region }) => region)
  })

const asSent = ({ address, byteLength, offset, pageSize }: GuestRegion, fields: readonly string[]): object => ({
  base_host_virt_addr: address,
  size: byteLength,
  offset,
  ...Object.fromEntries(fields.map(name => [name, pageSize])),
})

describe('the regions of a message', () => {
  it('are those that were sent, by their offsets, whichever field has the page size', () => {
    const fields = fc.constantFrom(['page_size'], ['page_size_kib'], ['page_size', 'page_size_kib'])
    fc.assert(
      fc.property(sets, fields, fc.infiniteStream(fc.nat()), (regions, fields, order) => {
        const shuffled = regions
          .map(region => [order.next().value, region] as const)
          .sort(([a], [b]) => a - b)
          .map(([, region]) => asSent(region, fields))
        expect(parseRegions(text(...shuffled))).toEqual(regions)
      }),
    )
  })

  it('are refused when two of them overlap, in memory or in the file', () => {
    fc.assert(
      fc.property(sets, fc.boolean(), fc.nat(), (regions, inMemory, pick) => {
        const victim = regions[pick % regions.length]
        const other = {
          ...asSent(victim, ['page_size']),
          ...(inMemory ? { offset: 2 ** 50 } : { base_host_virt_addr: 2 ** 40 }),
        }
        const sent = regions.map(region => asSent(region, ['page_size']))
        const field = inMemory ? 'base_host_virt_addr' : 'offset'
        expect(() => parseRegions(text(...sent, other))).toThrow(
          new RegExp(`^memory regions: ${field}: found a region`),
        )
      }),
    )
  })

  it.each([
    ['', 'found no JSON'],
    ['[]', 'found no region, expected at least one'],
    ['{}', 'found object, expected a JSON array'],
    ['[1]', 'region 0: found 1, expected an object'],
    [text(wire, [wire]), 'region 1: found \\[\\{.*, expected an object'],
    [text({ ...wire, size: 0 }), 'region 0: size: found 0, expected at least a page'],
    [text({ ...wire, size: 5000 }), 'region 0: size: found 5000, expected a multiple of the page size, 4 KiB'],
    [text({ ...wire, offset: 1 }), 'region 0: offset: found 1, expected a multiple of'],
    [text({ ...wire, offset: -4096 }), 'region 0: offset: found -4096, expected a whole number'],
    [text({ ...wire, offset: '0' }), 'region 0: offset: found "0", expected a whole number'],
    [text({ ...wire, size: undefined }), 'region 0: size: found nothing, expected a whole number'],
    [text({ ...wire, size: 1e300 }), 'region 0: size: found 1e\\+300, expected a whole number'],
    [text({ ...wire, base_host_virt_addr: 4097 }), 'region 0: base_host_virt_addr: found 4097, expected a multiple'],
    // The kernel tells of no such address whether its process has ended.
    [
      text({ ...wire, base_host_virt_addr: 0 }),
      "base_host_virt_addr: found 0 .*, expected a process's own, from 64 KiB",
    ],
    [
      text({ ...wire, base_host_virt_addr: 2 ** 50 }),
      "base_host_virt_addr: found 1125899906842624 .*, expected a process's",
    ],
    [text({ ...wire, offset: 2 ** 53 - 4096 }), 'region 0: offset: found .* end below'],
    [text({ ...wire, page_size_kib: 4 }), 'found page_size 4096 and page_size_kib 4, expected both in bytes'],
    [text({ ...wire, page_size: 4, page_size_kib: 4 }), 'region 0: page_size: found 4, expected 4096, 2097152,'],
    [text({ ...wire, page_size: undefined, page_size_kib: undefined }), 'found neither page_size nor page_size_kib'],
    [text({ ...wire, page_size: undefined, page_size_kib: 4 }), 'region 0: page_size_kib: found 4, expected 4096'],
    [text({ ...wire, page_size: 2 * MIB, page_size_kib: 2 * MIB }), 'found 12288, expected a multiple of .* 2 MiB'],
  ])('are refused in %s', (message, pattern) => {
    expect(() => parseRegions(message)).toThrow(new RegExp(pattern))
  })
})

describe('the end of an array', () => {
  const bytes = (text: string) => Buffer.from(text)

  it('is where it ends, and nowhere before', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.constantFrom('', ' ', '\r\n\t'), fc.string(), (value, blank, behind) => {
        const whole = bytes(blank + JSON.stringify(value))
        expect(endOfArray(Buffer.concat([whole, bytes(behind)]))).toBe(whole.length)
        for (let length = 0; length < whole.length; length++) expect(endOfArray(whole.subarray(0, length))).toBeNull()
      }),
    )
  })

  it.each(['{', '"[', 'x[', ']', '\0'])('is not looked for behind %j', start => {
    expect(() => endOfArray(bytes(`${start}]`))).toThrow(
      /^memory regions: byte 0: found 0x[0-9a-f]{2}, expected a JSON/,
    )
  })
})
