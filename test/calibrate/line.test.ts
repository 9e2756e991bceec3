/** Cost per call and per page. */
import { fc, test } from '@fast-check/vitest'
import { describe, expect, it } from 'vitest'
import { fitLine, fitSlope, type Point } from '../../src/calibrate/line.ts'

const COUNTS = [1, 2, 4, 16, 64, 256, 512]
const cost = fc.double({ min: 10, max: 1e5, noNaN: true })

describe('a line through costs', () => {
  test.prop([cost, cost])('is found again from points on it', (intercept, slope) => {
    const line = fitLine(COUNTS.map(count => [count, intercept + slope * count]))
    expect(line.intercept).toBeCloseTo(intercept, -Math.log10(intercept * 1e-4))
    expect(line.slope).toBeCloseTo(slope, -Math.log10(slope * 1e-4))
  })

  test.prop([fc.array(fc.double({ min: 1, max: 1e7, noNaN: true }), { minLength: 7, maxLength: 7 })])(
    'is never negative, whatever the points',
    times => {
      const points: Point[] = COUNTS.map((count, i) => [count, times[i]])
      const { intercept, slope } = fitLine(points)
      expect(intercept).toBeGreaterThanOrEqual(0)
      expect(slope).toBeGreaterThanOrEqual(0)
      expect(fitSlope(points, intercept)).toBeGreaterThanOrEqual(0)
    },
  )

  it('weighs a deviation by its share of the point, so that one page counts as much as 512', () => {
    const points = COUNTS.map((count): Point => [count, 1000 + 1000 * count])
    const disturbed = points.map(([count, ns], i): Point => [count, i === 6 ? ns * 1.1 : ns])
    const { intercept, slope } = fitLine(disturbed)
    expect(intercept).toBeGreaterThan(900)
    expect(intercept + slope).toBeLessThan(2100)
    expect(intercept + slope).toBeGreaterThan(1900)
  })

  test.prop([cost, cost])('with a known intercept gives back the slope', (intercept, slope) => {
    const points = COUNTS.map((count): Point => [count, intercept + slope * count])
    expect(fitSlope(points, intercept)).toBeCloseTo(slope, -Math.log10(slope * 1e-4))
  })
})
