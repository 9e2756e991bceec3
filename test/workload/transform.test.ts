import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { testBit } from '../../src/core/bitmap.ts'
import { checkWorkload } from '../../src/workload/check.ts'
import { memoryOfSize } from '../../src/workload/memory.ts'
import { createWorkload } from '../../src/workload/registry.ts'
import { visitInTime } from '../../src/workload/time-order.ts'
import { mergeWorkloads } from '../../src/workload/transform/merge.ts'
import { remapTo, withPageSize } from '../../src/workload/transform/remap.ts'
import { scaleTimes } from '../../src/workload/transform/scale.ts'
import { sliceTime } from '../../src/workload/transform/slice.ts'
import { spreadOverVcpus } from '../../src/workload/transform/spread.ts'
import type { Workload } from '../../src/workload/workload.ts'
import { anyMemory, anyWorkload, memoryWithData, refusal } from './support.ts'

/** Two vCPUs: pages 1, 2, 3 at 10, 30, 60 and 7, 8 at 5, 105. */
const two: Workload = {
  name: 'two',
  seed: 1,
  snapshotIdentity: 'cafe',
  pageCount: 10,
  pageSize: 4096,
  vcpus: 2,
  starts: Uint32Array.of(0, 3, 5),
  page: Uint32Array.of(1, 2, 3, 7, 8),
  thinkNs: Uint32Array.of(10, 20, 30, 5, 100),
  flags: Uint8Array.of(0, 1, 0, 2, 0),
}

const columns = ({ starts, page, thinkNs, flags }: Workload) => [[...starts], [...page], [...thinkNs], [...flags]]

test('accesses in time are those of all vCPUs by their clocks', () => {
  const seen: [number, number, number][] = []
  visitInTime(two, (access, timeNs, vcpu) => seen.push([two.page[access], timeNs, vcpu]))
  expect(seen).toEqual([
    [7, 5, 1],
    [1, 10, 0],
    [2, 30, 0],
    [3, 60, 0],
    [8, 105, 1],
  ])
})

describe('a trace is', () => {
  test('scaled', () => {
    expect(columns(scaleTimes(two, 2.5))[2]).toEqual([25, 50, 75, 13, 250])
    expect(scaleTimes(two, 2.5).name).toBe('two, times × 2.5')
  })

  test('sliced: each vCPU by its own clock, which starts again', () => {
    expect(columns(sliceTime(two, 8, 60))).toEqual([
      [0, 2, 2],
      [1, 2],
      [2, 20],
      [0, 1],
    ])
    expect(columns(sliceTime(two, 0, 1000)).slice(1)).toEqual(columns(two).slice(1))
    expect(sliceTime(two, 0, 60).name).toBe('two, 0 ns to 60 ns')
  })

  test('merged with another, beside it and after it', () => {
    const other = {
      ...two,
      name: 'one',
      vcpus: 1,
      starts: Uint32Array.of(0, 2),
      page: Uint32Array.of(9, 9),
      thinkNs: Uint32Array.of(1, 2),
      flags: Uint8Array.of(0, 0),
    }
    const beside = mergeWorkloads([two, other], 'beside')
    expect(columns(beside)).toEqual([
      [0, 3, 5, 7],
      [1, 2, 3, 7, 8, 9, 9],
      [10, 20, 30, 5, 100, 1, 2],
      [0, 1, 0, 2, 0, 0, 0],
    ])
    const after = mergeWorkloads([two, other], 'after')
    expect(columns(after).slice(0, 2)).toEqual([
      [0, 5, 7],
      [1, 2, 3, 9, 9, 7, 8],
    ])
    expect(after).toMatchObject({ name: 'two, then one', seed: null, snapshotIdentity: 'cafe', vcpus: 2 })
  })

  test('dealt out to more vCPUs', () => {
    const one = { ...two, vcpus: 1, starts: Uint32Array.of(0, 5) }
    expect(columns(spreadOverVcpus(one, 2)).slice(0, 3)).toEqual([
      [0, 3, 5],
      [1, 3, 8, 2, 7],
      [10, 30, 100, 20, 5],
    ])
  })

  test('put on pages of another size', () => {
    const large = withPageSize(two, 16_384)
    expect([...large.page]).toEqual([0, 0, 0, 1, 2])
    expect(large).toMatchObject({ pageCount: 3, pageSize: 16_384, snapshotIdentity: null })
    expect([...withPageSize(large, 4096).page]).toEqual([0, 0, 0, 4, 8])
    expect(withPageSize(two, 4096)).toBe(two)
  })

  test('put on another memory, by place', () => {
    const moved = remapTo(two, { ...memoryOfSize(100, 4096), snapshotIdentity: 'beef' })
    expect([...moved.page]).toEqual([10, 20, 30, 70, 80])
    expect(moved).toMatchObject({ pageCount: 100, snapshotIdentity: 'beef' })
  })

  test('put on another memory, data to data: shares of both sorts stay, and so does the order of addresses', () => {
    const from = memoryWithData(20_000, 0.5, 40, 1)
    const to = memoryWithData(50_000, 0.2, 10, 2)
    const workload = createWorkload('working-set:pages=4000,data=70%,reuse=0,vcpus=1', from, 1)
    const moved = remapTo(workload, to, from)
    checkWorkload(moved, 'moved')
    for (const [i, page] of workload.page.entries()) {
      expect(testBit(to.present!, moved.page[i])).toBe(testBit(from.present!, page))
    }
    const data = [...workload.page.keys()].filter(i => testBit(from.present!, workload.page[i]))
    const byOld = data.toSorted((a, b) => workload.page[a] - workload.page[b]).map(i => moved.page[i])
    expect(byOld).toEqual(byOld.toSorted((a, b) => a - b))
  })

  property.prop([anyMemory])('put on the memory that it is of, as it is', memory => {
    const page = Uint32Array.from({ length: memory.pageCount }, (_, i) => i)
    const all = {
      ...two,
      ...memory,
      vcpus: 1,
      starts: Uint32Array.of(0, page.length),
      page,
      thinkNs: page,
      flags: new Uint8Array(page.length),
    }
    expect(remapTo(all, memory, memory).page).toEqual(page)
  })

  property.prop([anyWorkload, fc.nat(100), fc.integer({ min: 1, max: 1000 })])(
    'sliced in two and put together again, the same',
    (workload, fromShare, length) => {
      const end = [...workload.thinkNs].reduce((sum, ns) => sum + ns, 0) + 1
      const cut = Math.floor((fromShare / 101) * end) + length
      const parts = [sliceTime(workload, 0, cut), sliceTime(workload, cut, Number.POSITIVE_INFINITY)]
      for (const part of parts) checkWorkload(part, 'part')
      const whole = mergeWorkloads(parts, 'after')
      expect(whole.page).toEqual(workload.page)
      expect(whole.flags).toEqual(workload.flags)
    },
  )
})

test('what cannot be done is refused', async () => {
  expect(await refusal(() => scaleTimes(two, 1e9))).toBe(
    'usage: scale: found 1000000000, expected a number from 0 to 1000000',
  )
  expect(await refusal(() => scaleTimes({ ...two, thinkNs: two.thinkNs.map(() => 2 ** 31) }, 3))).toBe(
    'limit: two: found 6442450944 ns before access 0 by scale 3, expected at most 4294967295',
  )
  expect(await refusal(() => sliceTime(two, 5, 5))).toBe('usage: slice: found 5 ns to 5 ns, expected an interval')
  expect(await refusal(() => mergeWorkloads([two, { ...two, pageCount: 11 }], 'after'))).toBe(
    'mismatch: two: pageCount: found 11, expected 10, as two',
  )
  expect(await refusal(() => spreadOverVcpus(two, 3))).toBe(
    'usage: two: found 2 vCPUs, expected 1 to spread over others',
  )
  expect(await refusal(() => withPageSize(two, 5000))).toBe(
    'usage: page size: found 5000, expected a power of two from 512 to 2^30',
  )
  expect(await refusal(() => remapTo(two, memoryOfSize(5, 8192)))).toBe(
    'mismatch: two: found pages of 4096 bytes, expected 8192, as the other memory',
  )
})
