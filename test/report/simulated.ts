/** Records of a small simulated restore, by policy. */
import { parseHostPages } from '../../src/destination/host-pages.ts'
import { createLayout } from '../../src/destination/layout.ts'
import type { RestoreResult } from '../../src/engine/result.ts'
import { compare } from '../../src/experiment/compare.ts'
import { DEFAULT_HOST_PROFILE } from '../../src/sim/host-profile.ts'
import { createSimEngine, type SimEngineOptions } from '../../src/sim/sim-engine.ts'
import { openSynthetic } from '../../src/snapshot/synthetic.ts'
import { parseStorage } from '../../src/storage/device.ts'
import { memoryOfSnapshot } from '../../src/workload/memory.ts'
import { createWorkload } from '../../src/workload/registry.ts'

export async function simulateAll(
  policies: string,
  workload: string,
  onTimeline?: SimEngineOptions['onTimeline'],
): Promise<readonly RestoreResult[]> {
  const snapshot = openSynthetic('synthetic:32MiB,zero=50%')
  const { results } = await compare({
    engine: createSimEngine(DEFAULT_HOST_PROFILE, onTimeline === undefined ? {} : { onTimeline }),
    layout: createLayout(snapshot, parseHostPages('4K')),
    workload: createWorkload(workload, memoryOfSnapshot(snapshot), 1),
    storage: parseStorage('nvme'),
    policies,
    recording: null,
    seed: 1,
    fixedNs: 8e6,
  })
  return results
}
