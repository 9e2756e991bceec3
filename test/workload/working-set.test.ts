import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { countBits, testBit } from '../../src/core/bitmap.ts'
import { memoryOfSize, type WorkloadMemory } from '../../src/workload/memory.ts'
import { choosePageRuns, type PageRuns } from '../../src/workload/page-runs.ts'
import { createStream } from '../../src/workload/random-stream.ts'
import { createWorkload } from '../../src/workload/registry.ts'
import { distinctPages, workloadStats } from '../../src/workload/stats.ts'
import { orderPages } from '../../src/workload/touch-order.ts'
import type { Workload } from '../../src/workload/workload.ts'
import { anyMemory, chiSquareDeviations, memoryWithData } from './support.ts'

const PAGES = 1_000_000

/** The accesses that touch a page of the vCPU's own part for the first time: every (1 + reuse)th. */
function firstTouches({ starts, page }: Workload, vcpu: number, reuse: number): number[] {
  const pages: number[] = []
  for (let i = starts[vcpu]; i < starts[vcpu + 1]; i += 1 + reuse) pages.push(page[i])
  return pages
}

function dataShare(workload: Workload, memory: WorkloadMemory): number {
  const { bitmap, count } = distinctPages(workload)
  return (
    countBits(
      bitmap.map((word, i) => word & memory.present![i]),
      0,
      memory.pageCount,
    ) / count
  )
}

describe('the pages of a working set', () => {
  property.prop([
    anyMemory,
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.double({ min: 1, max: 20, noNaN: true }),
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.nat(),
  ])(
    'are as many as asked, disjoint, in order, and of each sort as many as can be',
    (memory, share, run, data, seed) => {
      const pages = Math.round(share * memory.pageCount)
      const request = { pages, meanRunPages: run, dataShare: data }
      const runs = choosePageRuns(memory, request, createStream(seed, 'set'))
      let total = 0
      let ofData = 0
      let end = 0
      for (let i = 0; i < runs.first.length; i++) {
        expect(runs.first[i]).toBeGreaterThanOrEqual(end)
        expect(runs.count[i]).toBeGreaterThan(0)
        end = runs.first[i] + runs.count[i]
        total += runs.count[i]
        if (memory.present !== null) ofData += countBits(memory.present, runs.first[i], runs.count[i])
      }
      expect(end).toBeLessThanOrEqual(memory.pageCount)
      expect(total).toBe(pages)
      if (memory.present === null) return
      const dataPages = countBits(memory.present, 0, memory.pageCount)
      const zeroPages = memory.pageCount - dataPages
      expect(ofData).toBe(Math.min(Math.max(Math.round(pages * data), pages - zeroPages), dataPages))
    },
  )

  test.each(['1', '1.9', '2.4', '4', '4.9', '16'])('stand in runs of the mean length asked: %s', run => {
    const stats = workloadStats(createWorkload(`working-set:run=${run}`, memoryOfSize(PAGES, 4096), 1))
    // Lengths are geometric: their deviation is below the mean; 50,000 pages make 50,000 / run lengths.
    const tolerance = (4 * Number(run)) / Math.sqrt(stats.runs)
    expect(Math.abs(stats.meanRunPages - Number(run))).toBeLessThan(run === '1' ? 1e-9 : tolerance)
  })

  test('keep their run length where data lies in long extents, and are cut where it does not', () => {
    const long = workloadStats(createWorkload('working-set:run=4,data=100%', memoryWithData(PAGES, 0.4, 200), 1))
    expect(long.meanRunPages).toBeGreaterThan(3.8)
    const short = workloadStats(createWorkload('working-set:run=4,data=100%', memoryWithData(PAGES, 0.4, 1), 1))
    expect(short.meanRunPages).toBeLessThan(2)
  })

  test.each([0, 0.5, 0.9, 1])('lie on data as often as asked: %s', data => {
    const memory = memoryWithData(PAGES, 0.3, 10)
    const workload = createWorkload(`working-set:data=${data}`, memory, 1)
    expect(dataShare(workload, memory)).toBeCloseTo(data, 4)
  })

  test('take the other sort where one has too few pages', () => {
    const memory = memoryWithData(PAGES, 0.02, 10)
    const dataPages = countBits(memory.present!, 0, PAGES)
    const workload = createWorkload('working-set:share=10%,data=100%', memory, 1)
    expect(distinctPages(workload).count).toBe(100_000)
    expect(dataShare(workload, memory) * 100_000).toBeCloseTo(dataPages, 3)
  })

  test('lie evenly over memory', () => {
    const { page } = createWorkload('working-set:run=1,reuse=0', memoryOfSize(PAGES, 4096), 1)
    const observed = new Float64Array(64)
    for (const p of page) observed[Math.floor((p * 64) / PAGES)]++
    expect(chiSquareDeviations(observed, new Float64Array(64).fill(page.length / 64))).toBeLessThan(4)
  })

  test('are all of memory at a share of 100 %, and any number at pages=', () => {
    const memory = memoryWithData(5000, 0.5, 3)
    expect(distinctPages(createWorkload('working-set:share=100%', memory, 1)).count).toBe(5000)
    expect(distinctPages(createWorkload('working-set:pages=1', memory, 1)).count).toBe(1)
    expect(distinctPages(createWorkload('working-set:pages=4999', memory, 1)).count).toBe(4999)
  })
})

describe('the order of first touch', () => {
  const runs: PageRuns = { first: Uint32Array.of(10, 50, 90), count: Uint32Array.of(3, 1, 4) }

  test('visits whole runs, in any order, when all pages follow', () => {
    const orders = new Set<string>()
    for (let seed = 0; seed < 100; seed++) {
      orders.add(orderPages(runs, 'random', 1, createStream(seed, 'order')).join(' '))
    }
    const [a, b, c] = ['10 11 12', '50', '90 91 92 93']
    expect(orders).toEqual(
      new Set(
        [
          [a, b, c],
          [a, c, b],
          [b, a, c],
          [b, c, a],
          [c, a, b],
          [c, b, a],
        ].map(o => o.join(' ')),
      ),
    )
  })

  test('is the address order when sequential, whatever follows', () => {
    for (const follow of [0, 0.5, 1]) {
      const order = orderPages(runs, 'sequential', follow, createStream(1, 'order'))
      expect([...order]).toEqual([10, 11, 12, 50, 90, 91, 92, 93])
    }
  })

  test.each([0, 0.12, 0.5, 1])('keeps neighbours together as often as asked: %s', follow => {
    const chosen = choosePageRuns(
      memoryOfSize(PAGES, 4096),
      { pages: 50_000, meanRunPages: 4, dataShare: 1 },
      createStream(1, 'set'),
    )
    const order = orderPages(chosen, 'random', follow, createStream(1, 'order'))
    let next = 0
    for (let i = 1; i < order.length; i++) if (order[i] === order[i - 1] + 1) next++
    const links = order.length - chosen.first.length
    expect(next / links).toBeCloseTo(follow, 2)
  })

  test("is by default as in fcvm's trace, where 8.6 % of the faults are on the next page", () => {
    const workload = createWorkload('working-set:vcpus=1', memoryOfSize(PAGES, 4096), 1)
    const order = firstTouches(workload, 0, 3)
    const next = order.filter((page, i) => i > 0 && page === order[i - 1] + 1).length
    expect(next / order.length).toBeCloseTo(0.086, 1.7)
  })

  test('puts each vCPU on a range of its own when sequential', () => {
    const workload = createWorkload('working-set:order=sequential,reuse=0,vcpus=3', memoryOfSize(PAGES, 4096), 1)
    expect(workload.page).toEqual(workload.page.toSorted())
  })
})

describe('the accesses of a working set', () => {
  const memory = memoryWithData(PAGES, 0.4, 32)

  test('touch each page once for the first time, on one vCPU, and then only what was touched', () => {
    const reuse = 3
    const workload = createWorkload(`working-set:reuse=${reuse},locality=100%,vcpus=3`, memory, 1)
    const all = new Set<number>()
    for (let vcpu = 0; vcpu < 3; vcpu++) {
      const touched = new Set<number>()
      for (let i = workload.starts[vcpu]; i < workload.starts[vcpu + 1]; i++) {
        const first = (i - workload.starts[vcpu]) % (1 + reuse) === 0
        if (touched.has(workload.page[i]) === first) throw new Error(`access ${i}: ${workload.page[i]}`)
        touched.add(workload.page[i])
      }
      for (const page of touched) all.add(page)
    }
    expect(all.size).toBe(50_000)
    expect(workload.page.length).toBe(200_000)
  })

  test.each([0, 0.3, 0.8, 1])('go to the own part as often as asked: %s', locality => {
    const workload = createWorkload(`working-set:locality=${locality},vcpus=4`, memory, 1)
    for (let vcpu = 0; vcpu < 4; vcpu++) {
      const own = new Set(firstTouches(workload, vcpu, 3))
      let inside = 0
      let further = 0
      for (let i = workload.starts[vcpu]; i < workload.starts[vcpu + 1]; i++) {
        if ((i - workload.starts[vcpu]) % 4 === 0) continue
        further++
        if (own.has(workload.page[i])) inside++
      }
      expect(Math.abs(inside / further - locality)).toBeLessThan(0.011)
    }
  })

  test('reach other vCPUs evenly, and only what those have touched at the same progress', () => {
    const workload = createWorkload('working-set:locality=0,vcpus=3', memory, 1)
    const order = [0, 1, 2].map(vcpu => new Map(firstTouches(workload, vcpu, 3).map((page, at) => [page, at])))
    const reached = [0, 0]
    for (let i = workload.starts[0]; i < workload.starts[1]; i++) {
      if (i % 4 === 0) continue
      const other = order[1].has(workload.page[i]) ? 1 : 2
      reached[other - 1]++
      expect(order[other].get(workload.page[i])).toBeLessThanOrEqual(Math.floor(i / 4))
    }
    expect(reached[0] / (reached[0] + reached[1])).toBeCloseTo(0.5, 1.7)
  })

  test('are at home when there is no other vCPU, or more vCPUs than pages', () => {
    expect(distinctPages(createWorkload('working-set:locality=0,vcpus=1', memory, 1)).count).toBe(50_000)
    const workload = createWorkload('working-set:pages=2,locality=0,vcpus=5', memory, 1)
    expect(distinctPages(workload).count).toBe(2)
    expect([...workload.starts]).toEqual([0, 4, 8, 8, 8, 8])
  })
})

describe('boot-then-idle', () => {
  const memory = memoryWithData(PAGES, 0.4, 32)
  const workload = createWorkload('boot-then-idle:bursts=10,burst=200,idle=40ms,boot=80%,vcpus=2', memory, 1)

  test('touches the boot share in the first burst, and all of the working set in the end', () => {
    expect(distinctPages(workload).count).toBe(50_000)
    const booted = new Set<number>()
    for (let i = 0; i < workload.starts[1] && (workload.flags[i] & 2) === 0; i++) booted.add(workload.page[i])
    const own = [...booted].length
    // Own pages, and a few of the other vCPU's.
    expect(own).toBeGreaterThanOrEqual(20_000)
    expect(workload.flags.findIndex(flag => (flag & 2) !== 0)).toBe(80_000)
  })

  test('waits idle before each later burst, and nowhere else', () => {
    for (let vcpu = 0; vcpu < 2; vcpu++) {
      const idle: number[] = []
      for (let i = workload.starts[vcpu]; i < workload.starts[vcpu + 1]; i++) {
        if ((workload.flags[i] & 2) !== 0) idle.push(workload.thinkNs[i])
        else expect(workload.thinkNs[i]).toBeLessThanOrEqual(3000)
      }
      expect(idle.length).toBe(10)
      for (const ns of idle) expect(Math.abs(ns - 40e6)).toBeLessThanOrEqual(20e6)
      expect(new Set(idle).size).toBe(10)
    }
  })

  test('gives each burst its new pages, and as many accesses as asked or as those need', () => {
    // 5000 late pages a vCPU in 10 bursts: 500 each, more than burst=200.
    expect(workload.starts[1]).toBe(80_000 + 10 * 500)
    const small = createWorkload('boot-then-idle:pages=100,bursts=3,burst=50,boot=0,vcpus=1', memory, 1)
    expect(small.page.length).toBe(150)
    expect(testBit(distinctPages(small).bitmap, small.page[0])).toBe(true)
    const perBurst = [0, 50, 100].map(from => new Set(small.page.slice(0, from + 50)).size)
    expect(perBurst).toEqual([34, 67, 100])
  })
})
