import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { memoryOfSize } from '../../src/workload/memory.ts'
import { createWorkload } from '../../src/workload/registry.ts'
import { visitInTime } from '../../src/workload/time-order.ts'
import { traceStats } from '../../src/workload/trace-stats.ts'
import { fitZipf } from '../../src/workload/zipf-fit.ts'
import { anyWorkload, traceOf } from './support.ts'

const MEMORY = memoryOfSize(65_536, 4096)

test('a trace worked by hand', () => {
  const stats = traceStats(traceOf(5, 6, 7, 20, 5, 5, 20, 40, 6))
  expect(stats).toMatchObject({
    accesses: 9,
    distinctPages: 5,
    runs: 3,
    sequentialShare: 2 / 9,
    sequentialFirstTouchShare: 2 / 5,
    runLengths: [2, 1],
    reuseShare: 4 / 9,
    firstTouchNs: { p50: 30, p90: 80, p98: 80 },
  })
  // 5 after 6, 7, 20: 3; 5 at once: 0; 20 after 5: 1; 6 after 7, 20, 5, 40: 4.
  expect(stats.reuseDistances).toEqual([2, 1, 1])
  expect(stats.rankCounts).toEqual([
    [1, 3],
    [2, 2],
    [3, 2],
    [4, 1],
    [5, 1],
  ])
  expect(stats.workingSetCurve[0]).toEqual({ timeNs: 10, pages: 1 })
  expect(stats.workingSetCurve.at(-1)).toEqual({ timeNs: 80, pages: 5 })
})

test('a trace without accesses has nothing of all that', () => {
  expect(traceStats(traceOf())).toMatchObject({
    accesses: 0,
    reuseShare: 0,
    sequentialShare: 0,
    firstTouchNs: null,
    zipf: null,
    runLengths: [],
    workingSetCurve: [],
  })
})

property.prop([anyWorkload])('reuse distances are those of a list that is searched', workload => {
  const order: number[] = []
  visitInTime(workload, access => order.push(workload.page[access] % 100))
  const expected: number[] = []
  for (const [i, page] of order.entries()) {
    const last = order.lastIndexOf(page, i - 1)
    if (i === 0 || last < 0) continue
    const distance = new Set(order.slice(last + 1, i)).size
    const bucket = Math.floor(Math.log2(Math.max(1, distance)))
    while (expected.length <= bucket) expected.push(0)
    expected[bucket]++
  }
  // A bitmap of 2^32 pages takes longer than all the rest.
  expect(
    traceStats({
      ...workload,
      pageCount: Math.min(100, workload.pageCount),
      page: workload.page.map(page => page % 100),
    }).reuseDistances,
  ).toEqual(expected)
})

property.prop([fc.uniqueArray(fc.nat(63), { maxLength: 64 })])('run lengths are those of the sorted pages', pages => {
  const sorted = pages.toSorted((a, b) => a - b)
  const runs: number[] = []
  for (const [i, page] of sorted.entries()) {
    if (i > 0 && page === sorted[i - 1] + 1) runs[runs.length - 1]++
    else runs.push(1)
  }
  const { runLengths } = traceStats(traceOf(...pages))
  expect(runLengths.reduce((sum, count) => sum + count, 0)).toBe(runs.length)
  for (const [k, count] of runLengths.entries()) {
    expect(count).toBe(runs.filter(length => length >= 2 ** k && length < 2 ** (k + 1)).length)
  }
})

describe('the Zipf fit', () => {
  test.each([0.6, 0.99, 1.4])('finds the skew of a law: %f', skew => {
    const counts = Uint32Array.from({ length: 2000 }, (_, i) => Math.round(1e7 * (i + 1) ** -skew))
    const fit = fitZipf(counts)!
    expect(fit.skew).toBeCloseTo(skew, 2)
    expect(fit.distance).toBeLessThan(0.001)
  })

  test('finds that of the generator, and tells uniform accesses from it', () => {
    const zipf = traceStats(createWorkload('zipf:accesses=200000,skew=0.99', memoryOfSize(4096, 4096), 1)).zipf!
    expect(zipf.skew).toBeCloseTo(0.99, 1)
    expect(zipf.distance).toBeLessThan(0.03)
    const uniform = traceStats(createWorkload('uniform:accesses=200000', memoryOfSize(4096, 4096), 1)).zipf!
    expect(uniform.skew).toBeLessThan(0.15)
  })

  test('is none where accesses are all alike, or too few', () => {
    expect(fitZipf(Uint32Array.of(2, 2, 2, 2))).toBeNull()
    expect(fitZipf(Uint32Array.of(3, 1))).toBeNull()
  })
})

test('a scan is sequential, and a working set follows as it was asked to', () => {
  expect(traceStats(createWorkload('sequential', MEMORY, 1)).sequentialShare).toBeCloseTo(1, 4)
  const workload = createWorkload('working-set:share=20%,run=4,follow=50%,reuse=0,vcpus=1', MEMORY, 1)
  expect(traceStats(workload).sequentialFirstTouchShare).toBeCloseTo(0.375, 1)
})
