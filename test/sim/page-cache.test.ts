/** Readahead by hand, after the rules of docs/model.md and Linux mm/readahead.c and mm/filemap.c. */
import { describe, expect, test } from 'vitest'
import type { Layout } from '../../src/destination/layout.ts'
import { CachedFile, PageCache } from '../../src/sim/page-cache.ts'
import { DeviceQueue } from '../../src/storage/device-queue.ts'
import { layoutOfBits } from '../destination/layout-of-bits.ts'

const PAGE = 4096

/** A cache over a device that takes 100 ns for the latency of any read and 1 ns a page at the gate. */
class Bench {
  readonly layout: Layout
  readonly cache: PageCache
  readonly #device: DeviceQueue
  #delivered = 0

  constructor(layout: Layout, windowPages = 32, warm = false) {
    const device = { latencyNs: 100, latencyP99Ns: 100, bandwidthBytesPerS: PAGE * 1e9, iopsLimit: 1e9 }
    this.layout = layout
    this.#device = new DeviceQueue(
      { ...device, queueDepth: 100, haltPollNs: 0, idleWakeNs: 0, cpuPerReadNs: 0, cpuPerRead4kNs: 0 },
      1,
    )
    this.cache = new PageCache(this.#device, new CachedFile(layout.targetPageCount, warm), windowPages * PAGE)
    this.cache.addReaders(3)
  }

  /** read(2) of `count` pages at `page`: pages that the device delivers for it, and for how long it waits. */
  read(page: number, { count = 1, now = 0, reader = 0 } = {}): [fetched: number, waits: number] {
    const block = this.layout.blocks.findLast(({ firstTargetPage }) => firstTargetPage <= page)!
    const readyNs = this.cache.read(reader, block, page, page + count, now)
    return [this.#fetched(), readyNs - now]
  }

  map(page: number, now = 0): [fetched: number, waits: number] {
    const readyNs = this.cache.map(this.layout.blocks[0], page, now)
    return [this.#fetched(), readyNs - now]
  }

  #fetched(): number {
    const pages = (this.#device.bytesDelivered - this.#delivered) / PAGE
    this.#delivered = this.#device.bytesDelivered
    // Whoever reads pays for what it had the device bring, and for nothing else.
    expect(this.cache.fetchedBytes).toBe(pages * PAGE)
    return pages
  }
}

const all = (pages: number) => new Bench(layoutOfBits({ bits: '1'.repeat(pages) }))

describe('a sequential reader of single pages', () => {
  test('gets windows of 4, 8, 16, 32, 32 pages, each fetched when the one before is touched first', () => {
    const bench = all(200)
    const fetches: [page: number, fetched: number][] = []
    for (let page = 0; page < 100; page++) {
      const [fetched] = bench.read(page, { now: 1e6 * page })
      if (fetched > 0) fetches.push([page, fetched])
    }
    expect(fetches).toEqual([
      [0, 4], // the block's start: 0..3, marker at 1
      [1, 8], // 4..11, marker at 4
      [4, 16], // 12..27
      [12, 32], // 28..59
      [28, 32], // 60..91
      [60, 32], // 92..123
      [92, 32],
    ])
  })

  test('waits for the device at first, and later only if it is faster than the device', () => {
    const bench = all(200)
    expect(bench.read(0)).toEqual([4, 104])
    expect(bench.read(1, { now: 104 })).toEqual([8, 0])
    expect(bench.read(3, { now: 104 })).toEqual([0, 0])
    // Pages 4..11 were asked for at 104 and come at 212; touching page 4 asks for 12..27.
    expect(bench.read(4, { now: 110 })).toEqual([16, 102])
    expect(bench.read(11, { now: 212 })).toEqual([0, 0])
  })

  test('never reads beyond its block', () => {
    const bench = new Bench(layoutOfBits({ bits: '1'.repeat(10) }, { bits: '1'.repeat(50) }))
    expect([0, 1, 4, 9].map(page => bench.read(page, { now: 1e6 * page })[0])).toEqual([4, 6, 0, 0])
    expect(bench.read(10, { now: 1e9 })[0]).toBe(4)
  })

  test('starts in the middle of a block without readahead, and with it from the second page on', () => {
    const bench = all(200)
    expect([50, 51, 52, 55].map(page => bench.read(page, { now: 1e6 * page })[0])).toEqual([1, 4, 8, 16])
  })

  test('costs the device nothing for pages without data, in a window or between windows', () => {
    const bench = new Bench(layoutOfBits({ bits: '1010 0000 0000 0001 1111 1111' }))
    expect(bench.read(0)).toEqual([2, 101])
    // The window 4..11 has no data: no request, and nothing to wait for.
    expect(bench.read(1, { now: 1000 })).toEqual([0, 0])
    expect(bench.read(4, { now: 1000 })).toEqual([9, 0])
    expect(bench.read(15, { now: 1000 })).toEqual([0, 109])
  })
})

describe('a reader that jumps', () => {
  test('reads just what it asks for, and finds it there the next time', () => {
    const bench = all(200)
    expect(bench.read(70)).toEqual([1, 101])
    expect(bench.read(30, { now: 500 })).toEqual([1, 101])
    expect(bench.read(70, { now: 900 })).toEqual([0, 0])
    expect(bench.read(100, { count: 3, now: 900 })).toEqual([3, 103])
  })

  test('fetches only what is missing', () => {
    const bench = all(200)
    bench.read(100)
    expect(bench.read(99, { count: 3, now: 1000 })).toEqual([2, 102])
  })

  test('asks once for each run of pages that is missing and has data, and waits for the one that it wants', () => {
    const bench = new Bench(layoutOfBits({ bits: '1111 0111 1111 1111' }))
    bench.read(6)
    // The window is 0..7: 0..3, 5 and 7, in this order.
    expect(bench.read(0, { count: 4, now: 1000 })).toEqual([6, 104])
    expect(bench.cache.fetches).toBe(3)
    expect(bench.read(5, { now: 1000, reader: 1 })).toEqual([0, 105])
    expect(bench.read(7, { now: 1000, reader: 1 })).toEqual([0, 106])
  })

  test('takes a window all the same for a read of more than the largest', () => {
    const bench = all(200)
    // Its marker is at 67, before its end; so 83..115 are fetched with it, marker at 83, and then 116..148.
    expect(bench.read(50, { count: 33 })).toEqual([66, 133])
    expect(bench.read(83, { now: 1000 })).toEqual([33, 0])
  })

  test('does not disturb the window of another reader, but waits for what that one fetches', () => {
    const bench = all(200)
    bench.read(0)
    expect(bench.read(2, { reader: 1, now: 50 })).toEqual([0, 54])
    expect(bench.read(1, { now: 104 })).toEqual([8, 0])
    expect(bench.read(120, { reader: 2, now: 104 })[0]).toBe(1)
    expect(bench.read(4, { now: 1000 })[0]).toBe(16)
  })
})

describe('the first window', () => {
  test.each([
    [1, 4], // s = 1 ≤ 32 / 32
    [2, 4], // s = 2: twice
    [3, 8], // s = 4
    [8, 16],
    [9, 32], // s = 16 > 32 / 4
    [31, 32],
  ])('for a read of %i pages is %i pages', (count, window) => {
    expect(all(200).read(0, { count })[0]).toBe(window)
  })

  test.each([32, 40])('for a read of %i pages is just that, and the read touches its marker', count => {
    expect(all(200).read(0, { count })[0]).toBe(2 * count)
  })

  test.each([
    [0, 1],
    [1, 1],
    [2, 2],
    [64, 4],
    [128, 4],
  ])('with a limit of %i pages is %i for one page', (limit, window) => {
    expect(new Bench(layoutOfBits({ bits: '1'.repeat(200) }), limit).read(0)[0]).toBe(window)
  })
})

describe('a reader that comes to pages which others have left', () => {
  test('has as many more read as are cached before its own, if they are more than it asks for', () => {
    const bench = all(200)
    bench.read(50)
    // One page before it, and one asked for: that could be chance.
    expect(bench.read(52, { reader: 2 })[0]).toBe(1)
    expect(bench.read(51, { reader: 1 })[0]).toBe(1)
    // 50..52 are cached: 53..56 are read, marker at 56.
    expect(bench.read(53, { now: 1000 })).toEqual([4, 104])
    // The next window is behind it, and twice as large.
    expect([bench.read(55, { reader: 1, now: 2000 }), bench.read(56, { now: 2000 })]).toEqual([
      [0, 0],
      [8, 0],
    ])
  })

  test('goes on behind what is cached when it touches the marker of another', () => {
    const bench = all(200)
    bench.read(0) // 0..3, marker at 1
    // Pages 1..3 and one that is asked for, times two.
    expect(bench.read(1, { reader: 1, now: 1000 })).toEqual([8, 0]) // 4..11
    expect(bench.read(12, { reader: 2, now: 1000 })[0]).toBe(13) // 12 before it, and it
  })

  test('leaves no marker where a page was cached before', () => {
    const bench = all(200)
    bench.read(1, { reader: 1 })
    bench.read(0) // 0..3, and 1 was there
    expect(bench.read(1, { now: 1000 })).toEqual([0, 0])
  })

  test('does not take a page further on than the next for one in order', () => {
    const bench = all(200)
    bench.read(50)
    expect(bench.read(53)[0]).toBe(1)
    expect(bench.read(55)[0]).toBe(4) // the one after the next
  })
})

describe('a mapping', () => {
  test('has the next window fetched when the marker at three quarters of one is touched, which nothing maps around', () => {
    const bench = all(200)
    bench.map(50) // 34..65, marker at 58
    expect([bench.cache.isMappable(57, 1000), bench.cache.isMappable(58, 1000)]).toEqual([true, false])
    expect(bench.map(57, 1000)).toEqual([0, 0])
    expect(bench.map(58, 1000)).toEqual([32, 0]) // 66..97
    expect(bench.cache.isMappable(58, 1000)).toBe(true)
  })

  test('reads the window around a page that misses, within the block', () => {
    const bench = all(100)
    expect(bench.map(50)).toEqual([32, 132]) // 34..65
    expect(bench.map(34, 1000)).toEqual([0, 0])
    expect(bench.map(65, 1000)).toEqual([0, 0])
    expect(bench.map(66, 1000)).toEqual([16, 116]) // 50..81, of which 66..81 are new
    expect(bench.map(3, 2000)).toEqual([32, 132]) // 0..31
    expect(bench.map(99, 3000)).toEqual([17, 117]) // 83..99
  })

  test('waits for a page that is on its way', () => {
    const bench = all(100)
    bench.map(50)
    expect(bench.map(51, 30)).toEqual([0, 102])
    expect([bench.cache.isMappable(51, 131), bench.cache.isMappable(51, 132), bench.cache.isMappable(70, 1e9)]).toEqual(
      [false, true, false],
    )
  })

  test('reads single pages once misses outnumber hits by more than 100, and windows again when hits make up for it', () => {
    const bench = new Bench(layoutOfBits({ bits: '1'.repeat(2000) }), 4)
    const misses = Array.from({ length: 103 }, (_, i) => bench.map(2 + 10 * i, 1e6 * i)[0])
    expect(misses).toEqual([...new Array(100).fill(4), 1, 1, 1])
    for (let hit = 0; hit < 3; hit++) expect(bench.map(2, 1e9)[0]).toBe(0)
    expect(bench.map(1502, 2e9)[0]).toBe(1) // back to 100, and 101 by this miss
    expect(bench.map(2, 3e9)[0]).toBe(0)
    expect(bench.map(2, 3e9)[0]).toBe(0)
    expect(bench.map(1602, 4e9)[0]).toBe(4)
  })

  test('counts no more than 1,000 misses', () => {
    const bench = new Bench(layoutOfBits({ bits: '1'.repeat(5000) }), 4)
    for (let i = 0; i < 1200; i++) bench.map(4 * i, 1e6 * i)
    for (let hit = 0; hit < 900; hit++) bench.map(0, 1e10)
    expect(bench.map(4990, 2e10)[0]).toBe(1)
    for (let hit = 0; hit < 2; hit++) bench.map(0, 3e10)
    expect(bench.map(4902, 4e10)[0]).toBe(4)
  })
})

describe('a warm cache', () => {
  test('has everything', () => {
    const bench = new Bench(layoutOfBits({ bits: '1'.repeat(100) }), 32, true)
    expect([bench.read(0), bench.read(70, { count: 9 }), bench.map(99)]).toEqual([
      [0, 0],
      [0, 0],
      [0, 0],
    ])
    expect(bench.cache.isMappable(5, 0)).toBe(true)
  })
})
