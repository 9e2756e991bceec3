/**
 * Random restores: small memories of every kind under every policy of the registry with any options, cheap and dear hosts
 * and devices. A case is plain data, so that fast-check can shrink and print it; `restoreOf` makes the real thing of it.
 */
import { fc } from '@fast-check/vitest'
import { createBitmap, setBits } from '../../src/core/bitmap.ts'
import { createRandom, nextFloat, nextUint32 } from '../../src/core/random.ts'
import { type OptionRule, parseSpec, type Spec } from '../../src/core/spec-string.ts'
import type { MemoryKind } from '../../src/destination/host-pages.ts'
import { createLayout, hostPagesOf, type Layout } from '../../src/destination/layout.ts'
import type { Policy } from '../../src/policy/policy.ts'
import { createPolicy, POLICIES } from '../../src/policy/registry.ts'
import { type FaultPath, FREE_FAULT_PATH } from '../../src/sim/fault-path.ts'
import { DEFAULT_HOST_PROFILE, type HostCosts, hostCosts } from '../../src/sim/host-profile.ts'
import type { ByteSource } from '../../src/snapshot/byte-source.ts'
import { memorySource } from '../../src/snapshot/byte-source.ts'
import type { RamBlock, Snapshot } from '../../src/snapshot/snapshot.ts'
import type { DeviceParameters, Storage } from '../../src/storage/device.ts'
import { firstUseOrder } from '../../src/workload/first-use.ts'
import { ACCESS_IDLE, ACCESS_WRITE, type Workload } from '../../src/workload/workload.ts'
import { installOf } from '../policy/plans.ts'
import { anyBeyond, anyDevice, type Beyond } from '../storage/random-storage.ts'

const KIB = 1024
const MIB = 1024 * KIB

// ---- memory ----

export interface BlockCase {
  /** Kind and host page size. */
  readonly memory: readonly [kind: MemoryKind, hostPageSize: number]
  readonly hostPages: number
  /** Target pages that the last host page lacks, as far as it can. */
  readonly missing: number
  readonly dataShare: number
  readonly meanRun: number
  readonly seed: number
}

const MEMORIES: readonly (readonly [MemoryKind, number])[] = [
  ['anon', 4 * KIB],
  ['shmem', 4 * KIB],
  ['anon', 64 * KIB],
  ['shmem', 64 * KIB],
  ['anon', 2 * MIB],
  ['shmem', 2 * MIB],
  ['hugetlb', 2 * MIB],
]

const anyBlock: fc.Arbitrary<BlockCase> = fc.constantFrom(...MEMORIES).chain(memory =>
  fc.record({
    memory: fc.constant(memory),
    hostPages: fc.integer({ min: 1, max: memory[1] === 4 * KIB ? 300 : memory[1] === 64 * KIB ? 20 : 2 }),
    missing: fc.oneof(fc.constant(0), fc.nat(1000)),
    dataShare: fc.constantFrom(0, 0.1, 0.5, 0.9, 1),
    meanRun: fc.constantFrom(1, 3, 20, 200),
    seed: fc.nat(),
  }),
)

export interface MemoryCase {
  /** Target page size. */
  readonly pageSize: number
  readonly blocks: readonly BlockCase[]
}

export const anyMemory: fc.Arbitrary<MemoryCase> = fc.record<MemoryCase>({
  pageSize: fc.constantFrom(4096, 4096, 4096, 1024, 16_384),
  blocks: fc.array(anyBlock, { minLength: 1, maxLength: 3 }),
})

/** A policy that maps files takes no other memory. */
function mappable({ blocks }: MemoryCase): MemoryCase {
  return { pageSize: 4096, blocks: blocks.map(block => ({ ...block, memory: ['anon', 4096] })) }
}

/** @param source the bytes behind the page slots, given the blocks; by default nothing that could be read */
export function layoutOf(
  { pageSize, blocks }: MemoryCase,
  source?: (blocks: readonly RamBlock[]) => ByteSource,
): Layout {
  const memories = blocks.map(({ memory: [kind, size] }) => ({ kind, hostPageSize: Math.max(size, pageSize) }))
  let pagesOffset = 1000
  const ramBlocks = blocks.map((block, i): RamBlock => {
    const perHostPage = memories[i].hostPageSize / pageSize
    const missing = memories[i].kind === 'hugetlb' ? 0 : block.missing % perHostPage
    const pageCount = block.hostPages * perHostPage - missing
    const { bitmap, setBits } = randomBitmap(pageCount, block)
    const place = { bitmapOffset: null, pagesOffset, ignored: false }
    pagesOffset += pageCount * pageSize + 512
    return { name: `block${i}`, usedLength: pageCount * pageSize, pageSize, pageCount, bitmap, setBits, ...place }
  })
  const snapshot: Snapshot = {
    format: 'mapped-ram',
    name: 'random',
    machine: null,
    capabilities: [],
    blocks: ramBlocks,
    deviceState: null,
    ramSectionId: null,
    identity: 'random',
    source: source?.(ramBlocks) ?? memorySource(new Uint8Array(0), 'nothing'),
    close: async () => {},
  }
  return createLayout(snapshot, { forBlock: block => memories[ramBlocks.indexOf(block)], checkAllUsed: () => {} })
}

function randomBitmap(pageCount: number, { dataShare, meanRun, seed }: BlockCase) {
  const bitmap = createBitmap(pageCount)
  const random = createRandom(seed)
  let set = 0
  for (let page = 0; page < pageCount; ) {
    const count = Math.min(1 + (nextUint32(random) % (2 * meanRun - 1)), pageCount - page)
    if (nextFloat(random) < dataShare) {
      setBits(bitmap, page, count)
      set += count
    }
    page += count
  }
  return { bitmap, setBits: set }
}

// ---- workload ----

interface Stroke {
  readonly page: number
  readonly count: number
  readonly step: number
  readonly thinkNs: number
  readonly write: boolean
  readonly idle: boolean
}

const anyStroke: fc.Arbitrary<Stroke> = fc.record({
  page: fc.nat(3000),
  count: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 40 })),
  step: fc.constantFrom(0, 1, 1, 3),
  thinkNs: fc.constantFrom(0, 0, 1, 100, 777, 30_000, 2_000_000),
  write: fc.boolean(),
  idle: fc.constantFrom(false, false, true),
})
/** For each vCPU its strokes: accesses to pages at even distances. */
export const anyStrokes = fc.array(fc.array(anyStroke, { maxLength: 10 }), { minLength: 1, maxLength: 5 })

export function workloadOf(layout: Layout, vcpus: readonly (readonly Stroke[])[]): Workload {
  const pageCount = layout.targetPageCount
  const columns = { page: [] as number[], thinkNs: [] as number[], flags: [] as number[] }
  const starts = [0]
  for (const strokes of vcpus) {
    for (const { page, count, step, thinkNs, write, idle } of strokes) {
      for (let i = 0; i < count; i++) {
        columns.page.push((page + i * step) % pageCount)
        columns.thinkNs.push(thinkNs)
        // The page is read first, so that some reads map what a write then finds.
        columns.flags.push((write && i % 3 !== 1 ? ACCESS_WRITE : 0) | (idle && i % 4 === 0 ? ACCESS_IDLE : 0))
      }
    }
    starts.push(columns.page.length)
  }
  return {
    name: 'strokes',
    seed: null,
    snapshotIdentity: null,
    pageCount,
    pageSize: layout.blocks[0].block.pageSize,
    vcpus: vcpus.length,
    starts: Uint32Array.from(starts),
    page: Uint32Array.from(columns.page),
    thinkNs: Uint32Array.from(columns.thinkNs),
    flags: Uint8Array.from(columns.flags),
  }
}

/** Host pages in a recorded order: the workload's own, a shuffled part of all, or everything in order. */
export const anyRecording = fc.record({ sort: fc.constantFrom('first-use', 'shuffled', 'all'), seed: fc.nat() })
type Recording = typeof anyRecording extends fc.Arbitrary<infer T> ? T : never

export function recordingOf(layout: Layout, workload: Workload, { sort, seed }: Recording): Uint32Array {
  if (sort === 'first-use') return firstUseOrder(workload, hostPagesOf(layout, workload.page), layout.hostPageCount)
  const pages = Array.from({ length: layout.hostPageCount }, (_, page) => page)
  if (sort === 'all') return Uint32Array.from(pages)
  const random = createRandom(seed)
  for (let i = pages.length - 1; i > 0; i--) {
    const j = nextUint32(random) % (i + 1)
    ;[pages[i], pages[j]] = [pages[j], pages[i]]
  }
  return Uint32Array.from(pages.slice(0, nextUint32(random) % (pages.length + 1)))
}

// ---- policy ----

const VALUES: { readonly [kind in OptionRule['kind']]: readonly string[] } = {
  bytes: ['0', '4096', '20K', '64K', '1M', '3M', '400M'],
  count: ['0', '1', '2', '3'],
  boolean: ['true', 'false'],
  durationNs: ['0', '1us', '1ms'],
  share: ['0', '0.5', '1'],
  text: [],
}

function valuesOf({ kind, min }: OptionRule): string[] {
  if (min === undefined) return [...VALUES[kind]]
  return VALUES[kind].filter(value => value !== '0' || min === 0)
}

/** Any of these policies, each option at its default or at one of a few values. */
function anyPolicySpec(policies: typeof POLICIES): fc.Arbitrary<string> {
  return fc.oneof(
    ...policies.map(({ name, options }) => {
      const keys = Object.keys(options).filter(key => valuesOf(options[key]).length > 0)
      const pieces = keys.map(key =>
        fc.option(fc.constantFrom(...valuesOf(options[key])).map(value => `${key}=${value}`)),
      )
      return fc.tuple(...pieces).map(chosen => {
        const written = chosen.filter(piece => piece !== null)
        return written.length === 0 ? name : `${name}:${written.join(',')}`
      })
    }),
  )
}

// ---- host ----

export interface Host {
  readonly sort: 'default' | 'free' | 'even' | 'random'
  readonly seed: number
  readonly cores: number
  readonly runQueues: number
  readonly idleSearch: number
  readonly migrationCostNs: number
  readonly threadAlonePerMille: number
  readonly threadAllPerMille: number
  readonly kernelBesidePerMille: number
  readonly standBackNs: number
  readonly readaheadPages: number
  readonly faultAroundPages: number
}

export const anyHost: fc.Arbitrary<Host> = fc.record<Host>({
  sort: fc.constantFrom('default', 'free', 'even', 'random', 'random'),
  seed: fc.nat(),
  cores: fc.integer({ min: 1, max: 4 }),
  runQueues: fc.constantFrom(1, 2),
  idleSearch: fc.constantFrom(0, 1),
  migrationCostNs: fc.constantFrom(0, 2000, 500_000),
  threadAlonePerMille: fc.constantFrom(1000, 1000, 930),
  threadAllPerMille: fc.constantFrom(1000, 1000, 700),
  kernelBesidePerMille: fc.constantFrom(1000, 810, 640),
  standBackNs: fc.constantFrom(1000, 3500, 150_000),
  readaheadPages: fc.constantFrom(0, 1, 4, 8, 32, 32),
  faultAroundPages: fc.constantFrom(1, 3, 16),
})

/** `even`: equal costs make ties; `random`: half of them nothing. */
export function costsOf({ sort, seed, runQueues, ...counts }: Host): HostCosts {
  const random = createRandom(seed)
  const costOf = (initial: number): number => {
    if (sort === 'default') return initial
    if (sort === 'free') return 0
    if (sort === 'even') return 500
    return nextFloat(random) < 0.5 ? 0 : nextUint32(random) % 4000
  }
  const costs = Object.entries(hostCosts(DEFAULT_HOST_PROFILE)).map(([key, value]) => [key, costOf(value)])
  return { ...(Object.fromEntries(costs) as HostCosts), ...counts, runQueues: runQueues === 1 ? 1 : counts.cores }
}

// ---- all of it ----

export interface RestoreCase {
  readonly policy: string
  readonly memory: MemoryCase
  readonly vcpus: readonly (readonly Stroke[])[]
  readonly recording: Recording
  readonly host: Host
  readonly device: DeviceParameters
  readonly beyond: Beyond
  readonly cacheWarm: boolean
  readonly guest: boolean
  readonly faultPath: FaultPath
  readonly fixedNs: number
  readonly seed: number
}

/** Half of them without a lock. */
const anyFaultPath: fc.Arbitrary<FaultPath> = fc
  .record({
    locked: fc.boolean(),
    uffds: fc.constantFrom(1, 1, 2, 5),
    lockNs: fc.constantFrom(0, 300),
    handoverNs: fc.constantFrom(0, 700),
    scanNs: fc.constantFrom(0, 80),
  })
  .map(({ locked, uffds, ...times }) => ({ ...FREE_FAULT_PATH, uffds, ...(locked && times) }))

/** Any restore under one of the policies. */
export function anyRestoreUnder(policies: typeof POLICIES): fc.Arbitrary<RestoreCase> {
  return fc.record<RestoreCase>({
    policy: anyPolicySpec(policies),
    memory: anyMemory,
    vcpus: anyStrokes,
    recording: anyRecording,
    host: anyHost,
    device: anyDevice,
    beyond: anyBeyond,
    cacheWarm: fc.constantFrom(false, false, true),
    guest: fc.constantFrom(false, false, true),
    faultPath: anyFaultPath,
    fixedNs: fc.constantFrom(0, 1, 1_000_000),
    seed: fc.nat(),
  })
}

export const anyRestore = anyRestoreUnder(POLICIES)

export interface Restore {
  readonly layout: Layout
  readonly spec: Spec
  readonly workload: Workload
  readonly hostPage: Uint32Array
  readonly workingSet: Uint32Array
  readonly storage: Storage
  readonly costs: HostCosts
  readonly guest: boolean
  readonly faultPath: FaultPath
  readonly fixedNs: number
  readonly seed: number
  /** A policy keeps state: one for each restore. */
  newPolicy(): Policy
}

export function restoreOf(given: RestoreCase, source?: (blocks: readonly RamBlock[]) => ByteSource): Restore {
  const spec = parseSpec(given.policy)
  const layout = layoutOf(installOf(spec.name) === 'map' ? mappable(given.memory) : given.memory, source)
  const workload = workloadOf(layout, given.vcpus)
  const workingSet = recordingOf(layout, workload, given.recording)
  return {
    layout,
    spec,
    workload,
    hostPage: hostPagesOf(layout, workload.page),
    workingSet,
    storage: { name: 'random', device: given.device, cacheWarm: given.cacheWarm, ...given.beyond },
    costs: costsOf(given.host),
    guest: given.guest,
    faultPath: given.faultPath,
    fixedNs: given.fixedNs,
    seed: given.seed,
    newPolicy: () => createPolicy(spec, { layout, workingSet }),
  }
}
