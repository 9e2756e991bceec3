/** Real records to render: a small comparison over all policies. */
import { parseHostPages } from '../../src/destination/host-pages.ts'
import { createLayout } from '../../src/destination/layout.ts'
import type { RestoreResult } from '../../src/engine/result.ts'
import { compare } from '../../src/experiment/compare.ts'
import { createSimEngine } from '../../src/sim/sim-engine.ts'
import { openSnapshot } from '../../src/snapshot/open-snapshot.ts'
import { parseStorage } from '../../src/storage/device.ts'
import { memoryOfSnapshot } from '../../src/workload/memory.ts'
import { createWorkload } from '../../src/workload/registry.ts'

export async function comparison(policies: string | null = null): Promise<RestoreResult[]> {
  const snapshot = await openSnapshot('synthetic:16MiB,zero=60%,seed=1')
  const { results } = await compare({
    engine: createSimEngine(),
    layout: createLayout(snapshot, parseHostPages('4K')),
    workload: createWorkload('working-set', memoryOfSnapshot(snapshot), 1),
    storage: parseStorage('nvme'),
    policies,
    recording: null,
    seed: 1,
    fixedNs: 8e6,
  })
  return [...results]
}
