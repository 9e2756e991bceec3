/** CPU time of others while something is measured. */
import { describe, expect, it, test } from 'vitest'
import {
  type CpuTimes,
  othersShare,
  parseCpuTimes,
  readCpuTimes,
  undisturbed,
} from '../../src/experiment/others-load.ts'

const STAT = 'cpu  100 10 50 800 20 1 2 7 5 0\ncpu0 50 5 25 400 10 1 1 3 2 0\nintr 12\n'

describe('CPU times', () => {
  it('are the sums of all CPUs, without the time of guests, which is in that of users', () => {
    expect(parseCpuTimes(STAT, 33)).toEqual({ passedMs: 9900, workedMs: 1700, ownMs: 33 })
  })

  it.each(['', 'cpu0 1 2 3\n', 'cpu  1 2 3\n'])('are not told by %j', stat => {
    expect(parseCpuTimes(stat, 0)).toBeNull()
  })

  it('of this host grow', () => {
    const before = readCpuTimes()
    const untilMs = performance.now() + 50
    while (performance.now() < untilMs);
    const after = readCpuTimes()
    if (before === null || after === null) return expect(process.platform).not.toBe('linux')
    expect(after.ownMs).toBeGreaterThan(before.ownMs)
    expect(after.passedMs).toBeGreaterThan(before.passedMs)
  })
})

describe("others' share", () => {
  test.each([
    { worked: 150, own: 100, share: 0.25 },
    { worked: 90, own: 100, share: 0 },
    { worked: 900, own: 100, share: 1 },
  ])('is $share of 200 ms in which CPUs worked for $worked and this process for $own', ({ worked, own, share }) => {
    const before = { passedMs: 1000, workedMs: 500, ownMs: 20 }
    expect(othersShare(before, { passedMs: 1200, workedMs: 500 + worked, ownMs: 20 + own })).toBe(share)
  })
})

describe('measuring undisturbed', () => {
  /** A host on which others take these shares, one after the other. */
  const host = (shares: readonly number[]) => {
    let time: CpuTimes = { passedMs: 0, workedMs: 0, ownMs: 0 }
    let looks = 0
    return (): CpuTimes => {
      if (looks++ % 2 === 1) {
        const share = shares[(looks >> 1) - 1]
        time = { ...time, passedMs: time.passedMs + 100, workedMs: time.workedMs + 100 * share }
      }
      return time
    }
  }

  test.each([
    { shares: [0.01, 0.5], tries: 4, done: 1, best: 1 },
    { shares: [0.5, 0.3, 0.02, 0.9], tries: 4, done: 3, best: 3 },
    { shares: [0.5, 0.25, 0.4], tries: 3, done: 3, best: 2 },
  ])('$shares: is done $done times, and the outcome is that of number $best', async ({ shares, tries, done, best }) => {
    let times = 0
    const found = await undisturbed(async () => ++times, tries, host(shares))
    expect([times, found.outcome, found.othersShare]).toEqual([done, best, expect.closeTo(shares[best - 1])])
  })

  it('is done once where the kernel does not tell', async () => {
    let times = 0
    expect(
      await undisturbed(
        async () => ++times,
        4,
        () => null,
      ),
    ).toEqual({ outcome: 1, othersShare: null })
    expect(times).toBe(1)
  })
})
