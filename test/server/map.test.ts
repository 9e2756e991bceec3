/** The memory map of a cell over real HTTP: what the restore's own record says, page by page. */
import type { MemoryMap, NewExperiment } from 'lazyrestore/client'
import { beforeAll, describe, expect, it } from 'vitest'
import { collect, useServer } from './support.ts'

const MIB = 2 ** 20
const PAGES = (32 * MIB) / 4096
const SPEC: NewExperiment = {
  snapshot: 'synthetic:32MiB,zero=60%,seed=3',
  workloads: ['working-set:share=10%,vcpus=2'],
  policies: ['eager', 'lazy', 'lazy-sweep', 'mmap'],
}

const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((total, value) => total + value, 0)

describe('the memory map of a cell', () => {
  const server = useServer()
  let id: string

  beforeAll(async () => {
    const client = server.client()
    id = (await client.experiments.create(SPEC)).id
    await collect(client.experiments.events(id))
  })

  const mapOf = (policy: string, query = {}): Promise<MemoryMap> =>
    server.client().experiments.map(id, SPEC.policies!.indexOf(policy), query)

  it.each(SPEC.policies!)('of %s agrees with its record', async policy => {
    const { result } = await server.client().experiments.cell(id, SPEC.policies!.indexOf(policy))
    const map = await mapOf(policy, { cells: 65_536 })
    expect(map).toMatchObject({ hostPages: PAGES, from: 0, count: PAGES, pagesPerCell: 1 })
    expect(map.resumeNs).toBe(result!.resumeNs)
    expect(map.workDoneNs).toBe(result!.workDoneNs)
    expect(sum(map.touched) * 4096).toBe(result!.bytesTouched)
    const resident = sum(map.byFault) + sum(map.byPrefetch)
    // Under the others the kernel gives zero pages by itself, and nobody installs them.
    if (policy.startsWith('lazy')) expect(resident * 4096).toBe(result!.bytesInstalled)
    else expect(resident * 4096).toBeGreaterThanOrEqual(result!.bytesInstalled)
    if (policy === 'lazy') expect([resident, sum(map.wasted)]).toEqual([sum(map.touched), 0])
    if (policy === 'lazy-sweep') expect([resident, sum(map.wasted)]).toEqual([PAGES, PAGES - sum(map.touched)])
    const wrong = [...map.firstNs.keys()].filter(cell => {
      const came = map.byFault[cell] + map.byPrefetch[cell] > 0
      return Number.isNaN(map.firstNs[cell]) === came || map.lastNs[cell] > map.endNs
    })
    expect(wrong).toEqual([])
  })

  it('is the same whether asked for whole, by windows, or in JSON', async () => {
    const whole = await mapOf('lazy-sweep', { cells: 64 })
    const half = await mapOf('lazy-sweep', { from: PAGES / 2, count: PAGES / 2, cells: 32 })
    for (const key of ['zero', 'byFault', 'byPrefetch', 'wasted', 'firstNs', 'lastNs'] as const) {
      expect([...half[key]]).toEqual([...whole[key]].slice(32))
    }
    const json = await server.client({ encoding: 'json' }).experiments.map(id, 1, { cells: 64 })
    const binary = await mapOf('lazy', { cells: 64 })
    expect(json.byFault).toEqual([...binary.byFault])
    expect(json.firstNs).toEqual(Array.from(binary.firstNs, ns => (Number.isNaN(ns) ? null : ns)))
  })

  it('is refused where there is none', async () => {
    await expect(mapOf('lazy', { from: PAGES })).rejects.toMatchObject({ status: 400, code: 'usage' })
    await expect(mapOf('lazy', { cells: 65_537 })).rejects.toMatchObject({ status: 400 })
    await expect(server.client().experiments.map(id, 99)).rejects.toMatchObject({ status: 404 })
    await expect(server.client().experiments.map('exp_0000000000', 0)).rejects.toMatchObject({ status: 404 })
  })
})
