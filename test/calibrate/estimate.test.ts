/** Figures out of samples. */
import { describe, expect, it } from 'vitest'
import { estimate, type Samples } from '../../src/calibrate/estimate.ts'
import { LazyRestoreError } from '../../src/core/error.ts'

const repeated = (count: number, value: (i: number) => number): number[] =>
  Array.from({ length: count }, (_, i) => value(i))

describe('an estimate', () => {
  it('is what is computed from medians, which a few outliers do not move', () => {
    const samples: Samples = new Map([
      ['call', repeated(200, i => (i % 10 === 3 ? 1e6 : 500))],
      ['clock', repeated(200, () => 80)],
    ])
    expect(estimate(samples, median => median('call') - median('clock'))).toEqual({ value: 420, p10: 420, p90: 420 })
  })

  it('has a spread that shows drift through the run', () => {
    const samples: Samples = new Map([['call', repeated(1000, i => 1000 + i)]])
    const { value, p10, p90 } = estimate(samples, median => median('call'))
    expect(value).toBe(1499.5)
    expect([p10, p90]).toEqual([1100, 1900].map(near => expect.closeTo(near, -2)))
  })

  it('can be had from fewer samples than parts', () => {
    expect(estimate(new Map([['once', [7]]]), median => median('once'))).toEqual({ value: 7, p10: 7, p90: 7 })
  })

  it.each([new Map(), new Map([['call', []]])])('of a measure without samples is refused', samples => {
    expect(() => estimate(samples, median => median('call'))).toThrow(LazyRestoreError)
    expect(() => estimate(samples, median => median('call'))).toThrow('found no samples of "call", expected some')
  })
})
