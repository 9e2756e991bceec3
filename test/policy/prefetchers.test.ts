/** Policies that bring along what a fault says will be wanted, by hand. */
import { describe, expect, test } from 'vitest'
import { LazyRestoreError } from '../../src/core/error.ts'
import { FaultFeed } from '../../src/policy/policy-host.ts'
import { layoutOfBits } from '../destination/layout-of-bits.ts'
import { allPlans, nextPlan, onFault, policyOf } from './plans.ts'

const KIB = 1024

/** Ten 4 KiB pages, then two of 64 KiB, of which the last is a tail of four target pages. */
const LAYOUT = layoutOfBits({ bits: '1100011100' }, { bits: '1'.repeat(20), hostPageSize: 65_536 })
const LONG = layoutOfBits({ bits: '1'.repeat(200) }, { bits: '1'.repeat(50) })

describe('fault-around', () => {
  test('answers with the neighbours of the same kind in the aligned window, as one run', () => {
    const policy = policyOf('fault-around:pages=4', LAYOUT)
    expect(policy.mechanism).toMatchObject({ install: 'uffd', handlers: 1, workers: 0, direct: false })
    // Windows 0-3 (1100), 4-7 (0111), 8-9 (00).
    expect(onFault(policy, 0)).toEqual([[0, 2]])
    expect(onFault(policy, 1)).toEqual([[0, 2]])
    expect(onFault(policy, 3)).toEqual([[2, 2]])
    expect(onFault(policy, 4)).toEqual([[4, 1]])
    expect(onFault(policy, 6)).toEqual([[5, 3]])
    expect(onFault(policy, 9)).toEqual([[8, 2]])
  })

  test('takes windows of 16 pages, aligned to the block, and leaves no block', () => {
    const policy = policyOf('fault-around', LAYOUT)
    expect(onFault(policy, 6)).toEqual([[5, 3]])
    expect(onFault(policy, 4)).toEqual([[2, 3]])
    expect(onFault(policy, 11)).toEqual([[10, 2]])
    expect(onFault(policyOf('fault-around', LONG), 200 + 17)).toEqual([[216, 16]])
    expect(onFault(policyOf('fault-around', LONG), 200 + 49)).toEqual([[248, 2]])
  })

  test('of one page is lazy', () => {
    expect(onFault(policyOf('fault-around:pages=1', LAYOUT), 6)).toEqual([[6, 1]])
  })
})

describe('stride', () => {
  const answers = (spec: string, faults: readonly number[], layout = LONG) => {
    const policy = policyOf(spec, layout)
    return faults.map(page => onFault(policy, page))
  }

  test('sees a stream in three faults at equal distances, and doubles what comes along while it goes on', () => {
    // 10, 13, 16: two more come along, so that the stream goes on at 25; then four, at 40; then eight.
    expect(answers('stride', [10, 13, 16, 25, 40])).toEqual([
      [[10, 1]],
      [[13, 1]],
      [
        [16, 1],
        [19, 1],
        [22, 1],
      ],
      [
        [25, 1],
        [28, 1],
        [31, 1],
        [34, 1],
        [37, 1],
      ],
      [40, 43, 46, 49, 52, 55, 58, 61, 64].map(page => [page, 1]),
    ])
  })

  test('makes one run of neighbours, upwards and downwards', () => {
    expect(answers('stride', [10, 11, 12, 15])).toEqual([[[10, 1]], [[11, 1]], [[12, 3]], [[15, 5]]])
    expect(answers('stride', [60, 59, 58, 55])).toEqual([
      [[60, 1]],
      [[59, 1]],
      [
        [58, 1],
        [56, 2],
      ],
      [
        [55, 1],
        [51, 4],
      ],
    ])
  })

  test('brings at most so many pages, and none of another block', () => {
    expect(answers('stride:depth=3', [10, 11, 12, 15, 19]).slice(2)).toEqual([[[12, 3]], [[15, 4]], [[19, 4]]])
    expect(answers('stride', [197, 198, 199])).toEqual([[[197, 1]], [[198, 1]], [[199, 1]]])
    expect(answers('stride', [2, 1, 0]).at(-1)).toEqual([[0, 1]])
    expect(answers('stride', [202, 201, 200]).at(-1)).toEqual([[200, 1]])
    expect(answers('stride', [150, 170, 190]).at(-1)).toEqual([[190, 1]])
  })

  test('follows streams that are mixed', () => {
    const found = answers('stride', [10, 100, 12, 98, 14, 96, 20, 90])
    expect(found.slice(4)).toEqual([
      [14, 16, 18].map(page => [page, 1]),
      [96, 94, 92].map(page => [page, 1]),
      [20, 22, 24, 26, 28].map(page => [page, 1]),
      [90, 88, 86, 84, 82].map(page => [page, 1]),
    ])
  })

  test('sees none in gaps that differ, are too long, or are none at all', () => {
    const alone = (faults: readonly number[]) => faults.map(page => [[page, 1]])
    expect(answers('stride', [10, 13, 17, 18])).toEqual(alone([10, 13, 17, 18]))
    expect(answers('stride:reach=9', [10, 20, 30])).toEqual(alone([10, 20, 30]))
    expect(answers('stride', [7, 7, 7])).toEqual(alone([7, 7, 7]))
  })

  test('forgets a fault after sixteen others', () => {
    const between = [...Array(16)].map((_, i) => 3 + i * i)
    const others = between.slice(0, 15)
    expect(answers('stride:reach=1', [239, 238, ...others.slice(0, 14), 237]).at(-1)).toHaveLength(2)
    expect(answers('stride:reach=1', [239, 238, ...others, 237]).at(-1)).toHaveLength(1)
  })
})

describe('follow-sweep', () => {
  test('without faults walks all memory in order', () => {
    const policy = policyOf('follow-sweep:chunk=24K', LAYOUT)
    expect(policy.mechanism).toMatchObject({ handlers: 1, workers: 1, readBytes: 24 * KIB, zeroBytes: 24 * KIB })
    expect(allPlans(policy.next)).toEqual([[[0, 6]], [[6, 4]], [[10, 1]], [[11, 1]]])
  })

  test('goes on behind the last fault, and comes back for what it jumped over', () => {
    const policy = policyOf('follow-sweep:chunk=16K', layoutOfBits({ bits: '1'.repeat(20) }))
    expect(nextPlan(policy)).toEqual([[0, 4]])
    expect(onFault(policy, 11)).toEqual([[11, 1]])
    // Two faults before the worker asks again: the last one counts.
    onFault(policy, 9)
    expect(nextPlan(policy)).toEqual([[10, 4]])
    expect(nextPlan(policy)).toEqual([[14, 4]])
    onFault(policy, 5)
    expect(nextPlan(policy)).toEqual([[6, 4]])
    // What has been walked is passed over; 10 to 17 have been.
    expect(nextPlan(policy)).toEqual([[18, 2]])
    expect(nextPlan(policy)).toEqual([[4, 2]])
    expect(nextPlan(policy)).toEqual([])
  })

  test('starts over at the beginning behind a fault on the last page', () => {
    const policy = policyOf('follow-sweep:chunk=16K', layoutOfBits({ bits: '1'.repeat(6) }))
    onFault(policy, 5)
    expect(allPlans(policy.next)).toEqual([[[0, 4]], [[4, 2]]])
  })

  test('hears of faults that another object of the same restore answers', () => {
    const words = new Int32Array(new SharedArrayBuffer(8))
    const [handler, worker] = [0, 1].map(() => policyOf('follow-sweep:chunk=16K', LONG))
    for (const policy of [handler, worker]) policy.start?.({ nowNs: () => 0, faults: new FaultFeed(words) })
    onFault(handler, 99)
    expect(nextPlan(worker)).toEqual([[100, 4]])
  })
})

test.each([
  ['fault-around:pages=0', 'fault-around: option pages: found 0, expected at least 1'],
  ['fault-around:pages=513', 'fault-around: option pages: found 513, expected at most 512'],
  ['stride:depth=0', 'stride: option depth: found 0, expected at least 1'],
  ['stride:reach=0', 'stride: option reach: found 0, expected at least 1'],
  ['follow-sweep:chunk=1K', 'follow-sweep: option chunk: found 1024, expected at least 4096'],
])('refuses %s', (spec, message) => {
  expect(() => policyOf(spec, LAYOUT)).toThrow(new LazyRestoreError('usage', message))
})
