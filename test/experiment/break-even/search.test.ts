/** The search for a break-even: on times that are known formulas, so that the answer is known. */
import { fc, test } from '@fast-check/vitest'
import { describe, expect, it } from 'vitest'
import { applyValue, findParameter, rangeOf, withMemorySeed } from '../../../src/experiment/break-even/parameters.ts'
import { medianBand, type Probe, searchBreakEven } from '../../../src/experiment/break-even/search.ts'
import { checkRange } from '../../../src/experiment/sweep/range.ts'

const range = checkRange({ from: 1, to: 1000, scale: 'log' }, 'range')
const seeds = Array.from({ length: 16 }, (_, i) => i)

/** Policy 1 takes 1 s; policy 0 takes what the formula says. */
function search(
  timeNs: (value: number, seed: number) => number,
  options: { points?: number; tolerance?: number } = {},
) {
  const asked: Probe[] = []
  const measure = async (probes: readonly Probe[]): Promise<number[]> => {
    asked.push(...probes)
    return probes.map(({ value, seed, policy }) => (policy === 1 ? 1e9 : timeNs(value, seed)))
  }
  const { points = 9, tolerance = 0.0001 } = options
  return searchBreakEven({ range, seeds, points, tolerance, measure }).then(result => ({ ...result, asked }))
}

describe('the search for a break-even', () => {
  test.prop([
    fc.double({ min: 1.5, max: 900, noNaN: true }),
    fc.double({ min: 0.2, max: 3, noNaN: true }),
    fc.boolean(),
  ])('finds where a power of the parameter goes through 1', async (crossing, power, falls) => {
    const { crossings } = await search(value => 1e9 * (value / crossing) ** (falls ? -power : power))
    expect(crossings).toHaveLength(1)
    const [{ value, low, high, firstBelow }] = crossings
    expect(Math.abs(Math.log(value / crossing))).toBeLessThan(0.001)
    expect([low, high]).toEqual([value, value])
    expect(firstBelow).toBe(falls ? 1 : 0)
  })

  it('has the spread of the seeds as its band, in which the true median lies', async () => {
    const { crossings, asked } = await search((value, seed) => (1e9 * value) / (90 + seed))
    const [{ value, low, high, values, confidence }] = crossings
    expect(values).toHaveLength(16)
    for (const [i, own] of values.entries()) expect(Math.abs(own / (90 + i) - 1)).toBeLessThan(0.002)
    expect(value).toBeCloseTo(97.5, 0)
    // Ranks 4 and 13 of 16.
    expect([low, high].map(Math.round)).toEqual([93, 102])
    expect(confidence).toBeGreaterThan(0.95)
    // A bisection halves: 1/8 of the range to 1/10,000 in 11 steps, both policies of 16 seeds, after 9 points.
    expect(asked).toHaveLength(2 * 16 * (9 + 11))
  })

  it('finds each of several crossings, and says who is first below', async () => {
    const wave = (value: number): number => 1e9 * (1 + 0.5 * Math.sin((Math.log(value) / Math.log(1000)) * 2 * Math.PI))
    const { crossings } = await search(value => wave(value * 1.2), { points: 13 })
    expect(crossings.map(({ firstBelow }) => firstBelow)).toEqual([1, 0])
    expect(crossings[0].value).toBeCloseTo(Math.sqrt(1000) / 1.2, 1)
    expect(crossings[1].value).toBeCloseTo(1000 / 1.2, 0)
  })

  it('says nothing where there is nothing, and counts seeds that do not cross', async () => {
    const none = await search(value => 1e8 + value)
    expect(none.crossings).toEqual([])
    expect(none.points).toHaveLength(9)
    expect(none.points[8].timesNs[0][0]).toBe(1e8 + 1000)
    const { crossings } = await search((value, seed) => (seed < 4 ? 5e8 : 1e9 * (value / 50)))
    expect(crossings[0].values).toHaveLength(12)
  })

  it('ends at the steps of a range', async () => {
    const stepped = checkRange({ from: '32MiB', to: '64MiB', step: '8MiB' }, 'range')
    const measure = async (probes: readonly Probe[]): Promise<number[]> =>
      probes.map(({ value, policy }) => (policy === 1 ? 1 : value / (45 * 2 ** 20)))
    const { crossings } = await searchBreakEven({ range: stepped, seeds: [1], points: 2, tolerance: 1e-9, measure })
    expect(crossings[0].value % (8 * 2 ** 20)).toBe(0)
    expect([40, 48]).toContain(crossings[0].value / 2 ** 20)
  })
})

describe('the band of a median', () => {
  // Ranks as in tables of the binomial distribution.
  it.each([
    [1, 1, 1, 0],
    [5, 1, 5, 0.9375],
    [6, 1, 6, 0.96875],
    [10, 2, 9, 0.978515625],
    [16, 4, 13, 0.978729248046875],
    [25, 8, 18, 0.9567147493362427],
  ])('of %d values is from rank %d to %d', (n, low, high, confidence) => {
    const band = medianBand(Array.from({ length: n }, (_, i) => i + 1))
    expect([band.low, band.high]).toEqual([low, high])
    expect(band.confidence).toBeCloseTo(confidence, 12)
    expect(band.value).toBe((n + 1) / 2)
  })
})

describe('the parameters of a break-even', () => {
  const texts = {
    snapshot: 'synthetic:1GiB,zero=60%',
    layout: '4K',
    workload: 'phases:vcpus=2',
    storage: 'nvme:cache=cold',
  }
  it.each([
    ['size', { snapshot: 'synthetic:33554432,zero=60%' }],
    ['zero', { snapshot: 'synthetic:1GiB,zero=2%' }],
    ['working-set', { workload: 'phases:vcpus=2,share=0.1%' }],
    ['bandwidth', { storage: 'nvme:cache=cold,bandwidth=20971520' }],
    ['round-trip', { storage: 'nvme:cache=cold,latency=5000ns' }],
  ])('%s is written where it belongs', (name, change) => {
    const parameter = findParameter(name)
    const own = rangeOf(parameter)
    expect(applyValue(parameter, texts, own, own.from)).toEqual({ ...texts, ...change })
  })

  it('has a memory of its own for each seed, unless the snapshot says which', () => {
    expect(withMemorySeed(texts, 7).snapshot).toBe('synthetic:1GiB,zero=60%,seed=7')
    expect(withMemorySeed({ ...texts, snapshot: 'synthetic:1GiB,seed=2' }, 7).snapshot).toBe('synthetic:1GiB,seed=2')
    expect(withMemorySeed({ ...texts, snapshot: 'vm.mig' }, 7).snapshot).toBe('vm.mig')
  })

  it('says what it cannot vary', () => {
    const size = findParameter('size')
    expect(() => applyValue(size, { ...texts, snapshot: 'vm.mig' }, rangeOf(size), 1)).toThrow(
      /found vm\.mig, expected a synthetic/,
    )
    expect(() => findParameter('sise')).toThrow(/found "sise", expected one of size, zero/)
    const share = findParameter('working-set')
    for (const workload of ['uniform', 'run.lrtrace']) {
      expect(() => applyValue(share, { ...texts, workload }, rangeOf(share), 0.1)).toThrow(
        `--over working-set: workload ${workload} has no option share, expected one of working-set, `,
      )
    }
  })

  it.each([
    ['working-set', '5', '10', '--from: found "5", expected a share such as 60% or 0.6'],
    ['size', '1GiB', '1s', '--to: found "1s", expected a size such as 4096, 64K, 2MiB or 1GiB'],
    ['round-trip', '1MiB', undefined, '--from: found "1MiB", expected a duration such as 500ns, 20us, 5ms or 2s'],
    ['working-set', '0', undefined, '--from: found "0", expected more than 0'],
    ['size', '2GiB', '1GiB', '--to: found "1GiB", expected more than "2GiB"'],
    ['size', undefined, '1MiB', '--to: found "1MiB", expected more than "32MiB", where it begins without --from'],
    ['size', '8GiB', undefined, '--from: found "8GiB", expected less than "4GiB", where it ends without --to'],
  ])('%s from %s to %s is refused', (name, from, to, message) => {
    expect(() => rangeOf(findParameter(name), from, to)).toThrow(expect.objectContaining({ code: 'usage', message }))
  })

  it('has a range in the unit of the parameter, whatever unit its ends are written in', () => {
    expect(rangeOf(findParameter('zero'), '0.25', '50%')).toMatchObject({ from: 0.25, to: 0.5, unit: 'share' })
    expect(rangeOf(findParameter('size'), '1048576', '4M')).toMatchObject({ from: 2 ** 20, to: 2 ** 22, unit: 'bytes' })
  })
})
