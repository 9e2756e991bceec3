import { describe, expect, test } from 'vitest'
import { createBitmap, setBit, testBit } from '../../src/core/bitmap.ts'
import type { RamBlock, Snapshot } from '../../src/snapshot/snapshot.ts'
import { checkWorkload, checkWorkloadFits } from '../../src/workload/check.ts'
import { memoryOfSize, memoryOfSnapshot } from '../../src/workload/memory.ts'
import { createWorkload } from '../../src/workload/registry.ts'
import { distinctPages, workloadStats } from '../../src/workload/stats.ts'
import type { Workload } from '../../src/workload/workload.ts'
import { MemorySource, memoryWithData, refusal } from './support.ts'

describe('a workload fits a snapshot', () => {
  const workload = createWorkload('uniform:accesses=5', memoryWithData(100, 0.5, 4), 1)
  const target = { name: 'vm.snap', identity: 'cafe', pageCount: 100, pageSize: 4096 }

  test('of the same size and identity, or of the same size when it names none', () => {
    checkWorkloadFits(workload, target)
    checkWorkloadFits({ ...workload, snapshotIdentity: null }, { ...target, identity: 'beef' })
  })

  test.each([
    [{ identity: 'beef' }, 'found snapshot identity cafe, expected beef of snapshot vm.snap'],
    [{ pageCount: 99 }, 'found a memory of 100 pages, expected 99 as in snapshot vm.snap'],
    [{ pageSize: 16_384 }, 'found pages of 4096 bytes, expected 16384 as in snapshot vm.snap'],
  ])('and no other: %o', async (change, message) => {
    expect(await refusal(() => checkWorkloadFits(workload, { ...target, ...change }))).toBe(
      `mismatch: workload uniform:accesses=5: ${message}`,
    )
  })
})

describe('a workload is refused when', () => {
  const workload = createWorkload('uniform:accesses=6,vcpus=2', memoryOfSize(100, 4096), 1)
  test.each<[string, Partial<Workload>, string]>([
    ['it has no memory', { pageCount: 0 }, 'pageCount: found 0, expected a whole number from 1 to 4294967296'],
    ['its page size is odd', { pageSize: 5000 }, 'pageSize: found 5000, expected a power of two'],
    ['it has no vCPU', { vcpus: 0 }, 'vcpus: found 0, expected a whole number from 1 to 1024'],
    ['a column is short', { thinkNs: new Uint32Array(5) }, 'thinkNs: found 5 entries, expected 6'],
    ['a column is long', { flags: new Uint8Array(7) }, 'flags: found 7 entries, expected 6'],
    ['starts are too few', { starts: Uint32Array.of(0, 6) }, 'starts: found 2 entries, expected 3'],
    ['starts begin late', { starts: Uint32Array.of(1, 3, 6) }, 'starts[0]: found 1, expected 0'],
    ['starts go back', { starts: Uint32Array.of(0, 7, 6) }, 'starts[2]: found 6, expected at least 7'],
    ['starts end early', { starts: Uint32Array.of(0, 3, 5) }, 'starts[2]: found 5, expected 6'],
    [
      'a page is past the end',
      { pageCount: 3, page: Uint32Array.of(0, 1, 2, 3, 0, 0) },
      'access 3: found page 3, expected 0..2',
    ],
    ['flags are unknown', { flags: Uint8Array.of(0, 0, 8, 0, 0, 0) }, 'access 2: found flags 8, expected 0..3'],
  ])('%s', async (_, change, message) => {
    expect(await refusal(() => checkWorkload({ ...workload, ...change }, 'here'))).toBe(`format: here: ${message}`)
  })
})

describe("a snapshot's memory", () => {
  function block(name: string, pageCount: number, set: readonly number[], change: Partial<RamBlock> = {}): RamBlock {
    const bitmap = createBitmap(pageCount)
    for (const page of set) setBit(bitmap, page)
    return {
      name,
      usedLength: pageCount * 4096,
      pageSize: 4096,
      pageCount,
      bitmap,
      setBits: set.length,
      bitmapOffset: null,
      pagesOffset: 0,
      ignored: false,
      ...change,
    }
  }

  function snapshot(blocks: readonly RamBlock[]): Snapshot {
    return {
      format: 'synthetic',
      name: 'vm.snap',
      machine: null,
      capabilities: [],
      blocks,
      deviceState: null,
      ramSectionId: null,
      identity: 'cafe',
      source: new MemorySource(new Uint8Array()),
      close: async () => {},
    }
  }

  test('is its blocks one behind the other, without those it leaves out', () => {
    const memory = memoryOfSnapshot(
      snapshot([
        block('a', 33, [0, 31, 32]),
        block('shared', 70, [5], { ignored: true }),
        block('b', 64, [0, 30, 31, 63]),
        block('c', 3, [2]),
      ]),
    )
    expect(memory).toMatchObject({ pageCount: 100, pageSize: 4096, snapshotIdentity: 'cafe' })
    const set = Array.from({ length: 100 }, (_, page) => page).filter(page => testBit(memory.present!, page))
    expect(set).toEqual([0, 31, 32, 33, 63, 64, 96, 99])
  })

  test('is refused when there is none, or when target pages differ in size', async () => {
    expect(await refusal(() => memoryOfSnapshot(snapshot([block('a', 3, [], { ignored: true })])))).toBe(
      'mismatch: vm.snap: found no RAM block to restore, expected at least one',
    )
    expect(
      await refusal(() => memoryOfSnapshot(snapshot([block('a', 3, []), block('b', 3, [], { pageSize: 8192 })]))),
    ).toBe('unsupported: vm.snap: block b: found target pages of 8192 bytes, expected 4096 as in block a')
  })
})

describe('the statistics of a workload', () => {
  const workload: Workload = {
    name: 'by hand',
    seed: null,
    snapshotIdentity: null,
    pageCount: 100,
    pageSize: 4096,
    vcpus: 2,
    starts: Uint32Array.of(0, 5, 8),
    page: Uint32Array.of(31, 32, 33, 31, 99, 0, 32, 64),
    thinkNs: Uint32Array.of(1, 2, 4, 8, 16, 32, 64, 128),
    flags: Uint8Array.of(0, 1, 0, 1, 2, 3, 1, 0),
  }

  test('count what there is', () => {
    expect(workloadStats(workload)).toEqual({
      accesses: 8,
      vcpus: 2,
      distinctPages: 6,
      bytesTouched: 6 * 4096,
      touchedShare: 0.06,
      runs: 4,
      meanRunPages: 1.5,
      writeShare: 0.5,
      writtenPages: 3,
      computeNs: 1 + 2 + 4 + 8 + 64 + 128,
      idleNs: 16 + 32,
      longestVcpuNs: 32 + 64 + 128,
    })
  })

  test('name the distinct pages', () => {
    const { count, bitmap } = distinctPages(workload)
    expect(count).toBe(6)
    const set = Array.from({ length: 100 }, (_, page) => page).filter(page => testBit(bitmap, page))
    expect(set).toEqual([0, 31, 32, 33, 64, 99])
  })

  test('have no NaN for a workload without accesses', () => {
    const empty = createWorkload('uniform:accesses=0', memoryOfSize(10, 4096), 1)
    expect(Object.values(workloadStats(empty)).filter(value => value !== 0)).toEqual([1]) // the vCPU
  })
})
