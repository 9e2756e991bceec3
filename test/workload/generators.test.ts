import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { checkWorkload } from '../../src/workload/check.ts'
import { memoryOfSize } from '../../src/workload/memory.ts'
import { createWorkload, DEFAULT_WORKLOAD, WORKLOADS } from '../../src/workload/registry.ts'
import { workloadStats } from '../../src/workload/stats.ts'
import { anyMemory, hashColumns, memoryWithData, refusal } from './support.ts'

const GIB_PAGES = 262_144
/** Those whose accesses are drawn alike; of others it is published how they are. */
const DRAWN = WORKLOADS.filter(({ options }) => 'vcpus' in options).map(({ name }) => name)

describe('every generator', () => {
  // Golden: a change here changes every published figure, and needs a reason.
  test.each([
    ['sequential:share=1%,write=30%,vcpus=3', '74ff335b381d2aad'],
    ['uniform:accesses=5000,vcpus=3', 'e36447caad39d69b'],
    ['zipf:accesses=5000,vcpus=3', 'fb0c9d9345a1a37c'],
    ['working-set:share=1%,vcpus=3', '42f9236e7fc2a9f0'],
    ['boot-then-idle:share=1%,vcpus=3', '0e3557520a9532c1'],
    ['phases:share=1%,accesses=5000,vcpus=3', 'c5b5edd49d5523b7'],
    ['reap-function:function=pyaes', '44d0a6a66ff7d1cb'],
    ['chromium:pages=5000', '01de2e1a5254bdee'],
  ])('makes the same columns for the same spec, seed and memory: %s', (spec, golden) => {
    const memory = memoryWithData(GIB_PAGES, 0.4, 16)
    expect(hashColumns(createWorkload(spec, memory, 7))).toBe(golden)
  })

  test.each(WORKLOADS.map(({ name }) => name))('makes other accesses for another seed: %s', name => {
    const memory = memoryOfSize(GIB_PAGES, 4096)
    const spec = `${name}:write=50%`
    const hashes = [0, 1, 2, 2 ** 32, 2 ** 53 - 1].map(seed => hashColumns(createWorkload(spec, memory, seed)))
    expect(new Set(hashes).size).toBe(hashes.length)
  })

  test.each(DRAWN)('keeps its pages when think time, jitter and writes change: %s', name => {
    const memory = memoryWithData(GIB_PAGES, 0.4, 16)
    const plain = createWorkload(name, memory, 3)
    const other = createWorkload(`${name}:think=9us,jitter=10%,write=90%`, memory, 3)
    expect(other.page).toEqual(plain.page)
    expect(other.thinkNs).not.toEqual(plain.thinkNs)
    expect(other.flags).not.toEqual(plain.flags)
  })

  property.prop([
    anyMemory,
    fc.constantFrom(
      'sequential',
      'uniform:accesses=200',
      'zipf:accesses=200,skew=1.2',
      'working-set:share=40%,run=3',
      'boot-then-idle:share=40%,burst=3,bursts=4',
      'phases:share=10%,accesses=20,phases=1',
    ),
    fc.integer({ min: 1, max: 9 }),
    fc.maxSafeNat(),
  ])('yields a valid workload of as many vCPUs as asked, for any memory', (memory, spec, vcpus, seed) => {
    const workload = createWorkload(`${spec}${spec.includes(':') ? ',' : ':'}vcpus=${vcpus}`, memory, seed)
    checkWorkload(workload, 'generated')
    expect(workload.vcpus).toBe(vcpus)
    expect(workload.pageCount).toBe(memory.pageCount)
    expect(workload.page.length).toBeGreaterThan(0)
  })

  test.each(DRAWN)('draws writes and think times as asked, on every vCPU: %s', name => {
    const workload = createWorkload(`${name}:write=35%,think=3us,jitter=40%,vcpus=2`, memoryOfSize(GIB_PAGES, 4096), 5)
    for (let vcpu = 0; vcpu < 2; vcpu++) {
      let writes = 0
      let computing = 0
      let sumNs = 0
      let lowNs = Number.POSITIVE_INFINITY
      let highNs = 0
      for (let i = workload.starts[vcpu]; i < workload.starts[vcpu + 1]; i++) {
        writes += workload.flags[i] & 1
        if ((workload.flags[i] & 2) !== 0) continue
        computing++
        sumNs += workload.thinkNs[i]
        lowNs = Math.min(lowNs, workload.thinkNs[i])
        highNs = Math.max(highNs, workload.thinkNs[i])
      }
      const count = workload.starts[vcpu + 1] - workload.starts[vcpu]
      // Four standard deviations of a share, and of the mean of a uniform of ± 40 %.
      expect(Math.abs(writes / count - 0.35)).toBeLessThan(4 * Math.sqrt((0.35 * 0.65) / count))
      expect(Math.abs(sumNs / computing - 3000)).toBeLessThan((4 * 1200) / Math.sqrt(3 * computing))
      expect([lowNs, highNs]).toEqual([1800, 4200])
    }
  })

  test('takes the extremes of write share and jitter literally', () => {
    const memory = memoryOfSize(1000, 4096)
    const all = createWorkload('uniform:write=100%,jitter=0%,think=7', memory, 1)
    expect(new Set(all.flags)).toEqual(new Set([1]))
    expect(new Set(all.thinkNs)).toEqual(new Set([7]))
    expect(new Set(createWorkload('uniform:write=0', memory, 1).flags)).toEqual(new Set([0]))
  })

  test('carries the name as written, the seed and the snapshot identity', () => {
    const workload = createWorkload(' uniform:accesses=3 ', memoryWithData(100, 0.5, 4), 11)
    expect(workload).toMatchObject({ name: 'uniform:accesses=3', seed: 11, snapshotIdentity: 'cafe', pageSize: 4096 })
    expect(createWorkload('uniform:accesses=3', memoryOfSize(9, 4096), 0).snapshotIdentity).toBeNull()
  })

  test('explains every option, and says where it comes from', () => {
    for (const { summary, source, options } of WORKLOADS) {
      expect(summary.length).toBeGreaterThan(20)
      expect(source.length).toBeGreaterThan(10)
      for (const { help } of Object.values(options) as { help: string }[]) expect(help.length).toBeGreaterThan(10)
    }
  })

  test('may be empty, where nothing is asked for', () => {
    const memory = memoryOfSize(100, 4096)
    for (const spec of ['uniform:accesses=0', 'zipf:accesses=0', 'sequential:share=0', 'working-set:share=0%']) {
      const workload = createWorkload(spec, memory, 1)
      checkWorkload(workload, spec)
      expect(workload.page.length).toBe(0)
    }
    expect(createWorkload('boot-then-idle:share=0', memory, 1).page.length).toBe(0)
  })
})

test('the default workload on 1 GiB looks like a small service', () => {
  const stats = workloadStats(createWorkload(DEFAULT_WORKLOAD, memoryWithData(GIB_PAGES, 0.4, 64), 1))
  expect(stats.distinctPages).toBe(13_107) // 51 MiB
  expect(stats.accesses).toBe(4 * 13_107)
  expect(stats.meanRunPages).toBeGreaterThan(3.6)
  expect(stats.meanRunPages).toBeLessThan(4.2)
  expect(stats.longestVcpuNs / 1e6).toBeCloseTo(52, -1) // ms
})

describe('is refused with what was found and expected:', () => {
  const memory = memoryOfSize(1000, 4096)
  test.each([
    [
      'nope',
      'usage: workload: found "nope", expected one of working-set, boot-then-idle, phases, reap-function, chromium, sequential, uniform, zipf',
    ],
    ['zipf:0.9', 'usage: zipf: found "0.9", expected key=value'],
    ['uniform:share=3%', 'usage: uniform: found option "share", expected one of accesses, think, jitter, write, vcpus'],
    ['uniform:vcpus=0', 'usage: uniform: option vcpus: found 0, expected at least 1'],
    ['uniform:vcpus=1025', 'limit: uniform:vcpus=1025: option vcpus: found 1025, expected at most 1024'],
    [
      'uniform:accesses=2147483649',
      'limit: uniform:accesses=2147483649: found 2147483649 accesses, expected at most 2147483647',
    ],
    [
      'uniform:accesses=9007199254740991',
      'limit: uniform:accesses=9007199254740991: found 9007199254740991 accesses, expected at most 2147483647',
    ],
    ['uniform:think=4s', 'limit: uniform:think=4s: option think: found 4000000000 ns, expected at most 2863311530 ns'],
    [
      'sequential:stride=1001',
      "usage: sequential:stride=1001: option stride: found 1001, expected at most the memory's 1000 pages",
    ],
    ['zipf:skew=fast', 'usage: zipf:skew=fast: option skew: found "fast", expected a number from 0 to 10'],
    ['zipf:skew=11', 'usage: zipf:skew=11: option skew: found "11", expected a number from 0 to 10'],
    [
      'working-set:pages=1001',
      "usage: working-set:pages=1001: option pages: found 1001, expected at most the memory's 1000 pages",
    ],
    [
      'working-set:run=0.5',
      'usage: working-set:run=0.5: option run: found "0.5", expected a number from 1 to 4294967296',
    ],
    ['working-set:order=any', 'usage: working-set:order=any: option order: found "any", expected random or sequential'],
    [
      'working-set:reuse=99999999',
      'limit: working-set:reuse=99999999: found 50 pages with 100000000 accesses each, expected at most 2147483647 accesses',
    ],
    ['working-set:share=110%', 'usage: working-set: option share: found "110%", expected a share such as 60% or 0.6'],
    [
      'boot-then-idle:idle=5s',
      'limit: boot-then-idle:idle=5s: option idle: found 5000000000 ns, expected at most 2863311530 ns',
    ],
    [
      'boot-then-idle:bursts=9999999999',
      'limit: boot-then-idle:bursts=9999999999: found 9999999999000 accesses in bursts, expected at most 2147483647',
    ],
  ])('%s', async (spec, message) => {
    expect(await refusal(() => createWorkload(spec, memory, 1))).toBe(message)
  })

  test.each([-1, 1.5, 2 ** 53, Number.NaN])('seed %s', async seed => {
    expect(await refusal(() => createWorkload('uniform', memory, seed))).toBe(
      `usage: seed: found ${seed}, expected a whole number from 0 to 2^53 - 1`,
    )
  })

  test.each([
    [{ ...memory, pageCount: 0 }, 'usage: memory: found 0 pages, expected 1 to 4294967296'],
    [{ ...memory, pageCount: 2 ** 32 + 1 }, 'usage: memory: found 4294967297 pages, expected 1 to 4294967296'],
    [{ ...memory, pageSize: 3000 }, 'usage: memory: found a page size of 3000, expected a power of two'],
    [
      { ...memory, present: new Uint32Array(31) },
      'usage: memory: found a bitmap of 992 bits, expected at least one a page, 1000',
    ],
  ])('memory %#', async (wrong, message) => {
    for (const { name } of WORKLOADS) expect(await refusal(() => createWorkload(name, wrong, 1))).toBe(message)
  })
})
