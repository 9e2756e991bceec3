/** One order out of several recordings: by hand, and against the definition written down naively. */
import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { LazyRestoreError } from '../../src/core/error.ts'
import { mergeOrders } from '../../src/working-set/merge.ts'

const merge = (orders: readonly (readonly number[])[], minRuns: number): number[] =>
  Array.from(
    mergeOrders(
      orders.map(order => Uint32Array.from(order)),
      minRuns,
    ),
  )

describe('the merged order', () => {
  test('of one recording is its own', () => {
    expect(merge([[9, 3, 2 ** 32 - 1, 0]], 1)).toEqual([9, 3, 2 ** 32 - 1, 0])
  })

  test('goes by the median place of each page in the recordings that have it', () => {
    // Places: 5 at 0, 1, 2: 1. 7 at 1, 0: 0.5. 8 at 2, 0: 1. 6 at 1. 4 at 2, 3: 2.5.
    const orders = [
      [5, 7, 8],
      [7, 5, 4],
      [8, 6, 5, 4],
    ]
    expect(merge(orders, 1)).toEqual([7, 5, 6, 8, 4])
    expect(merge(orders, 2)).toEqual([7, 5, 8, 4])
    expect(merge(orders, 3)).toEqual([5])
  })

  test('of recordings that have nothing in common is empty where all must have a page', () => {
    expect(merge([[1], [2]], 2)).toEqual([])
    expect(merge([[], []], 1)).toEqual([])
  })

  test.each([
    [0, 2],
    [3, 2],
    [1, 0],
  ])('refuses at least %i of %i recordings', (minRuns, count) => {
    expect(() => merge(Array(count).fill([1]), minRuns)).toThrow(LazyRestoreError)
    expect(() => merge(Array(count).fill([1]), minRuns)).toThrow(
      /^--min-runs: found \d, with \d recordings, expected 1/,
    )
  })

  const anyOrder = fc.uniqueArray(fc.nat(40), { maxLength: 30 })
  property.prop([fc.array(anyOrder, { minLength: 1, maxLength: 5 }), fc.nat(4)])(
    'has the pages that at least so many recordings have, sorted by median place, then page',
    (orders, draw) => {
      const minRuns = 1 + (draw % orders.length)
      const medians = new Map<number, number>()
      for (const page of new Set(orders.flat())) {
        const places = orders
          .flatMap(order => (order.includes(page) ? [order.indexOf(page)] : []))
          .sort((a, b) => a - b)
        const middle = (places[Math.floor((places.length - 1) / 2)] + places[Math.floor(places.length / 2)]) / 2
        if (places.length >= minRuns) medians.set(page, middle)
      }
      const expected = [...medians].sort(([a, x], [b, y]) => x - y || a - b).map(([page]) => page)
      expect(merge(orders, minRuns)).toEqual(expected)
    },
  )
})
