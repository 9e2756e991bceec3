/**
 * A KVM guest that is restored lazily from a snapshot file computes the right checksum over its memory.
 *
 * @module-tag kvm
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import { parseSpec } from '../../../src/core/spec-string.ts'
import { MIB } from '../../../src/core/units.ts'
import { parseHostPages } from '../../../src/destination/host-pages.ts'
import { createLayout, type Layout } from '../../../src/destination/layout.ts'
import { createPolicy } from '../../../src/policy/registry.ts'
import { eagerLoad } from '../../../src/snapshot/load.ts'
import { openSnapshot } from '../../../src/snapshot/open-snapshot.ts'
import type { Snapshot } from '../../../src/snapshot/snapshot.ts'
import { probe } from '../../../src/uffd/availability.ts'
import { DestinationMemory } from '../../../src/uffd/engine/destination-memory.ts'
import { type CarrierJob, detached } from '../../../src/uffd/engine/job.ts'
import {
  createSharedRestore,
  PHASE_BEGIN,
  PHASE_RUN,
  PHASE_STOP,
  RestoreState,
} from '../../../src/uffd/engine/restore-state.ts'
import { snapshotFiles } from '../../../src/uffd/engine/snapshot-files.ts'
import { ThreadPool } from '../../../src/uffd/engine/thread-pool.ts'
import { hugePageReason } from '../../../src/uffd/huge-pages.ts'
import { Guest } from '../../../src/uffd/kvm/guest.ts'
import { foldWords, type GuestRange, readFolds, writeRanges } from '../../../src/uffd/kvm/guest-lists.ts'
import { fixtureBytes } from '../../snapshot/support.ts'
import { requireForEach, requireOrSkip } from '../../support/availability.ts'
import { reserveHugePages } from '../../support/huge-pages.ts'
import { syntheticFile, temporaryFolder } from '../engine/support.ts'
import { prepareVcpus } from './support.ts'

const LIMIT_MS = 60_000
/** Each block is cut into as many ranges for each vCPU. */
const RANGES = 2

reserveHugePages(2 * MIB, 40)
requireForEach(() => probe().kvm ?? probe().userfaultfd)

const pool = new ThreadPool()
afterAll(() => pool.close())

async function fixture(name: string): Promise<Snapshot> {
  const path = join(temporaryFolder(), `${name}.mig`)
  writeFileSync(path, await fixtureBytes(name))
  const snapshot = await openSnapshot(path)
  onTestFinished(() => snapshot.close())
  return snapshot
}

/** The ranges of each block, in order. */
function rangesOf({ blocks }: Layout, vcpus: number): { readonly block: number; readonly range: GuestRange }[] {
  return blocks.flatMap(({ index, block }) => {
    const words = block.usedLength / 4
    const cut = (i: number) => Math.floor((words * i) / (vcpus * RANGES)) * 4
    return Array.from({ length: vcpus * RANGES }, (_, i) => {
      return { block: index, range: { address: cut(i), byteLength: cut(i + 1) - cut(i) } }
    })
  })
}

/** Restores lazily under a guest that folds all its memory. Returns the folds, and how many pages the handler was asked for. */
async function foldLazily(snapshot: Snapshot, hostPages: string, policyName: string, vcpus: number) {
  const layout = createLayout(snapshot, parseHostPages(hostPages))
  const policy = parseSpec(policyName)
  const { handlers, workers } = createPolicy(policy, { layout, workingSet: null }).mechanism
  const memory = new DestinationMemory(layout)
  onTestFinished(() => memory.close())
  memory.openUserfaultfd()
  const ranges = rangesOf(layout, vcpus)
  const ofVcpu = (vcpu: number) => ranges.filter((_, i) => i % vcpus === vcpu)
  const guest = new Guest(memory.regions, new Array(vcpus).fill(ranges.length / vcpus))
  for (let vcpu = 0; vcpu < vcpus; vcpu++) {
    const list = ofVcpu(vcpu).map(({ block, range }) => ({ ...range, address: guest.addressOf(block, range.address) }))
    writeRanges(guest.list(vcpu), list)
  }

  const shared = createSharedRestore(layout.hostPageCount, 0, 0)
  const state = new RestoreState(shared)
  const job: Omit<CarrierJob, 'role'> = {
    shared,
    layout: detached(layout),
    blockAddress: memory.map.blockAddress,
    policy,
    workingSet: null,
    descriptor: memory.descriptor,
    snapshotFiles: snapshotFiles(snapshot),
    workingSetContents: null,
    broken: 'poison',
    limitMs: LIMIT_MS,
  }
  const roles: CarrierJob['role'][] = [...Array(handlers).fill('handler'), ...Array(workers).fill('worker')]
  const carriers = roles.map(role => pool.run({ ...job, role }, () => {}))
  for (const { ready } of carriers) await ready
  memory.register()
  const running = await prepareVcpus(guest, 'fold', vcpus, shared)
  state.enter(PHASE_BEGIN)
  state.enter(PHASE_RUN)
  const results = await running.results
  state.enter(PHASE_STOP)
  const outcomes = await Promise.all(carriers.map(({ outcome }) => outcome))
  expect(results.map(({ failure }) => failure)).toEqual(new Array(vcpus).fill(null))

  const folds = results.map((_, vcpu) => readFolds(guest.list(vcpu), ranges.length / vcpus))
  guest.close()
  memory.close()
  return {
    folds: ranges.map((_, i) => folds[i % vcpus][Math.floor(i / vcpus)]),
    messages: outcomes.reduce((sum, { messages }) => sum + messages, 0),
  }
}

async function foldEagerly(snapshot: Snapshot, vcpus: number): Promise<number[]> {
  const layout = createLayout(snapshot, parseHostPages('4K'))
  const loaded = await eagerLoad(snapshot)
  return rangesOf(layout, vcpus).map(({ block, range: { address, byteLength } }) => {
    const bytes = loaded[snapshot.blocks.indexOf(layout.blocks[block].block)]
    return foldWords(new Uint32Array(bytes.buffer, address, byteLength / 4))
  })
}

describe('the checksum that a guest computes while its memory is restored is that of an eager load', () => {
  const snapshots: Readonly<Record<string, () => Promise<Snapshot>>> = {
    'of QEMU': () => fixture('pc-16m'),
    synthetic: () => syntheticFile('synthetic:48MiB,zero=50%,runs=5'),
  }
  const cases = Object.keys(snapshots).flatMap(name =>
    ['4K', '4K:shmem', '2M'].flatMap(hostPages => [1, 2].map(vcpus => ({ name, hostPages, vcpus }))),
  )
  it.for(cases)('snapshot $name, host pages $hostPages, $vcpus vCPUs', async ({ name, hostPages, vcpus }, context) => {
    requireOrSkip(context, hostPages === '2M' ? hugePageReason(2 * MIB, 32) : null)
    const snapshot = await snapshots[name]()
    const expected = await foldEagerly(snapshot, vcpus)
    const lazy = await foldLazily(snapshot, hostPages, 'lazy', vcpus)
    expect(lazy.folds).toEqual(expected)
    expect(lazy.messages).toBeGreaterThanOrEqual(createLayout(snapshot, parseHostPages(hostPages)).hostPageCount)
    expect((await foldLazily(snapshot, hostPages, 'lazy-sweep', vcpus)).folds).toEqual(expected)
  })
})
