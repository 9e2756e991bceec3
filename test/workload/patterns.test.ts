import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { memoryOfSize } from '../../src/workload/memory.ts'
import { createPermutation, permute } from '../../src/workload/permutation.ts'
import { below, createStream, unit } from '../../src/workload/random-stream.ts'
import { createWorkload } from '../../src/workload/registry.ts'
import { createZipfSampler, sampleZipf } from '../../src/workload/zipf-sampler.ts'
import { chiSquareDeviations } from './support.ts'

describe('sequential', () => {
  const memory = memoryOfSize(10, 4096)
  test.each([
    ['sequential', [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
    ['sequential:share=30%', [0, 1, 2]],
    ['sequential:stride=4', [0, 4, 8]],
    ['sequential:accesses=12', [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]],
    ['sequential:accesses=6,stride=3', [0, 3, 6, 9, 2, 5]],
    ['sequential:accesses=3,stride=10', [0, 0, 0]],
  ])('visits the pages in order, and wraps: %s', (spec, pages) => {
    expect([...createWorkload(spec, memory, 1).page]).toEqual(pages)
  })

  test('gives each vCPU a part of the scan of its own', () => {
    const { starts, page } = createWorkload('sequential:vcpus=3', memory, 1)
    expect([...starts]).toEqual([0, 4, 7, 10])
    expect([...page]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  test('starts each vCPU at the right page when access times stride passes 2^53', () => {
    const { starts, page } = createWorkload(
      'sequential:accesses=4_000_000,stride=4294967295,vcpus=2',
      memoryOfSize(2 ** 32, 4096),
      1,
    )
    expect(page[starts[1]]).toBe(2 ** 32 - starts[1])
  })
})

describe('uniform', () => {
  test('hits every page with the same frequency', () => {
    const { page } = createWorkload('uniform:accesses=200_000,vcpus=4', memoryOfSize(1000, 4096), 1)
    const observed = new Uint32Array(1000)
    for (const p of page) observed[p]++
    expect(Math.abs(chiSquareDeviations(observed, new Float64Array(1000).fill(200)))).toBeLessThan(4)
  })

  test('reaches the last page of the largest memory', () => {
    const { page } = createWorkload('uniform', memoryOfSize(2 ** 32, 4096), 1)
    expect(page.reduce((max, p) => Math.max(max, p), 0)).toBeGreaterThan(2 ** 32 * 0.999)
  })
})

describe('the Zipf sampler', () => {
  /** Sum of rank^-skew over (from, to]: terms to 1000 added up, beyond by Euler and Maclaurin. */
  function mass(from: number, to: number, skew: number): number {
    let sum = 0
    const direct = Math.min(to, Math.max(from, 1000))
    for (let rank = from + 1; rank <= direct; rank++) sum += rank ** -skew
    if (to > direct) {
      const integral = skew === 1 ? Math.log(to / direct) : (to ** (1 - skew) - direct ** (1 - skew)) / (1 - skew)
      sum += integral + (to ** -skew - direct ** -skew) / 2
    }
    return sum
  }

  test.each([0, 0.5, 0.99, 1, 1.2, 2])('follows the law rank by rank over 500 ranks, skew %s', skew => {
    const draws = 500_000
    const sampler = createZipfSampler(500, skew)
    const stream = createStream(4, 'pages')
    const observed = new Float64Array(500)
    for (let i = 0; i < draws; i++) observed[sampleZipf(sampler, stream) - 1]++
    const expected = observed.map((_, i) => (draws * (i + 1) ** -skew) / mass(0, 500, skew))
    const enough = expected.findIndex(count => count < 8)
    const end = enough < 0 ? 500 : enough
    expect(end).toBeGreaterThan(30)
    expect(Math.abs(chiSquareDeviations(observed.subarray(0, end), expected.subarray(0, end)))).toBeLessThan(4)
  })

  test.each([0.3, 0.99, 1, 1.3])('follows the law over 2^28 ranks, octave by octave, skew %s', skew => {
    const draws = 200_000
    const count = 2 ** 28
    const sampler = createZipfSampler(count, skew)
    const stream = createStream(5, 'pages')
    const observed = new Float64Array(29)
    for (let i = 0; i < draws; i++) observed[Math.ceil(Math.log2(sampleZipf(sampler, stream)))]++
    const total = mass(0, count, skew)
    const expected = observed.map((_, octave) => {
      return (draws * mass(octave === 0 ? 0 : 2 ** (octave - 1), 2 ** octave, skew)) / total
    })
    const kept = [...expected.keys()].filter(octave => expected[octave] >= 8)
    expect(kept.length).toBeGreaterThan(14)
    const deviations = chiSquareDeviations(
      kept.map(octave => observed[octave]),
      kept.map(octave => expected[octave]),
    )
    expect(Math.abs(deviations)).toBeLessThan(4)
  })

  property.prop([fc.integer({ min: 1, max: 2 ** 32 }), fc.double({ min: 0, max: 10, noNaN: true }), fc.nat()])(
    'never leaves 1..count',
    (count, skew, seed) => {
      const sampler = createZipfSampler(count, skew)
      const stream = createStream(seed, 'pages')
      for (let i = 0; i < 50; i++) {
        const rank = sampleZipf(sampler, stream)
        if (!(Number.isInteger(rank) && rank >= 1 && rank <= count)) throw new Error(`rank ${rank} of ${count}`)
      }
    },
  )
})

describe('zipf', () => {
  test('gives the hottest page its share, and scatters the hot pages over memory', () => {
    const pages = 4096
    const { page } = createWorkload('zipf:accesses=200_000,skew=1', memoryOfSize(pages, 4096), 1)
    const hits = new Uint32Array(pages)
    for (const p of page) hits[p]++
    const hottest = [...hits.keys()].sort((a, b) => hits[b] - hits[a]).slice(0, 256)
    let harmonic = 0
    for (let rank = 1; rank <= pages; rank++) harmonic += 1 / rank
    expect(hits[hottest[0]] / 200_000).toBeCloseTo(1 / harmonic, 2)
    const octants = new Float64Array(8)
    for (const p of hottest) octants[p >>> 9]++
    expect(Math.abs(chiSquareDeviations(octants, new Float64Array(8).fill(32)))).toBeLessThan(4)
    const neighbours = hottest.filter(p => hottest.includes(p + 1)).length
    expect(neighbours).toBeLessThan(40) // 16 by chance
  })
})

describe('a permutation', () => {
  property.prop([fc.integer({ min: 1, max: 3000 }), fc.nat()])('takes every index to another place', (count, seed) => {
    const permutation = createPermutation(count, createStream(seed, 'permutation'))
    const seen = new Set<number>()
    for (let index = 0; index < count; index++) seen.add(permute(permutation, index))
    expect(seen.size).toBe(count)
    expect(Math.max(...seen)).toBe(count - 1)
    expect(Math.min(...seen)).toBe(0)
  })

  test('holds over 2^32 indices, in range and without a collision among 100,000', () => {
    const permutation = createPermutation(2 ** 32, createStream(1, 'permutation'))
    const seen = new Set<number>()
    for (let i = 0; i < 100_000; i++) seen.add(permute(permutation, 2 ** 32 - 1 - i * 7919))
    expect(seen.size).toBe(100_000)
    for (const value of seen) if (!(value >= 0 && value < 2 ** 32)) throw new Error(`${value} is out of range`)
  })

  test('leaves hardly any neighbours together', () => {
    const permutation = createPermutation(100_000, createStream(1, 'permutation'))
    let together = 0
    for (let i = 1; i < 100_000; i++) {
      if (Math.abs(permute(permutation, i) - permute(permutation, i - 1)) === 1) together++
    }
    expect(together).toBeLessThan(20) // 2 by chance
  })
})

describe('random streams', () => {
  test('differ by seed, purpose and index, from the first draw on', () => {
    const firsts = new Set<number>()
    for (let seed = 0; seed < 50; seed++) {
      for (const purpose of ['pages', 'times', 'idle', 'set', 'order', 'permutation'] as const) {
        for (let index = 0; index < 20; index++) firsts.add(createStream(seed, purpose, index).next())
      }
    }
    expect(firsts.size).toBeGreaterThan(5990) // of 6000; a birthday collision or two may be
  })

  test('draw bounded numbers evenly and units over [0, 1)', () => {
    const stream = createStream(1, 'pages')
    const sixths = new Float64Array(6)
    const tenths = new Float64Array(10)
    for (let i = 0; i < 60_000; i++) {
      sixths[below(stream, 6)]++
      tenths[Math.floor(unit(stream) * 10)]++
    }
    expect(Math.abs(chiSquareDeviations(sixths, new Float64Array(6).fill(10_000)))).toBeLessThan(4)
    expect(Math.abs(chiSquareDeviations(tenths, new Float64Array(10).fill(6000)))).toBeLessThan(4)
  })
})
