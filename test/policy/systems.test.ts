/** Policies of other systems, by hand: what their sources say they do. */
import { describe, expect, test } from 'vitest'
import { LazyRestoreError } from '../../src/core/error.ts'
import { layoutOfBits } from '../destination/layout-of-bits.ts'
import { allPlans, nextPlan, onFault, policyOf } from './plans.ts'

const KIB = 1024
const MIB = 1024 * KIB

/** Ten 4 KiB pages, then two of 64 KiB, of which the last is a tail of four target pages. */
const LAYOUT = layoutOfBits({ bits: '1100011100' }, { bits: '1'.repeat(20), hostPageSize: 65_536 })

describe('criu', () => {
  test('is one thread: a handler, and a worker that stands back', () => {
    expect(policyOf('criu', LAYOUT).mechanism).toMatchObject({
      install: 'uffd',
      handlers: 1,
      workers: 1,
      direct: false,
      yieldToFaults: true,
      readBytes: 4 * MIB,
    })
  })

  test('transfers runs of data in order, in windows that grow by 64 KiB, and zeros at the end', () => {
    // 16, 32, 48 pages; then the rest of a run, and the next run.
    const layout = layoutOfBits({ bits: `0${'1'.repeat(110)}00${'1'.repeat(200)}` })
    const plans = allPlans(policyOf('criu', layout).next)
    expect(plans.slice(0, 6)).toEqual([[[1, 16]], [[17, 32]], [[49, 48]], [[97, 14]], [[113, 80]], [[193, 96]]])
    expect(plans.slice(6)).toEqual([[[289, 24]], [[0, 313]]])
  })

  test('grows to 4 MiB', () => {
    const layout = layoutOfBits({ bits: '1'.repeat(64 * 1024) })
    const sizes = allPlans(policyOf('criu', layout).next).map(([[, count]]) => count / 16)
    const grown = [...Array(64)].map((_, i) => i + 1)
    expect(sizes.slice(0, 66)).toEqual([...grown, 64, 64])
  })

  test('starts again at 64 KiB after each fault, wherever it was', () => {
    const policy = policyOf('criu', layoutOfBits({ bits: '1'.repeat(1000) }))
    expect(nextPlan(policy)).toEqual([[0, 16]])
    expect(nextPlan(policy)).toEqual([[16, 32]])
    expect(onFault(policy, 900)).toEqual([[900, 1]])
    expect(nextPlan(policy)).toEqual([[48, 16]])
    expect(nextPlan(policy)).toEqual([[64, 32]])
    onFault(policy, 901)
    onFault(policy, 902)
    expect(nextPlan(policy)).toEqual([[96, 16]])
  })

  test('makes windows of whole host pages, in one block', () => {
    expect(allPlans(policyOf('criu', LAYOUT).next)).toEqual([[[0, 2]], [[5, 3]], [[10, 2]], [[0, 10]], [[10, 2]]])
    expect(allPlans(policyOf('criu:window=8K,most=8K', LAYOUT).next).slice(0, 4)).toEqual([
      [[0, 2]],
      [[5, 2]],
      [[7, 1]],
      [[10, 1]],
    ])
  })
})

describe('cloud-hypervisor', () => {
  test('walks memory a page at a time whenever no fault waits', () => {
    const policy = policyOf('cloud-hypervisor', LAYOUT)
    expect(policy.mechanism).toMatchObject({ handlers: 1, workers: 1, direct: false, yieldToFaults: true })
    expect(allPlans(policy.next)).toEqual([...Array(12)].map((_, page) => [[page, 1]]))
    expect(onFault(policy, 7)).toEqual([[7, 1]])
    expect(policy.begin).toBeUndefined()
  })
})

describe('firecracker-file', () => {
  test('leaves all to the kernel, and refuses what cannot be mapped', () => {
    const policy = policyOf('firecracker-file', layoutOfBits({ bits: '1100011100' }))
    expect(policy.mechanism).toMatchObject({ install: 'map', handlers: 0, workers: 0 })
    expect(() => policyOf('firecracker-file', LAYOUT)).toThrow(
      'policy firecracker-file: found block block1 on anon pages of 65536 bytes, expected anon pages of 4096',
    )
  })
})

describe('reap', () => {
  test('reads all recorded data at once, directly, before the VM runs, and fills nothing', () => {
    // Data: 0, 1, 5, 6, 7 and all of the second block.
    const policy = policyOf('reap', LAYOUT, [6, 2, 11, 0])
    expect(allPlans(policy.begin)).toEqual([
      [
        [2, 1],
        [6, 1, 0],
        [11, 1, 4096],
        [0, 1, 4096 + 65_536],
      ],
    ])
    expect(policy.mechanism).toMatchObject({
      install: 'uffd',
      handlers: 1,
      workers: 1,
      direct: false,
      workingSetDirect: true,
      workingSetReadBytes: 1024 * MIB,
    })
    expect(onFault(policy, 5)).toEqual([[5, 1]])
    expect(policy.next).toBeUndefined()
  })

  test('has room in one plan for a working set of any order', () => {
    const pages = [...Array(5000)].map((_, i) => 9998 - 2 * i)
    const layout = layoutOfBits({ bits: '1'.repeat(10_000) })
    const { mechanism, begin } = policyOf('reap', layout, pages)
    expect(mechanism.planRuns).toBe(5000)
    expect(allPlans(begin, mechanism.planRuns)).toHaveLength(1)
  })

  test('refuses to run without a recording', () => {
    expect(() => policyOf('reap', LAYOUT)).toThrow('policy reap: found no recorded working set, expected one')
  })
})

describe('faasnap', () => {
  const regions = (spec: string, bits: string, recorded: readonly number[]) =>
    allPlans(policyOf(spec, layoutOfBits({ bits }), recorded).next)[0] ?? []

  test('maps the file, and has one loader beside the guest', () => {
    const policy = policyOf('faasnap', layoutOfBits({ bits: '11' }), [0])
    expect(policy.mechanism).toMatchObject({ install: 'map', handlers: 0, workers: 1, direct: false })
    expect(policy.begin).toBeUndefined()
    expect(() => policyOf('faasnap', LAYOUT, [])).toThrow('policy faasnap: found block block1 on anon pages of 65536')
    expect(() => policyOf('faasnap', layoutOfBits({ bits: '1' }))).toThrow('found no recorded working set')
  })

  test('makes regions of neighbours, over gaps up to 32 pages, in order of address within a group', () => {
    // Between 8 and 41 are 32 pages. 200 is alone.
    expect(regions('faasnap', '1'.repeat(300), [200, 41, 7, 8])).toEqual([
      [7, 35],
      [200, 1],
    ])
    expect(regions('faasnap:gap=31', '1'.repeat(300), [200, 41, 7, 8])).toEqual([
      [7, 2],
      [41, 1],
      [200, 1],
    ])
  })

  test('loads first what an earlier group wanted, whatever else its regions hold', () => {
    // Groups of two: 90, 50; then 10, 91; then 30. Pages 90 and 91 are a region of the first group.
    expect(regions('faasnap:group=2,gap=0', '1'.repeat(100), [90, 50, 10, 91, 30])).toEqual([
      [50, 1],
      [90, 2],
      [10, 1],
      [30, 1],
    ])
  })

  test('leaves zero pages out, and no region spans two blocks', () => {
    expect(regions('faasnap', '1010', [1, 3])).toEqual([])
    const two = layoutOfBits({ bits: '11' }, { bits: '11' })
    expect(allPlans(policyOf('faasnap', two, [1, 2]).next)).toEqual([
      [
        [1, 1],
        [2, 1],
      ],
    ])
  })
})

describe('e2b', () => {
  test('fetches the recorded pages one by one from the snapshot, with sixteen workers, and nothing else', () => {
    const policy = policyOf('e2b', LAYOUT, [6, 7, 2, 11])
    expect(policy.mechanism).toMatchObject({ handlers: 4, workers: 16, direct: false, yieldToFaults: false })
    expect(allPlans(policy.next)).toEqual([[[6, 1]], [[7, 1]], [[2, 1]], [[11, 1]]])
    expect(onFault(policy, 5)).toEqual([[5, 1]])
    expect(policy.begin).toBeUndefined()
    expect(policyOf('e2b:fetchers=2,handlers=1', LAYOUT, []).mechanism).toMatchObject({ handlers: 1, workers: 2 })
    expect(() => policyOf('e2b', LAYOUT)).toThrow('policy e2b: found no recorded working set, expected one')
  })
})

describe('precopy-x', () => {
  test('loads the first half of the pages with data before the VM runs, then all memory behind it', () => {
    // Seven pages with data: 0, 1, 5, 6, 7, 10, 11. Four of them are there at 6.
    const policy = policyOf('precopy-x', LAYOUT)
    expect(policy.mechanism).toMatchObject({ install: 'uffd', handlers: 1, workers: 1, yieldToFaults: false })
    expect(allPlans(policy.begin)).toEqual([[[0, 7]]])
    expect(allPlans(policy.next)).toEqual([[[0, 10]], [[10, 2]]])
    expect(onFault(policy, 9)).toEqual([[9, 1]])
  })

  test.each([
    ['0', []],
    ['1%', [[[0, 1]]]],
    ['0.3', [[[0, 6]]]],
    ['72%', [[[0, 10]], [[10, 1]]]],
    ['1', [[[0, 10]], [[10, 2]]]],
  ])('loads a share of %s', (share, plans) => {
    expect(allPlans(policyOf(`precopy-x:share=${share}`, LAYOUT).begin)).toEqual(plans)
  })

  test('goes in steps of a MiB, and ends on the page', () => {
    const layout = layoutOfBits({ bits: '1'.repeat(1000) })
    expect(allPlans(policyOf('precopy-x:share=0.3', layout).begin)).toEqual([[[0, 256]], [[256, 44]]])
  })

  test('without sweep ends with the share', () => {
    expect(allPlans(policyOf('precopy-x:sweep=false', LAYOUT).next)).toEqual([])
  })
})

test.each([
  ['criu:window=1K', 'criu: option window: found 1024, expected at least 4096'],
  ['reap:read=2G', 'reap: option read: found 2147483648, expected at most 1073741824'],
  ['e2b:fetchers=0', 'e2b: option fetchers: found 0, expected at least 1'],
  ['e2b:handlers=1025', 'e2b: option handlers: found 1025, expected at most 1024'],
  ['cloud-hypervisor:handlers=1', 'cloud-hypervisor: found option "handlers", expected no options'],
  ['firecracker-file:a=1', 'firecracker-file: found option "a", expected no options'],
])('refuses %s', (spec, message) => {
  expect(() => policyOf(spec, LAYOUT, [])).toThrow(new LazyRestoreError('usage', message))
})
