/** Figures out of samples. */
import { describe, expect, it } from 'vitest'
import { estimate, type Samples } from '../../src/calibrate/estimate.ts'
import { LazyRestoreError } from '../../src/core/error.ts'

const repeated = (count: number, value: (i: number) => number): number[] =>
  Array.from({ length: count }, (_, i) => value(i))

describe('an estimate', () => {
  it('is what is computed from averages, without the slowest samples', () => {
    const samples: Samples = new Map([
      ['call', repeated(2000, i => (i % 100 === 3 ? 1e6 : i % 2 === 0 ? 400 : 600))],
      ['clock', repeated(200, () => 80)],
    ])
    expect(estimate(samples, average => average('call') - average('clock'))).toEqual({
      value: expect.closeTo(418, 0),
      p10: expect.closeTo(418, 0),
      p90: expect.closeTo(418, 0),
    })
  })

  it('of a wait between threads leaves out fewer, as slow ones are part of it', () => {
    // One in a hundred takes 10 µs: of 2,000 that are 20, of which 4 are left out.
    const values = repeated(2000, i => (i % 100 === 3 ? 10_000 : 500))
    const meanOf = (measure: string) => estimate(new Map([[measure, values]]), average => average(measure)).value
    expect(meanOf('remote latency')).toBeCloseTo((1980 * 500 + 16 * 10_000) / 1996)
    expect(meanOf('guest remote latency')).toBe(meanOf('remote latency'))
    expect(meanOf('local latency')).toBe(meanOf('chained latency'))
    expect(meanOf('local latency')).toBeLessThan(meanOf('remote latency'))
    expect(meanOf('trap')).toBe(500)
  })

  it('of a share of a core leaves out none: the highest are the best of them', () => {
    const values = repeated(12, i => (i % 2 === 0 ? 1000 : 500))
    expect(estimate(new Map([['share alone', values]]), average => average('share alone')).value).toBe(750)
  })

  it('has a spread that shows drift through the run', () => {
    const samples: Samples = new Map([['call', repeated(1000, i => 1000 + i)]])
    const { value, p10, p90 } = estimate(samples, average => average('call'))
    expect(value).toBe(1489.5)
    expect([p10, p90]).toEqual([1100, 1900].map(near => expect.closeTo(near, -2)))
  })

  it('can be had from fewer samples than parts', () => {
    expect(estimate(new Map([['once', [7]]]), average => average('once'))).toEqual({ value: 7, p10: 7, p90: 7 })
  })

  it.each([new Map(), new Map([['call', []]])])('of a measure without samples is refused', samples => {
    expect(() => estimate(samples, average => average('call'))).toThrow(LazyRestoreError)
    expect(() => estimate(samples, average => average('call'))).toThrow('found no samples of "call", expected some')
  })
})
