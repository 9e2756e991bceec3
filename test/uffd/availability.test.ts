import { describe, expect, it } from 'vitest'
import { MIB } from '../../src/core/units.ts'
import { probe } from '../../src/uffd/availability.ts'
import { addressOf, libc, MAX_VIEW_BYTES, nativeReason, viewMemory } from '../../src/uffd/native.ts'
import { requireForEach } from '../support/availability.ts'
import { reserveHugePages } from '../support/huge-pages.ts'

reserveHugePages(2 * MIB, 2)

describe('what this host can', () => {
  it('is told with one line for each thing that is missing', () => {
    const { koffi, userfaultfd, kvm, hugetlb2m, hugetlb1g } = probe()
    for (const reason of [koffi, userfaultfd, kvm, hugetlb2m.reason, hugetlb1g.reason]) {
      if (reason !== null) expect(reason).toMatch(/^[^\n]{20,}$/)
    }
    if (hugetlb2m.reason !== null) expect(hugetlb2m.reason).toMatch(/hugetlb: .*2 MiB/)
  })
})

describe('libc', () => {
  requireForEach(nativeReason)

  it('reads what an address of a typed array holds, from its first byte', () => {
    const bytes = Uint8Array.from({ length: 100 }, (_, i) => i)
    const part = bytes.subarray(10, 20)
    const copied = new Uint8Array(10)
    libc().memcpy(addressOf(copied), addressOf(part), 10)
    expect([...copied]).toEqual([...part])
  })

  it('says why a call failed', () => {
    expect(libc().close(987654)).toBe(-1)
    expect(libc().errno()).toBe(9)
  })

  it('makes no view that is too large', () => {
    expect(() => viewMemory(0x10000, MAX_VIEW_BYTES + 1)).toThrow(/found 1.00 GiB, expected at most 1 GiB/)
  })
})
