/** A series that thins itself out. */
import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { BoundedSeries } from '../../src/core/bounded-series.ts'

function seriesOf(capacity: number, count: number): [number, number][] {
  const series = new BoundedSeries(capacity)
  for (let i = 0; i < count; i++) series.add(10 * i, i)
  return series.points()
}

describe('a bounded series', () => {
  test('is empty when nothing was added', () => expect(seriesOf(4, 0)).toEqual([]))

  test('keeps every point while there is room', () => {
    expect(seriesOf(4, 4)).toEqual([
      [0, 0],
      [10, 1],
      [20, 2],
      [30, 3],
    ])
  })

  test('keeps every second point from then on, and the latest', () => {
    expect(seriesOf(4, 6).map(([, value]) => value)).toEqual([0, 2, 4, 5])
    expect(seriesOf(4, 7).map(([, value]) => value)).toEqual([0, 2, 4, 6])
    expect(seriesOf(4, 9).map(([, value]) => value)).toEqual([0, 4, 8])
  })

  property.prop([fc.integer({ min: 2, max: 20 }), fc.integer({ min: 1, max: 3000 })], { numRuns: 500 })(
    'keeps evenly spaced points from the first on, no fewer than half its capacity, and the latest',
    (half, count) => {
      const capacity = 2 * half
      const values = seriesOf(capacity, count).map(([time, value]) => {
        expect(time).toBe(10 * value)
        return value
      })
      const stride = values.length > 1 ? values[1] - values[0] : 1
      expect(Math.log2(stride) % 1).toBe(0)
      const spaced = Array.from({ length: Math.ceil(count / stride) }, (_, i) => i * stride)
      expect(values).toEqual(spaced.at(-1) === count - 1 ? spaced : [...spaced, count - 1])
      expect(spaced.length).toBeLessThanOrEqual(capacity)
      expect(spaced.length).toBeGreaterThanOrEqual(Math.min(count, half))
    },
  )

  property.prop([fc.integer({ min: 2, max: 20 }), fc.integer({ min: 1, max: 3000 })], { numRuns: 200 })(
    'keeps the same points where those that are not due are left out',
    (half, count) => {
      const [all, due] = [new BoundedSeries(2 * half), new BoundedSeries(2 * half)]
      for (let i = 0; i < count; i++) {
        all.add(10 * i, i)
        if (due.isDue || i === count - 1) due.add(10 * i, i)
        else due.leaveOut()
      }
      expect(due.points()).toEqual(all.points())
    },
  )

  test('counts the latest point only once when it is kept anyway', () => {
    const series = new BoundedSeries(4)
    series.add(5, 1)
    series.add(5, 1)
    expect(series.points()).toEqual([
      [5, 1],
      [5, 1],
    ])
  })
})
