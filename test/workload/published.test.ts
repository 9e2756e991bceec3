/** Generators against the statistics that were published of what they stand for. docs/workloads.md has the sources. */
import { describe, expect, test } from 'vitest'
import { createBitmap, popcount32 } from '../../src/core/bitmap.ts'
import { memoryOfSize } from '../../src/workload/memory.ts'
import { REAP_FUNCTIONS } from '../../src/workload/reap-functions.ts'
import { createWorkload } from '../../src/workload/registry.ts'
import { distinctPages, workloadStats } from '../../src/workload/stats.ts'
import type { Workload } from '../../src/workload/workload.ts'
import { memoryWithData, refusal } from './support.ts'

const REAP_GUEST = memoryOfSize(65_536, 4096)
const GUEST_1GIB = memoryOfSize(262_144, 4096)

function sharedPages(a: Workload, b: Workload) {
  const [left, right] = [distinctPages(a).bitmap, distinctPages(b).bitmap]
  let both = 0
  let either = 0
  for (let word = 0; word < left.length; word++) {
    both += popcount32(left[word] & right[word])
    either += popcount32(left[word] | right[word])
  }
  return { both, either }
}

describe('the ten functions of the REAP paper', () => {
  test.each(REAP_FUNCTIONS)('$name: pages, mean run, booted memory, warm time', one => {
    const workload = createWorkload(`reap-function:function=${one.name}`, REAP_GUEST, 1)
    const stats = workloadStats(workload)
    expect(stats.distinctPages).toBe(one.samePages + one.uniquePages)
    expect(stats.accesses).toBe(stats.distinctPages)
    expect(Math.abs(stats.meanRunPages / one.contiguity - 1)).toBeLessThan(0.03)
    expect(workload.page.reduce((most, page) => Math.max(most, page), 0) * 4096).toBeLessThan(one.bootedMb * 1.05e6)
    expect(Math.abs(stats.computeNs / 1e6 / one.warmMs - 1)).toBeLessThan(0.03)
  })

  test.each(REAP_FUNCTIONS)('$name: what two invocations have in common', one => {
    const [a, b] = [0, 1].map(i => createWorkload(`reap-function:function=${one.name},invocation=${i}`, REAP_GUEST, 1))
    const { both, either } = sharedPages(a, b)
    const pages = one.samePages + one.uniquePages
    expect(both + either).toBe(2 * pages)
    // The pages of one invocation alone may meet those of another by chance where memory is nearly full.
    expect(both).toBeGreaterThanOrEqual(one.samePages)
    expect(both).toBeLessThanOrEqual(one.samePages + one.uniquePages * (pages / (one.bootedMb * 244)) + 10)
  })

  test('lie on pages with data where the snapshot has them', () => {
    const memory = memoryWithData(65_536, 0.6, 64)
    const { page } = createWorkload('reap-function:function=helloworld', memory, 1)
    expect([...page].every(one => (memory.present![one >>> 5] >>> (one & 31)) & 1)).toBe(true)
  })

  test('refuse an unknown function and a memory that is too small', async () => {
    expect(await refusal(() => createWorkload('reap-function:function=hello', REAP_GUEST, 1))).toBe(
      'usage: reap-function:function=hello: option function: found "hello", expected one of helloworld, chameleon, pyaes, image_rotate, json_serdes, lr_serving, cnn_serving, rnn_serving, lr_training, video_processing',
    )
    expect(await refusal(() => createWorkload('reap-function', memoryOfSize(2000, 4096), 1))).toBe(
      "usage: reap-function: found room for 1103 pages, expected at least the function's 1967",
    )
  })
})

describe("fcvm's Chromium clone", () => {
  const clones = Array.from({ length: 8 }, (_, clone) => createWorkload(`chromium:clone=${clone}`, GUEST_1GIB, 1))

  test.each([0, 7])('clone %i: 56,300 faults, 8.6 % on the next page, half by 300 ms, 98 % by 750 ms', clone => {
    const { page, thinkNs } = clones[clone]
    expect(page.length).toBe(56_300)
    expect(distinctPages(clones[clone]).count).toBe(56_300)
    let next = 0
    for (let i = 1; i < page.length; i++) if (page[i] === page[i - 1] + 1) next++
    expect(next / page.length).toBeCloseTo(0.086, 2)
    expect(shareBy(thinkNs, 300e6)).toBeCloseTo(0.5, 3)
    expect(shareBy(thinkNs, 750e6)).toBeCloseTo(0.98, 3)
    expect(workloadStats(clones[clone]).meanRunPages).toBeCloseTo(2.3, 0)
  })

  test('two clones have a Jaccard index of 0.927, and 82.2 % of what eight touch is touched by all', () => {
    const { both, either } = sharedPages(clones[0], clones[1])
    expect(both / either).toBeCloseTo(0.927, 2)
    const maps = clones.map(clone => distinctPages(clone).bitmap)
    let all = 0
    let any = 0
    for (let word = 0; word < createBitmap(262_144).length; word++) {
      all += popcount32(maps.reduce((bits, map) => bits & map[word], -1))
      any += popcount32(maps.reduce((bits, map) => bits | map[word], 0))
    }
    expect(all / any).toBeCloseTo(0.822, 2)
  })
})

/** Share of the faults by `timeNs`, each having taken the 5.6 µs that the generator takes off. */
function shareBy(thinkNs: Uint32Array, timeNs: number): number {
  let nowNs = 0
  let count = 0
  for (const think of thinkNs) {
    nowNs += think + 5600
    if (nowNs <= timeNs) count++
  }
  return count / thinkNs.length
}

describe('phases', () => {
  const spec = 'phases:phases=4,share=2%,overlap=25%,accesses=60000,think=1us,jitter=0,vcpus=2'
  const workload = createWorkload(spec, memoryWithData(262_144, 0.4, 64), 1)

  test('each has a working set of its size, of which a share was in the one before', () => {
    const { starts, page } = workload
    const sets = Array.from({ length: 4 }, (_, phase) => {
      const set = new Set<number>()
      for (const vcpu of [0, 1]) {
        for (let i = 0; i < 30_000; i++) set.add(page[starts[vcpu] + phase * 30_000 + i])
      }
      return set
    })
    for (const [phase, set] of sets.entries()) {
      expect(set.size).toBeGreaterThan(5243 * 0.99)
      expect(set.size).toBeLessThanOrEqual(5243)
      if (phase === 0) continue
      const kept = [...set].filter(one => sets[phase - 1].has(one)).length
      expect(kept / 5243).toBeCloseTo(0.25, 1)
      if (phase > 1) expect([...set].some(one => sets[phase - 2].has(one))).toBe(false)
    }
  })

  test('idle time lies between them only', () => {
    const idle = createWorkload(`${spec},idle=10ms`, memoryOfSize(262_144, 4096), 1)
    const idles = [...idle.flags.keys()].filter(i => (idle.flags[i] & 2) !== 0)
    expect(idles).toEqual([30_000, 60_000, 90_000, 150_000, 180_000, 210_000])
    expect(idle.thinkNs[30_000]).toBe(10e6)
  })

  test('more pages than there are is refused', async () => {
    expect(await refusal(() => createWorkload('phases:share=50%,overlap=0', memoryOfSize(100, 4096), 1))).toBe(
      "usage: phases:share=50%,overlap=0: found 4 phases that have 200 pages together, expected at most the memory's 100",
    )
  })
})
