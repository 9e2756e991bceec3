/** Restores on the real kernel for a test: a snapshot file in a temporary folder, an engine, and both closed afterwards. */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Bitmap } from '../../../src/core/bitmap.ts'
import { parseSpec } from '../../../src/core/spec-string.ts'
import { parseHostPages } from '../../../src/destination/host-pages.ts'
import { createLayout, type Layout } from '../../../src/destination/layout.ts'
import type { Engine } from '../../../src/engine/engine.ts'
import type { RestoreResult } from '../../../src/engine/result.ts'
import { usesWorkingSet } from '../../../src/policy/registry.ts'
import { openSnapshot } from '../../../src/snapshot/open-snapshot.ts'
import type { Snapshot } from '../../../src/snapshot/snapshot.ts'
import { snapshotPages, writeSnapshot } from '../../../src/snapshot/snapshot-writer.ts'
import { openSynthetic } from '../../../src/snapshot/synthetic.ts'
import { hostStorage } from '../../../src/storage/host-storage.ts'
import type { DestinationMemory } from '../../../src/uffd/engine/destination-memory.ts'
import { workingSetOf } from '../../../src/working-set/working-set.ts'
import { memoryOfSnapshot } from '../../../src/workload/memory.ts'
import { createWorkload } from '../../../src/workload/registry.ts'

/** A folder that is removed when the test has ended. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lazyrestore-engine-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

/** Writes a synthetic snapshot to a file and opens that. */
export async function syntheticFile(spec: string): Promise<Snapshot> {
  const path = join(temporaryFolder(), 'snapshot')
  const synthetic = openSynthetic(spec)
  await writeSnapshot(path, {
    format: 'mapped-ram',
    machine: 'test',
    blocks: synthetic.blocks,
    fillPages: snapshotPages(synthetic),
  })
  const snapshot = await openSnapshot(path)
  onTestFinished(() => snapshot.close())
  return snapshot
}

export interface RestoreCase {
  readonly snapshot: Snapshot
  readonly policy: string
  readonly hostPages?: string
  readonly workload?: string
  readonly storage?: string
  readonly seed?: number
}

export async function restore(engine: Engine, given: RestoreCase): Promise<RestoreResult> {
  const { snapshot, hostPages = '4K', seed = 1, storage = 'host:cache=warm' } = given
  const { workload: spec = 'working-set:share=20%,think=0ns,reuse=1,write=0.3' } = given
  const layout = createLayout(snapshot, parseHostPages(hostPages))
  const workload = createWorkload(spec, memoryOfSnapshot(snapshot), seed)
  const policy = parseSpec(given.policy)
  return engine.restore({
    layout,
    policy,
    workload,
    storage: hostStorage(storage),
    workingSet: usesWorkingSet(policy) ? workingSetOf(layout, workload) : null,
    seed,
    fixedNs: 0,
  })
}

/** sha256 of each block's memory, read without touching it; `missing at N` where a page is not there. */
export function memoryHashes({ layout, regions, map }: DestinationMemory): string[] {
  return layout.blocks.map(({ block, index }) => {
    const bytes = new Uint8Array(block.usedLength)
    const count = regions[index].resident.read(map.blockAddress[index], bytes)
    return count < bytes.length ? `missing at ${count}` : createHash('sha256').update(bytes).digest('hex')
  })
}

export type Inspect = (memory: DestinationMemory, installed: Bitmap) => Promise<void>

/** Host pages that have data and those that have none. */
export function contentOf({ blocks, hasData, hostPageCount }: Layout): { data: number; zero: number } {
  let data = 0
  for (let page = 0; page < hostPageCount; page++) if ((hasData[page >>> 5] >>> (page & 31)) & 1) data++
  return { data, zero: blocks.reduce((sum, b) => sum + b.endHostPage - b.firstHostPage, 0) - data }
}
