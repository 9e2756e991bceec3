/** Snapshot files to be restored from, each with the guest memory regions that its VMM had. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, onTestFinished } from 'vitest'
import { MIB } from '../../src/core/units.ts'
import { writeFlat } from '../../src/snapshot/flat-writer.ts'
import { snapshotPages, writeSnapshot } from '../../src/snapshot/snapshot-writer.ts'
import { openSynthetic } from '../../src/snapshot/synthetic.ts'
import { pageOf, sparseFile } from '../snapshot/formats/support.ts'
import { foldsOfSnapshot } from './expected.ts'
import { PAGE_BYTES } from './vmm/protocol.ts'

export interface TestSnapshot {
  /** As written on a command line. */
  readonly name: string
  /** Bytes of each region. */
  readonly regions: readonly number[]
  /** Of each page. */
  readonly folds: Uint32Array
}

/** On either side of an MMIO hole. */
const REGIONS = [40 * MIB, 24 * MIB]
export const TOTAL_BYTES = 64 * MIB
export const PAGE_COUNT = TOTAL_BYTES / PAGE_BYTES
/** First page of the second region, where there are two. */
export const SECOND_REGION = REGIONS[0] / PAGE_BYTES

export type SnapshotKind = 'firecracker' | 'raw' | 'mapped-ram' | 'layers'

/** A folder that goes with the test. */
export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lazyrestore-uffd-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const made = new Map<string, Promise<TestSnapshot>>()
const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/**
 * 64 MiB, half of them zero pages, in runs of five. Other seeds have other bytes, and holes elsewhere. Made once for the tests of a file,
 * which leave it as it is.
 */
export function snapshotOf(kind: SnapshotKind, seed = 1): Promise<TestSnapshot> {
  const key = `${kind} ${seed}`
  const snapshot = made.get(key) ?? create(kind, seed)
  made.set(key, snapshot)
  return snapshot
}

async function create(kind: SnapshotKind, seed: number): Promise<TestSnapshot> {
  const folder = mkdtempSync(join(tmpdir(), 'lazyrestore-uffd-'))
  folders.push(folder)
  const { name, regions } = await WRITERS[kind](folder, seed)
  return { name, regions, folds: await foldsOfSnapshot(name) }
}

type Written = Pick<TestSnapshot, 'name' | 'regions'>

const WRITERS: Readonly<Record<SnapshotKind, (folder: string, seed: number) => Promise<Written>>> = {
  async firecracker(folder, seed) {
    const path = join(folder, 'mem')
    await writeMemory(path, seed)
    return { name: `firecracker:${path},regions=0x0+${REGIONS[0]};0x100000000+${REGIONS[1]}`, regions: REGIONS }
  },
  async raw(folder, seed) {
    const path = join(folder, 'memory.raw')
    await writeMemory(path, seed)
    return { name: path, regions: [TOTAL_BYTES] }
  },
  async 'mapped-ram'(folder, seed) {
    const path = join(folder, 'vm.mig')
    const snapshot = synthetic(seed)
    const fillPages = snapshotPages(snapshot)
    await writeSnapshot(path, { format: 'mapped-ram', machine: 'test', blocks: snapshot.blocks, fillPages })
    return { name: path, regions: [TOTAL_BYTES] }
  },
  /** Three diffs over a base, of which each has changed pages, some of them to zeros. */
  async layers(folder, seed) {
    await writeMemory(join(folder, 'base'), seed)
    for (const layer of [1, 2, 3]) {
      const pages = Array.from({ length: 300 }, (_, i) => (i * (23 + layer) + layer) % PAGE_COUNT)
      const pieces = pages.map((page, i) => [page * PAGE_BYTES, pageOf(i % 4 === 0 ? 0 : seed + layer * i)] as const)
      await sparseFile(join(folder, `diff${layer}`), TOTAL_BYTES, pieces)
    }
    const name = join(folder, 'chain')
    writeFileSync(name, 'lazyrestore layers 1\nfirecracker:base\ndiff1\ndiff2\ndiff3\n')
    return { name, regions: [TOTAL_BYTES] }
  },
}

function synthetic(seed: number) {
  return openSynthetic(`synthetic:${TOTAL_BYTES},zero=50%,runs=5,seed=${seed}`)
}

async function writeMemory(path: string, seed: number): Promise<void> {
  const snapshot = synthetic(seed)
  await writeFlat(path, { snapshot, blocks: snapshot.blocks })
}
