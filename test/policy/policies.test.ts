/** Each policy on small memories, by hand. */
import { describe, expect, test } from 'vitest'
import { LazyRestoreError } from '../../src/core/error.ts'
import { parseSpec } from '../../src/core/spec-string.ts'
import { createPolicy, POLICIES } from '../../src/policy/registry.ts'
import { layoutOfBits } from '../destination/layout-of-bits.ts'
import { allPlans, onFault, policyOf } from './plans.ts'

const MIB = 2 ** 20

/** Ten 4 KiB pages, then two of 64 KiB, of which the last is a tail of four target pages. */
const LAYOUT = layoutOfBits({ bits: '1100011100' }, { bits: '1'.repeat(20), hostPageSize: 65_536 })

describe('eager', () => {
  test('sweeps all memory before the VM runs, with one buffered worker', () => {
    const policy = policyOf('eager:read=16K', LAYOUT)
    expect(policy.mechanism).toMatchObject({
      install: 'load',
      handlers: 0,
      workers: 1,
      direct: false,
      readBytes: 16384,
    })
    expect(allPlans(policy.begin)).toEqual([[[0, 4]], [[4, 4]], [[8, 2]], [[10, 1]], [[11, 1]]])
    expect(policy.next).toBeUndefined()
  })

  test('takes reads of 1 MiB unless told otherwise', () => {
    expect(policyOf('eager', LAYOUT).mechanism.readBytes).toBe(MIB)
    expect(allPlans(policyOf('eager', LAYOUT).begin)).toEqual([[[0, 10]], [[10, 2]]])
  })
})

describe('eager-multi', () => {
  test('shares one sweep between its channels, which read directly', () => {
    const policy = policyOf('eager-multi:read=20K', LAYOUT)
    expect(policy.mechanism).toMatchObject({ install: 'load', handlers: 0, workers: 4, direct: true, readBytes: 20480 })
    expect(allPlans(policy.begin)).toEqual([[[0, 5]], [[5, 5]], [[10, 1]], [[11, 1]]])
    expect(policyOf('eager-multi:channels=2,direct=false', LAYOUT).mechanism).toMatchObject({
      workers: 2,
      direct: false,
    })
  })
})

test('a sweep takes steps of so many bytes in each block, so that channels share large host pages too', () => {
  const layout = layoutOfBits(
    { bits: '1'.repeat(2048), kind: 'hugetlb', hostPageSize: 2 * MIB },
    { bits: '1'.repeat(300) },
  )
  const { begin } = policyOf('eager-multi', layout)
  expect(allPlans(begin)).toEqual([[[0, 1]], [[1, 1]], [[2, 1]], [[3, 1]], [[4, 256]], [[260, 44]]])
})

describe('lazy', () => {
  test('answers a fault with the page and plans nothing else', () => {
    const policy = policyOf('lazy', LAYOUT)
    expect(policy.mechanism).toMatchObject({ install: 'uffd', handlers: 1, workers: 0, direct: false })
    expect(onFault(policy, 7)).toEqual([[7, 1]])
    expect([policy.begin, policy.next]).toEqual([undefined, undefined])
    expect(policyOf('lazy:handlers=3,direct=true', LAYOUT).mechanism).toMatchObject({ handlers: 3, direct: true })
  })
})

describe('lazy-sweep', () => {
  test('answers a fault with the page and walks all memory behind it', () => {
    const policy = policyOf('lazy-sweep:chunk=24K', LAYOUT)
    expect(policy.mechanism).toMatchObject({
      install: 'uffd',
      handlers: 1,
      workers: 1,
      readBytes: 24_576,
      zeroBytes: 24_576,
    })
    expect(policy.mechanism).toMatchObject({ yieldToFaults: false, rateBytesPerS: null })
    expect(onFault(policy, 7)).toEqual([[7, 1]])
    expect(allPlans(policy.next)).toEqual([[[0, 6]], [[6, 4]], [[10, 1]], [[11, 1]]])
    expect(policy.begin).toBeUndefined()
  })

  test('can be slowed to a rate and can yield', () => {
    const { mechanism } = policyOf('lazy-sweep:rate=50M,yield=true', LAYOUT)
    expect(mechanism).toMatchObject({ rateBytesPerS: 50 * MIB, yieldToFaults: true })
  })
})

describe('qemu-11.2', () => {
  test('walks memory host page by host page, whatever their sizes, and reads 4 KiB at a time', () => {
    const policy = policyOf('qemu-11.2', LAYOUT)
    expect(policy.mechanism).toMatchObject({ handlers: 1, workers: 1, direct: false, readBytes: 4096, zeroBytes: 4096 })
    expect(onFault(policy, 11)).toEqual([[11, 1]])
    expect(allPlans(policy.next)).toEqual(Array.from({ length: 12 }, (_, page) => [[page, 1]]))
  })
})

describe('read-around', () => {
  test('answers a fault with its aligned window, from the page on first', () => {
    const policy = policyOf('read-around:window=16K', LAYOUT)
    expect(policy.mechanism).toMatchObject({ install: 'uffd', handlers: 1, workers: 0 })
    expect(onFault(policy, 4)).toEqual([[4, 4]])
    expect(onFault(policy, 6)).toEqual([
      [6, 2],
      [4, 2],
    ])
    expect(onFault(policy, 7)).toEqual([
      [7, 1],
      [4, 3],
    ])
  })

  test('cuts the window at the end of the block', () => {
    expect(onFault(policyOf('read-around:window=16K', LAYOUT), 9)).toEqual([
      [9, 1],
      [8, 1],
    ])
    expect(onFault(policyOf('read-around', LAYOUT), 1)).toEqual([
      [1, 9],
      [0, 1],
    ])
  })

  test('aligns the window to the block, not to the index', () => {
    const policy = policyOf('read-around:window=128K', LAYOUT)
    expect(onFault(policy, 10)).toEqual([[10, 2]])
    expect(onFault(policy, 11)).toEqual([
      [11, 1],
      [10, 1],
    ])
  })

  test('is one host page where that is no smaller than the window', () => {
    expect(onFault(policyOf('read-around:window=64K', LAYOUT), 11)).toEqual([[11, 1]])
    expect(onFault(policyOf('read-around:window=4K', LAYOUT), 11)).toEqual([[11, 1]])
  })
})

describe('working-set', () => {
  test('plans a stretch of the recording: its zeros, then its data side by side in the file, then a sweep', () => {
    // Data: 0, 1, 5, 6, 7 and all of the second block.
    const policy = policyOf('working-set', LAYOUT, [6, 7, 2, 3, 0, 11, 5, 8])
    expect(policy.begin).toBeDefined()
    expect(allPlans(policy.begin)).toEqual([])
    expect(allPlans(policy.next)).toEqual([
      [
        [2, 2],
        [8, 1],
        [6, 2, 0],
        [0, 1, 8192],
        [11, 1, 12_288],
        [5, 1, 12_288 + 65_536],
      ],
      [[0, 10]],
      [[10, 2]],
    ])
    expect(policy.mechanism).toMatchObject({ install: 'uffd', handlers: 1, workers: 1, yieldToFaults: false })
    expect(policy.mechanism.workingSetReadBytes).toBe(MIB)
  })

  test('with wait, plans the recording before the VM runs, and only the sweep after', () => {
    const policy = policyOf('working-set:wait=true,read=64K', LAYOUT, [5, 6, 9])
    expect(allPlans(policy.begin)).toEqual([
      [
        [9, 1],
        [5, 2, 0],
      ],
    ])
    expect(allPlans(policy.next)).toEqual([[[0, 10]], [[10, 2]]])
    expect(policy.mechanism.workingSetReadBytes).toBe(65_536)
  })

  test('without sweep, ends with the recording', () => {
    const policy = policyOf('working-set:sweep=false,yield=true,handlers=2,direct=true', LAYOUT, [1])
    expect(allPlans(policy.next)).toEqual([[[1, 1, 0]]])
    expect(policy.mechanism).toMatchObject({ yieldToFaults: true, handlers: 2, direct: true })
    expect(onFault(policy, 3)).toEqual([[3, 1]])
  })

  test('goes on where a full plan ended, in the file too', () => {
    const policy = policyOf('working-set:sweep=false', LAYOUT, [7, 0, 2, 5, 10])
    expect(allPlans(policy.next, 2)).toEqual([
      [
        [7, 1, 0],
        [0, 1, 4096],
      ],
      [
        [2, 1],
        [5, 1, 8192],
      ],
      [[10, 1, 12_288]],
    ])
  })

  test('makes no run across blocks', () => {
    const two = layoutOfBits({ bits: '11' }, { bits: '11' })
    expect(allPlans(policyOf('working-set:sweep=false', two, [1, 2, 3]).next)).toEqual([
      [
        [1, 1, 0],
        [2, 2, 4096],
      ],
    ])
  })

  test('of an empty recording is a sweep', () => {
    expect(allPlans(policyOf('working-set', LAYOUT, []).next)).toEqual([[[0, 10]], [[10, 2]]])
  })

  test('refuses to run without a recording', () => {
    expect(() => policyOf('working-set:wait=true', LAYOUT)).toThrow(
      new LazyRestoreError('usage', 'policy working-set:wait=true: found no recorded working set, expected one'),
    )
  })

  test('is one of those that want one', () => {
    const wanting = POLICIES.filter(({ usesWorkingSet }) => usesWorkingSet).map(({ name }) => name)
    expect(wanting).toEqual(['working-set', 'reap', 'faasnap', 'e2b'])
  })
})

describe('mmap', () => {
  test('leaves all to the kernel', () => {
    const policy = policyOf('mmap', layoutOfBits({ bits: '1100011100' }))
    expect(policy.mechanism).toMatchObject({ install: 'map', handlers: 0, workers: 0 })
    expect([policy.begin, policy.next]).toEqual([undefined, undefined])
  })

  test.each([
    [{ bits: '11', hostPageSize: 65_536 }, 'on anon pages of 65536 bytes, expected anon pages of 4096'],
    [{ bits: '11', kind: 'shmem' }, 'on shmem pages of 4096 bytes, expected anon pages of 4096'],
    [
      { bits: '1'.repeat(512), kind: 'hugetlb', hostPageSize: 2 * MIB },
      'on hugetlb pages of 2097152 bytes, expected anon',
    ],
    // Of four target pages on a host page some can be zero, and a mapping of the file has no such page.
    [{ bits: '1010', pageSize: 1024 }, 'with target pages of 1024 bytes, expected 4096'],
  ] as const)('refuses a block of %j', (block, message) => {
    expect(() => policyOf('mmap', layoutOfBits({ bits: '1' }, block))).toThrow(
      `policy mmap: found block block1 ${message}`,
    )
  })

  test('refuses more regions than the kernel maps', () => {
    const most = '10'.repeat(65_529)
    expect(() => policyOf('mmap', layoutOfBits({ bits: most }))).not.toThrow()
    expect(() => policyOf('mmap', layoutOfBits({ bits: `${most}10` }))).toThrow(
      'policy mmap: found 65531 regions to map, expected at most 65530 (the default of sysctl vm.max_map_count)',
    )
  })
})

describe('every policy', () => {
  const SMALL = layoutOfBits({ bits: '1100011100' })

  test.each(POLICIES.map(({ name }) => name))('%s includes the page of a fault in its plan, in the first run', name => {
    for (let page = 0; page < SMALL.hostPageCount; page++) {
      const [[first, count]] = onFault(policyOf(name, SMALL, []), page)
      expect(page >= first && page < first + count).toBe(true)
    }
  })

  test.each(POLICIES.map(({ name }) => name))('%s refuses an option that it does not have', name => {
    expect(() => policyOf(`${name}:handel=1`, SMALL, [])).toThrow(`${name}: found option "handel", expected `)
  })

  test('is called as it was written', () => {
    expect(policyOf('lazy', SMALL).name).toBe('lazy')
    expect(policyOf('lazy-sweep:chunk=64K,yield=true', SMALL).name).toBe('lazy-sweep:chunk=64K,yield=true')
  })

  test.each([
    ['lazy:handlers=0', 'lazy: option handlers: found 0, expected at least 1'],
    ['lazy:handlers=1025', 'lazy: option handlers: found 1025, expected at most 1024'],
    ['eager-multi:channels=1025', 'eager-multi: option channels: found 1025, expected at most 1024'],
    ['eager-multi:channels=0', 'eager-multi: option channels: found 0, expected at least 1'],
    ['eager:read=4095', 'eager: option read: found 4095, expected at least 4096'],
    ['eager-multi:read=1K', 'eager-multi: option read: found 1024, expected at least 4096'],
    ['lazy-sweep:chunk=512', 'lazy-sweep: option chunk: found 512, expected at least 4096'],
    ['lazy-sweep:handlers=0', 'lazy-sweep: option handlers: found 0, expected at least 1'],
    ['read-around:window=0', 'read-around: option window: found 0, expected at least 4096'],
    ['read-around:handlers=0', 'read-around: option handlers: found 0, expected at least 1'],
    ['working-set:read=1', 'working-set: option read: found 1, expected at least 4096'],
    ['working-set:handlers=0', 'working-set: option handlers: found 0, expected at least 1'],
    ['qemu-11.2:handlers=1', 'qemu-11.2: found option "handlers", expected no options'],
    ['mmap:populate=true', 'mmap: found option "populate", expected no options'],
  ])('refuses %s', (spec, message) => {
    expect(() => policyOf(spec, SMALL, [])).toThrow(new LazyRestoreError('usage', message))
  })

  test('is one of a list, and the error says of which', () => {
    const context = { layout: SMALL, workingSet: null }
    const known = `expected one of ${POLICIES.map(({ name }) => name).join(', ')}`
    expect(known).toMatch(/^expected one of eager, eager-multi, lazy, lazy-sweep, follow-sweep, /)
    expect(() => createPolicy(parseSpec('eagre'), context)).toThrow(`policy: found "eagre", ${known}`)
    expect(() => createPolicy(parseSpec('eager:1M'), context)).toThrow(`policy: found "eager:1M", ${known}`)
  })
})
