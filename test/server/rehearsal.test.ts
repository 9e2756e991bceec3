import { describe, expect, it } from 'vitest'
import type { CellSpec } from '../../server/jobs/job.ts'
import { rehearsalOf, rehearse } from '../../server/jobs/rehearsal.ts'
import { runCells } from '../../server/jobs/run-cells.ts'
import { Sources } from '../../server/jobs/sources.ts'
import { decodeRecord } from '../../server/store/record-codec.ts'

const LIMITS = { snapshotPages: 100_000, workloadAccesses: 100_000 }

function cell(changes: Partial<CellSpec> = {}): CellSpec {
  return {
    snapshot: { kind: 'synthetic', spec: 'synthetic:8MiB,zero=30%' },
    layout: '4K',
    policy: 'lazy',
    workload: { kind: 'generated', spec: 'working-set:share=10%' },
    storage: 'nvme',
    engine: 'sim',
    seed: 1,
    fixedNs: 0,
    recording: null,
    profile: null,
    ...changes,
  }
}

describe('the rehearsal of a sweep', () => {
  it('has each way to restore, on a small snapshot, and nothing that is restored for real', () => {
    const policies = ['lazy', 'eager', 'lazy', 'lazy-sweep']
    const cells = policies.map((policy, seed) => cell({ policy, seed }))
    const rehearsal = rehearsalOf([...cells, cell({ storage: 'hdd' }), cell({ engine: 'uffd' })])
    const ways = new Set(rehearsal.map(({ policy, storage }) => `${policy} ${storage}`))
    expect([...ways]).toEqual(['lazy nvme', 'eager nvme', 'lazy-sweep nvme', 'lazy hdd'])
    expect(new Set(rehearsal.map(({ snapshot }) => JSON.stringify(snapshot))).size).toBe(1)
    expect(rehearsal.length).toBe(2 * ways.size)
  })

  it('changes no result, and fails nothing when it cannot be done', async () => {
    const cells = [cell(), cell({ policy: 'eager' })]
    const alone = await runCells(cells, new Sources(), LIMITS)
    const sources = new Sources()
    await rehearse(rehearsalOf([...cells, cell({ layout: 'no-such-block=2M' })]), sources, LIMITS)
    const after = await runCells(cells, sources, LIMITS)
    const results = [alone, after].map(ended => ended.map(({ result }) => decodeRecord(result!)))
    expect(results[1]).toEqual(results[0])
  })
})
