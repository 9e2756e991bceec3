/** When the restores of a burst are asked for. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { arrivalTimes } from '../../src/burst/arrivals.ts'
import { fleetTimes } from '../../src/burst/result.ts'

describe('arrivals', () => {
  let folder = ''
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'lazyrestore-arrivals-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))
  const file = (text: string): string => {
    const path = join(folder, 'times')
    writeFileSync(path, text)
    return `trace:${path}`
  }

  it('all at once, or evenly', () => {
    expect([...arrivalTimes('at-once', 3, 1)]).toEqual([0, 0, 0])
    expect([...arrivalTimes('uniform:over=1s', 4, 1)]).toEqual([0, 2.5e8, 5e8, 7.5e8])
  })

  it('as a Poisson process: gaps with the mean and the spread of an exponential distribution', () => {
    const times = arrivalTimes('poisson:rate=1000', 20_001, 7)
    const gaps = [...times.subarray(1)].map((ns, i) => (ns - times[i]) / 1e6)
    const mean = gaps.reduce((sum, ms) => sum + ms, 0) / gaps.length
    const deviation = Math.sqrt(gaps.reduce((sum, ms) => sum + (ms - mean) ** 2, 0) / gaps.length)
    // Four standard errors of 20,000 gaps are 2.8 % and 4 %.
    expect(Math.abs(mean - 1)).toBeLessThan(0.03)
    expect(Math.abs(deviation - 1)).toBeLessThan(0.05)
    expect(arrivalTimes('poisson:rate=1000', 20_001, 7)).toEqual(times)
    expect(arrivalTimes('poisson:rate=1000', 20_001, 8)).not.toEqual(times)
  })

  it('as a file says', () => {
    expect([...arrivalTimes(file('# from a log\n0\n1.5ms\n\n2s\n3s\n'), 3, 1)]).toEqual([0, 1.5e6, 2e9])
  })

  it.each([
    ['0\n1ms\n', ': found 2 times, expected one for each of 3 restores'],
    ['0\n2ms\n1ms\n', ':3: found 1ms behind a later time, expected ascending times'],
    ['soon\n', ':1: found "soon", expected a duration'],
  ])('a file of %j is refused', (text, message) => expect(() => arrivalTimes(file(text), 3, 1)).toThrow(message))

  it.each([
    ['at-once:now', 'arrivals: found "at-once:now", expected at-once, uniform:over=…, poisson:rate=… or trace:FILE'],
    ['trace', 'arrivals: found "trace", expected at-once'],
    ['poisson:rate=0', 'poisson: option rate: found 0, expected at least 1'],
    ['trace:/nowhere/at/all', 'no such file'],
  ])('%s is refused', (text, message) => expect(() => arrivalTimes(text, 3, 1)).toThrow(message))
})

describe('times of a fleet', () => {
  it('are the least that a share of the restores does not exceed', () => {
    const times = Float64Array.from({ length: 1000 }, (_, i) => 1000 - i)
    expect(fleetTimes(times)).toEqual({ mean: 500.5, min: 1, p50: 500, p90: 900, p99: 990, p999: 999, max: 1000 })
  })

  it('leave out what never happens', () => {
    expect(fleetTimes(Float64Array.of(5, Number.NaN))?.mean).toBe(5)
    expect(fleetTimes(Float64Array.of(Number.NaN))).toBeNull()
  })
})
