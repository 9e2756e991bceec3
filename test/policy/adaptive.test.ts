/** The adaptive policy by hand: a clock that the test moves, and answers that take what the test says. */
import { describe, expect, test } from 'vitest'
import { FadingLine } from '../../src/policy/line-fit.ts'
import { Plan } from '../../src/policy/plan.ts'
import type { Policy } from '../../src/policy/policy.ts'
import { FaultFeed } from '../../src/policy/policy-host.ts'
import { layoutOfBits } from '../destination/layout-of-bits.ts'
import { nextPlan, onFault, type PlannedRun, policyOf } from './plans.ts'

const PAGES = 200_000
const LAYOUT = layoutOfBits({ bits: '1'.repeat(PAGES) })
const MS = 1_000_000

/** The policy on a clock of the test's. */
class Driven {
  readonly policy: Policy
  nowNs = 1
  readonly #worker = new Plan(8)

  constructor(spec: string, layout = LAYOUT) {
    this.policy = policyOf(spec, layout)
    this.policy.start?.({ nowNs: () => this.nowNs, faults: new FaultFeed() })
  }

  /** Answers a fault in `fixedNs` and `eachNs` for each page; returns the run. */
  fault(page: number, fixedNs: number, eachNs: number): PlannedRun {
    const [run] = onFault(this.policy, page)
    const [first, count] = run
    this.nowNs += fixedNs + count * eachNs
    this.policy.onInstalled?.(first, count)
    return run
  }

  /** What one worker does next, after so long. */
  fill(tookNs: number): PlannedRun[] {
    this.nowNs += tookNs
    this.#worker.clear()
    this.policy.next?.(this.#worker)
    return Array.from({ length: this.#worker.length }, (_, i) => [this.#worker.first[i], this.#worker.count[i]])
  }
}

/** Faults that each come right behind the window before: a scan. */
function scan(driven: Driven, faults: number, fixedNs: number, eachNs: number): number[] {
  const counts: number[] = []
  let page = 0
  for (let i = 0; i < faults; i++) {
    const [first, count] = driven.fault(page, fixedNs, eachNs)
    counts.push(count)
    page = first + count
  }
  return counts
}

/** Faults that are near no other. */
function scatter(driven: Driven, faults: number, fixedNs: number, eachNs: number): number[] {
  return Array.from({ length: faults }, (_, i) => driven.fault(((i + 1) * 7919) % PAGES, fixedNs, eachNs)[1])
}

describe('the window', () => {
  test('is 64 KiB of pages of one kind to begin with, and every eighth is a quarter of that', () => {
    expect(scatter(new Driven('adaptive'), 16, 0, 0)).toEqual([...Array(16)].map((_, i) => (i % 8 === 7 ? 4 : 16)))
    const mixed = layoutOfBits({ bits: '1100011100' })
    expect(new Driven('adaptive', mixed).fault(6, 0, 0)).toEqual([5, 3])
  })

  test('grows in a scan where a fault costs far more than a page, up to the most', () => {
    const counts = scan(new Driven('adaptive:most=256K'), 400, 100_000, 500)
    expect(counts[0]).toBe(16)
    expect(Math.max(...counts)).toBe(64)
    expect(counts.slice(-7).filter(count => count === 64).length).toBeGreaterThanOrEqual(6)
  })

  test('does not where pages cost as much as what they spare', () => {
    // 16 pages more would take 160 µs to spare a fault of 100 µs.
    expect(Math.max(...scan(new Driven('adaptive'), 400, 100_000, 10_000))).toBe(16)
  })

  test('shrinks to single pages where nothing near is wanted', () => {
    const counts = scatter(new Driven('adaptive'), 600, 20_000, 2000)
    expect(counts[0]).toBe(16)
    expect(counts.slice(-50)).toEqual(Array(50).fill(1))
  })

  test('stays as it is while nothing can be told from the clock', () => {
    expect(new Set(scatter(new Driven('adaptive'), 200, 0, 0))).toEqual(new Set([16, 4]))
  })
})

describe('the fill', () => {
  test('begins small, and doubles while no fault comes', () => {
    const driven = new Driven('adaptive')
    const pages = [...Array(9)].map(() => driven.fill(MS)[0][1])
    expect(pages).toEqual([16, 32, 64, 128, 256, 512, 1024, 1024, 1024])
  })

  test('goes on behind the last fault', () => {
    const driven = new Driven('adaptive')
    driven.fill(MS)
    driven.fault(5000, 0, 0)
    expect(driven.fill(MS)[0][0]).toBe(5001)
  })

  test('takes so long at a time, while faults come, as a pause may be', () => {
    const driven = new Driven('adaptive:pause=1ms,quiet=5ms')
    for (let i = 0; i < 8; i++) driven.fill(MS)
    // The last one, of 4 MiB, takes 8 ms, and a fault has come: an eighth of it takes 1 ms.
    driven.fault(9000, 0, 0)
    expect(driven.fill(8 * MS)).toEqual([[9001, 128]])
    // At that speed; then twice as fast, which doubles it; then quiet for long; then slow, with a fault: the least.
    expect(driven.fill(MS)).toEqual([[9129, 128]])
    expect(driven.fill(MS / 2)).toEqual([[9257, 256]])
    expect(driven.fill(400 * MS)[0][1]).toBe(512)
    driven.fault(20_000, 0, 0)
    expect(driven.fill(400 * MS)).toEqual([[20_001, 16]])
  })

  test('grows again when it has been quiet', () => {
    const driven = new Driven('adaptive:pause=1ms,quiet=5ms')
    driven.fill(MS)
    driven.fault(9000, 0, 0)
    expect(driven.fill(2 * MS)[0][1]).toBe(16)
    expect(driven.fill(2 * MS)[0][1]).toBe(16)
    expect(driven.fill(2 * MS)[0][1]).toBe(16)
    expect(driven.fill(2 * MS)[0][1]).toBe(32)
  })

  test('walks all of memory once', () => {
    const { policy } = new Driven('adaptive', layoutOfBits({ bits: '10'.repeat(40) }, { bits: '1'.repeat(7) }))
    onFault(policy, 50)
    const pages = [...Array(20)].flatMap(() =>
      nextPlan(policy).flatMap(([first, count]) => [...Array(count)].map((_, i) => first + i)),
    )
    expect(pages.toSorted((a, b) => a - b)).toEqual([...Array(87)].map((_, i) => i))
  })
})

describe('a fading line', () => {
  const fitted = (samples: readonly (readonly [number, number])[]) => {
    const line = new FadingLine(64)
    for (const [n, cost] of samples) line.add(n, cost)
    return line.line
  }

  test('is that of samples on a line', () => {
    const { fixed, each } = fitted([1, 5, 9, 16, 2].map(n => [n, 300 + 7 * n] as const))!
    expect(fixed).toBeCloseTo(300, 6)
    expect(each).toBeCloseTo(7, 6)
  })

  test('follows what changes', () => {
    const line = new FadingLine(16)
    for (let i = 0; i < 200; i++) line.add(1 + (i % 7), (i < 100 ? 1000 : 200) + 3 * (1 + (i % 7)))
    expect(line.line!.fixed).toBeCloseTo(200, -1)
  })

  test('is none for few samples, all alike, or a line that falls', () => {
    expect(fitted([])).toBeNull()
    expect(
      fitted([
        [1, 1],
        [2, 2],
        [3, 4],
      ]),
    ).toBeNull()
    expect(fitted([4, 4, 4, 4, 4].map(n => [n, 100] as const))).toBeNull()
    expect(fitted([1, 2, 3, 4, 5].map(n => [n, 100 - n] as const))).toBeNull()
  })
})
