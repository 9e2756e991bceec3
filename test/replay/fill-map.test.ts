/** The map of how a restore fills memory, held against the record of the same restore and against itself. */
import { describe, expect, it } from 'vitest'
import { parseHostPages } from '../../src/destination/host-pages.ts'
import { createLayout } from '../../src/destination/layout.ts'
import { pageWindow } from '../../src/destination/window.ts'
import { compare } from '../../src/experiment/compare.ts'
import { type FillMap, fillMap } from '../../src/replay/fill-map.ts'
import { DEFAULT_HOST_PROFILE } from '../../src/sim/host-profile.ts'
import { createSimEngine } from '../../src/sim/sim-engine.ts'
import { openSynthetic } from '../../src/snapshot/synthetic.ts'
import { parseStorage } from '../../src/storage/device.ts'
import { workingSetOf } from '../../src/working-set/working-set.ts'
import { memoryOfSnapshot } from '../../src/workload/memory.ts'
import { createWorkload } from '../../src/workload/registry.ts'

const snapshot = openSynthetic('synthetic:16MiB,zero=50%,runs=8,seed=2')
const layout = createLayout(snapshot, parseHostPages('4K'))
const workload = createWorkload('working-set:share=20%,vcpus=3', memoryOfSnapshot(snapshot), 4)
const storage = parseStorage('nvme')
const sum = (counts: Uint32Array): number => counts.reduce((total, count) => total + count, 0)

function mapOf(policy: string, from = 0, count: number | null = null, cells = 64): FillMap {
  const workingSet = workingSetOf(layout, workload).pages
  const options = { layout, policy, storage, profile: DEFAULT_HOST_PROFILE, seed: 4, fixedNs: 8e6, workingSet }
  return fillMap(options, workload, pageWindow(layout, from, count, cells))
}

describe.each(['lazy', 'lazy-sweep', 'read-around', 'eager', 'working-set', 'mmap'])('the map of %s', policy => {
  const map = mapOf(policy)

  it('says of each page what the record says of all', async () => {
    const { results } = await compare({
      engine: createSimEngine(),
      layout,
      workload,
      storage,
      policies: policy,
      recording: null,
      seed: 4,
      fixedNs: 8e6,
    })
    const { workDoneNs, resumeNs, faults, bytesTouched, prefetchAccuracy, bytesInstalled } = results[0]
    expect([map.workDoneNs, map.resumeNs]).toEqual([workDoneNs, resumeNs])
    expect(sum(map.touched) * 4096).toBe(bytesTouched)
    expect(sum(map.byFault)).toBeLessThanOrEqual(faults)
    const prefetched = sum(map.byPrefetch)
    expect(prefetched === 0 ? null : (prefetched - sum(map.wasted)) / prefetched).toBe(prefetchAccuracy)
    if (policy !== 'eager') expect((sum(map.byFault) + prefetched) * 4096).toBe(bytesInstalled)
  })

  it('gives every page that came a time between the start and the end, and no other', () => {
    for (const [cell, firstNs] of map.firstNs.entries()) {
      const came = map.byFault[cell] + map.byPrefetch[cell] > 0
      expect(Number.isNaN(firstNs)).toBe(!came)
      if (!came) continue
      expect(firstNs).toBeLessThanOrEqual(map.lastNs[cell])
      expect(map.lastNs[cell]).toBeLessThanOrEqual(map.endNs)
    }
  })

  it('is the same whatever window it is looked at through', () => {
    const [low, high] = [mapOf(policy, 0, 2048, 32), mapOf(policy, 2048, 2048, 32)]
    for (const key of ['touched', 'byFault', 'byPrefetch', 'wasted', 'firstNs', 'lastNs'] as const) {
      expect([...low[key], ...high[key]], key).toEqual([...map[key]])
    }
  })
})
