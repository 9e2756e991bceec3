/** What the dashboard computes without a browser: addresses, slices, scales, curves, numbers in words. */
import { fc, it as property } from '@fast-check/vitest'
import type { ExperimentRecord } from 'lazyrestore/client'
import { describe, expect, it } from 'vitest'
import { cellAt, countCells } from '../../../server/experiments/axes.ts'
import { distanceOf } from '../../../server/web/compare/distance.ts'
import { latencyCurves, residencyCurves } from '../../../server/web/figures/curves.ts'
import { leadOf } from '../../../server/web/figures/lead.ts'
import { sampleLines, sampleSteps } from '../../../server/web/figures/sample.ts'
import { placeAt, ticksOf, timeAt, timeScale } from '../../../server/web/figures/scale.ts'
import { parseHidden, type ResultSeries, writeHidden } from '../../../server/web/figures/series.ts'
import { ago, bytes, duration, factor, plural, remaining, shortDuration } from '../../../server/web/format.ts'
import { type List, refresh } from '../../../server/web/list/merge.ts'
import { addressOf, numberIn, parsePlace } from '../../../server/web/router.ts'
import { countSlices, indexOf, placeOf, sliceAt } from '../../../server/web/slices.ts'

describe('addresses', () => {
  property.prop([
    fc.array(fc.string({ minLength: 1, unit: 'grapheme' }), { minLength: 1 }),
    fc.dictionary(fc.string({ minLength: 1 }), fc.string({ minLength: 1 })),
  ])('lead back to the place that they were made of', (path, query) => {
    const place = parsePlace(addressOf(path, query))
    expect(place.path).toEqual(path)
    expect({ ...place.query }).toEqual({ ...query })
  })

  it('bear what people make of them', () => {
    expect(parsePlace('')).toEqual({ path: [], query: {} })
    expect(parsePlace('#/a%ZZ/')).toEqual({ path: ['a%ZZ'], query: {} })
    const { query } = parsePlace('#/x?slice=-1&t=12&b=1e9')
    expect([numberIn(query, 'slice'), numberIn(query, 't'), numberIn(query, 'b'), numberIn(query, 'c')]).toEqual([
      null,
      12,
      null,
      null,
    ])
    expect([...parseHidden('3,x,1,1,99999')]).toEqual([3, 1])
    expect(writeHidden(new Set([3, 1]))).toBe('1,3')
  })
})

describe('slices', () => {
  it('are numbered as the server numbers cells', () => {
    const spec = {
      snapshot: 's',
      policies: ['p0', 'p1', 'p2'],
      workloads: ['w0', 'w1'],
      storages: ['s0', 's1', 's2'],
      layouts: ['l0', 'l1'],
      repetitions: 2,
      engine: 'sim' as const,
      seed: 1,
      fixedNs: 0,
      recording: null,
      profile: null,
    }
    expect(countSlices(spec) * spec.policies.length).toBe(countCells(spec))
    for (let index = 0; index < countCells(spec); index++) {
      const { workload, storage, layout, repetition, policy } = cellAt(spec, index)
      const slice = Math.floor(index / spec.policies.length)
      expect(sliceAt(spec, slice)).toEqual({ workload, storage, layout, repetition })
      expect(spec.policies[index % spec.policies.length]).toBe(policy)
      expect(indexOf(spec, placeOf(spec, slice))).toBe(slice)
    }
  })
})

describe('scales', () => {
  property.prop([
    fc.constantFrom('linear' as const, 'log' as const),
    fc.array(fc.double({ min: 1, max: 1e12, noNaN: true }), { minLength: 1 }),
    fc.double({ min: 0.001, max: 1, noNaN: true }),
  ])('lead from a place to a time and back, with ticks inside', (name, times, place) => {
    const scale = timeScale(name, times)
    expect(placeAt(scale, timeAt(scale, place))).toBeCloseTo(place, 6)
    expect(placeAt(scale, Math.max(...times))).toBe(1)
    expect(placeAt(scale, 0)).toBe(0)
    for (const ns of ticksOf(scale)) expect(ns).toBeLessThanOrEqual(scale.toNs * (1 + 1e-9))
    expect(ticksOf(scale).length).toBeLessThanOrEqual(13)
  })

  it('bear having nothing to show', () => {
    expect(ticksOf(timeScale('linear', [])).length).toBeGreaterThan(0)
    expect(placeAt(timeScale('log', [0]), 0)).toBe(0)
  })
})

describe('curves', () => {
  it('are staircases or lines, before, between and behind their points', () => {
    const grid = [0, 1, 1.5, 2, 3]
    expect(sampleSteps([1, 2], [0.5, 1], grid)).toEqual([0, 0.5, 0.5, 1, 1])
    expect(sampleLines([1, 2], [10, 20], grid)).toEqual([10, 10, 15, 20, 20])
    expect(sampleLines([], [], [1])).toEqual([0])
  })

  it('of two points at one time take the later', () => {
    expect(sampleLines([1, 1, 2], [0, 5, 5], [1, 2])).toEqual([5, 5])
  })
})

describe('the curves of restores', () => {
  const restore = (latencyCdf: [number, number][], residency: { timeNs: number; bytes: number }[]) =>
    ({ result: { latencyCdf, residency, snapshot: { bytes: 4096 } } }) as unknown as ResultSeries
  const none = restore([], [{ timeNs: 0, bytes: 0 }])
  const some = restore(
    [
      [1000, 0.5],
      [64_000, 1],
    ],
    [
      { timeNs: 0, bytes: 0 },
      { timeNs: 10, bytes: 4096 },
    ],
  )

  it('are those that there are, on one grid from before the first to the last', () => {
    const { curves, grid, scale, top } = latencyCurves([none, some])
    expect([curves.length, scale.name, top, grid[grid.length - 1]]).toEqual([1, 'log', 1, 64_000])
    expect([curves[0].values[0], curves[0].values.at(-1)]).toEqual([0, 1])
    const residency = residencyCurves([none, some], 'linear')
    expect([residency.curves.length, residency.top, residency.curves[0].values.at(-1)]).toEqual([1, 4096, 4096])
    expect(latencyCurves([none]).curves).toEqual([])
  })
})

describe('numbers in words', () => {
  it('have three digits and a unit', () => {
    expect([0, 999, 1000, 12_345, 480e6, 1.254e9, 999.96e6, null].map(duration)).toEqual([
      '0 ns',
      '999 ns',
      '1.00 µs',
      '12.3 µs',
      '480 ms',
      '1.25 s',
      '1.00 s',
      '–',
    ])
    expect([0, 2e8, 1.5e9, 20e6].map(shortDuration)).toEqual(['0', '200 ms', '1.5 s', '20 ms'])
    expect([0, 512, 1024, 12.5 * 2 ** 20, 2 ** 30].map(bytes)).toEqual(['0 B', '512 B', '1 KiB', '12.5 MiB', '1 GiB'])
    expect([1.0184, 18.06, 240.2, null].map(factor)).toEqual(['1.02×', '18.1×', '240×', '–'])
    expect([plural(1, 'restore'), plural(1200, 'restore')]).toEqual(['1 restore', '1,200 restores'])
    expect([900, 12_500, 480_000].map(remaining)).toEqual(['900 ms', '12.5 s', '8 min'])
    const at = (s: number): string => ago('2026-01-01T00:00:00Z', Date.parse('2026-01-01T00:00:00Z') + s * 1000)
    expect([5, 300, 7200, 200_000].map(at)).toEqual(['just now', '5 min ago', '2 h ago', '2 d ago'])
  })

  it('say how far two values are apart, alike in both directions', () => {
    expect([1, 2, 0.5, 0, null].map(distanceOf)).toEqual([0, 1, -1, null, null])
  })
})

describe('who is first', () => {
  const at = (...times: number[]) => times.map((workDoneNs, i) => ({ label: `p${i}`, result: { workDoneNs } }))

  it('is said with the distance to the next one that reads otherwise', () => {
    expect(leadOf(at(300e6, 100e6, 200e6))).toBe('p1 finishes the work first, 2.00× sooner than p2.')
    expect(leadOf(at(100e6, 100.01e6, 300e6))).toBe('p0 and 1 more finish the work first, 3.00× sooner than p2.')
    expect(leadOf(at(1e6, 1e6))).toBe('All finish the work after 1.00 ms.')
    expect(leadOf(at(1e6))).toBe('')
  })
})

describe('the list', () => {
  const record = (id: string, state = 'done') => ({ id, state }) as ExperimentRecord
  const list = (ids: string, next: string | null = null): List => ({ items: [...ids].map(id => record(id)), next })
  const show = ({ items, next }: List) => `${items.map(({ id }) => id).join('')} ${next}`

  it('keeps what stands behind the newest page, and starts anew where they do not meet', () => {
    expect(show(refresh(null, list('zyx', 'x')))).toBe('zyx x')
    expect(show(refresh(list('yxwvu', 'u'), list('zyx', 'x')))).toBe('zyxwvu u')
    expect(show(refresh(list('cba'), list('zyx', 'x')))).toBe('zyx x')
    expect(show(refresh(list('ba'), list('cba')))).toBe('cba null')
    expect(show(refresh(list('ba'), list('')))).toBe(' null')
  })
})
