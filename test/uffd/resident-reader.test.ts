import { describe, expect, it } from 'vitest'
import { MIB } from '../../src/core/units.ts'
import { probe } from '../../src/uffd/availability.ts'
import { hugePageReason } from '../../src/uffd/huge-pages.ts'
import { requireForEach, requireOrSkip } from '../support/availability.ts'
import { reserveHugePages } from '../support/huge-pages.ts'
import { createRig, PAGE } from './support.ts'

reserveHugePages(2 * MIB, 8)
requireForEach(() => probe().userfaultfd)

describe.each(['anon', 'shmem'] as const)('reading registered %s memory', kind => {
  it('ends at the first page that is missing, raises no fault, and takes zero pages for what they are', () => {
    const { uffd, region, source, page } = createRig({ kind })
    uffd.copy(page(0), source.address, 2 * PAGE, 0)
    uffd.zeropage(page(2), PAGE, 0)
    const target = new Uint8Array(8 * PAGE).fill(255)
    expect(region.resident.read(page(0), target)).toBe(3 * PAGE)
    expect([target[0], target[PAGE], target[2 * PAGE], target[3 * PAGE]]).toEqual([1, 2, 0, 255])
    expect(region.resident.read(page(5), target)).toBe(0)
    expect(uffd.counters).toEqual({ pending: 0, total: 0 })
  })

  it('finds the first byte that differs, and a page that is missing', () => {
    const { uffd, region, source, page } = createRig({ kind, pages: 256 })
    uffd.copy(page(0), source.address, 200 * PAGE, 0)
    const expected = Uint8Array.from(source.view(0, 256 * PAGE))
    const { resident } = region
    expect(resident.compare(page(0), expected.subarray(0, 200 * PAGE))).toBeNull()
    expect(resident.compare(page(0), expected)).toEqual({ offset: 200 * PAGE, kind: 'missing' })
    expected[100 * PAGE + 17]++
    expect(resident.compare(page(0), expected)).toEqual({ offset: 100 * PAGE + 17, kind: 'different' })
  })
})

describe('reading', () => {
  it('huge pages is the same', context => {
    requireOrSkip(context, hugePageReason(2 * MIB, 2))
    const { uffd, region, source, page } = createRig({ kind: 'hugetlb', hostPageSize: 2 * MIB, pages: 2 })
    uffd.copy(page(0), source.address, 2 * MIB, 0)
    const expected = source.view(0, 4 * MIB)
    expect(region.resident.compare(page(0), expected)).toEqual({ offset: 2 * MIB, kind: 'missing' })
    expect(uffd.counters.total).toBe(0)
  })

  it('memory that is not registered cannot tell missing from zero', () => {
    const { region, page } = createRig({ mode: null })
    expect(region.resident.read(page(0), new Uint8Array(8 * PAGE))).toBe(8 * PAGE)
  })

  it('nothing mapped is nothing', () => {
    const { region } = createRig()
    expect(region.resident.read(PAGE, new Uint8Array(PAGE))).toBe(0)
  })
})
