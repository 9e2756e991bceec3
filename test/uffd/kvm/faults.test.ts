import { fc, test } from '@fast-check/vitest'
import { describe, expect, it } from 'vitest'
import { createBitmap, setBit } from '../../../src/core/bitmap.ts'
import { faultsOf } from '../../../src/uffd/kvm/faults.ts'

const bitmapOf = (...pages: number[]) => {
  const bitmap = createBitmap(64)
  for (const page of pages) setBit(bitmap, page)
  return bitmap
}
/** [page, start, latency] of each access. */
const accesses = (...rows: readonly (readonly [number, number, number])[]) => ({
  hostPage: Uint32Array.from(rows, ([page]) => page),
  times: { startNs: Float64Array.from(rows, row => row[1]), latencyNs: Float64Array.from(rows, row => row[2]) },
})

describe('faultsOf', () => {
  it('has the first access to each page that was asked for, and no other', () => {
    const vcpu = accesses([5, 0, 90], [6, 100, 20], [5, 130, 9], [40, 150, 70], [40, 230, 1])
    expect(faultsOf([vcpu], bitmapOf(5, 40))).toEqual([Uint32Array.of(0, 3)])
    expect(faultsOf([vcpu], bitmapOf())).toEqual([Uint32Array.of()])
  })

  it('has several vCPUs that waited for a page, and not one that came when it was there', () => {
    const vcpus = [accesses([1, 10, 90]), accesses([1, 50, 70]), accesses([1, 130, 10]), accesses([2, 0, 10])]
    expect(faultsOf(vcpus, bitmapOf(1))).toEqual([[0], [0], [], []].map(list => Uint32Array.from(list)))
  })

  const row = fc.tuple(fc.nat(20), fc.nat(100), fc.integer({ min: 1, max: 50 }))
  test.prop([fc.array(fc.array(row, { maxLength: 30 }), { maxLength: 4 }), fc.array(fc.nat(20))])(
    'has at least one access for each page that was asked for and accessed',
    (lists, pages) => {
      const vcpus = lists.map(rows => accesses(...rows))
      const found = faultsOf(vcpus, bitmapOf(...pages)).flatMap((list, vcpu) =>
        Array.from(list, i => lists[vcpu][i][0]),
      )
      const accessed = new Set(lists.flat().map(([page]) => page))
      expect(new Set(found)).toEqual(new Set(pages.filter(page => accessed.has(page))))
    },
  )
})
