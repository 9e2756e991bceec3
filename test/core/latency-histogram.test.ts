/** The histogram against the sorted list of what was recorded. */
import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { LatencyHistogram } from '../../src/core/latency-histogram.ts'

/** Durations of every magnitude, and those next to a power of two. */
const anyNs = fc.oneof(
  fc.integer({ min: 0, max: 600 }),
  fc.integer({ min: 0, max: 51 }).chain(exponent => fc.integer({ min: 2 ** exponent, max: 2 ** (exponent + 1) - 1 })),
  fc.tuple(fc.integer({ min: 8, max: 51 }), fc.integer({ min: -1, max: 1 })).map(([e, nudge]) => 2 ** e + nudge),
)
const anyRecords = fc.array(anyNs, { minLength: 1, maxLength: 200 })
const anyShare = fc.oneof(fc.constantFrom(0.5, 0.9, 0.99, 0.999, 0, 1), fc.double({ min: 0, max: 1, noNaN: true }))

function histogramOf(records: readonly number[]): LatencyHistogram {
  const histogram = new LatencyHistogram()
  for (const ns of records) histogram.record(ns)
  return histogram
}

describe('a latency histogram', () => {
  test('of nothing is zero everywhere', () => {
    const empty = histogramOf([])
    expect([empty.count, empty.mean, empty.max, empty.quantile(0.99)]).toEqual([0, 0, 0, 0])
    expect(empty.cdf()).toEqual([])
    expect(empty.powersOfTwoUs(4)).toEqual([0, 0, 0, 0])
  })

  property.prop([anyRecords], { numRuns: 500 })('knows count, mean and maximum exactly', records => {
    const { count, mean, max } = histogramOf(records)
    const total = records.reduce((sum, ns) => sum + ns, 0)
    expect({ count, mean, max }).toEqual({ count: records.length, mean: total / count, max: Math.max(...records) })
  })

  property.prop([anyRecords, anyShare], { numRuns: 1000 })(
    'has quantiles that are never too low and at most 0.8 % too high',
    (records, share) => {
      const sorted = records.toSorted((a, b) => a - b)
      const exact = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]
      const found = histogramOf(records).quantile(share)
      expect(found).toBeGreaterThanOrEqual(exact)
      expect(found).toBeLessThanOrEqual(exact * 1.008)
    },
  )

  property.prop([anyRecords], { numRuns: 500 })('has a distribution that is right at each of its points', records => {
    const points = histogramOf(records).cdf()
    for (const [ns, share] of points) expect(share).toBe(records.filter(other => other <= ns).length / records.length)
    expect(points.at(-1)).toEqual([Math.max(...records), 1])
    const edges = points.map(([ns]) => ns)
    expect(edges).toEqual([...new Set(edges)].sort((a, b) => a - b))
  })

  property.prop([anyRecords, fc.integer({ min: 1, max: 24 })], { numRuns: 500 })(
    'counts per power of two of microseconds exactly',
    (records, buckets) => {
      const expected = new Array<number>(buckets).fill(0)
      for (const ns of records) {
        let bucket = 0
        while (bucket < buckets - 1 && ns >= 1000 * 2 ** (bucket + 1)) bucket++
        expected[bucket]++
      }
      expect(histogramOf(records).powersOfTwoUs(buckets)).toEqual(expected)
    },
  )

  test('takes fractions, and what is longer than 52 days', () => {
    const histogram = histogramOf([0.5, 1500.75, 2 ** 60])
    expect(histogram.count).toBe(3)
    expect(histogram.max).toBe(2 ** 60)
    expect(histogram.mean).toBe((0.5 + 1500.75 + 2 ** 60) / 3)
    expect(histogram.quantile(0.5)).toBe(1503)
    expect(histogram.quantile(1)).toBe(2 ** 52 - 1)
  })
})
