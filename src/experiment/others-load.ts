/**
 * How much of the host's CPU time others take while something is measured, and measuring again where it was too much: what a
 * restore takes beside somebody else's work says little of either.
 */
import { readFileSync } from 'node:fs'

const MS_PER_TICK = 10
/** Columns of /proc/stat's first line (proc_stat(5)) in which a CPU is at work: user, nice, system, irq, softirq, steal. */
const AT_WORK = [0, 1, 2, 5, 6, 7]
const COLUMNS = 8

/** CPU time of all CPUs since they started, and of this process, ms. */
export interface CpuTimes {
  readonly passedMs: number
  readonly workedMs: number
  readonly ownMs: number
}

/** Null where the kernel does not tell. */
export function readCpuTimes(): CpuTimes | null {
  try {
    const { user, system } = process.cpuUsage()
    return parseCpuTimes(readFileSync('/proc/stat', 'latin1'), (user + system) / 1e3)
  } catch {
    return null
  }
}

/** @param stat text of /proc/stat */
export function parseCpuTimes(stat: string, ownMs: number): CpuTimes | null {
  const ticks = /^cpu +([\d ]+)$/m.exec(stat)?.[1].split(' ').slice(0, COLUMNS).map(Number)
  if (ticks === undefined || ticks.length < COLUMNS) return null
  const passed = ticks.reduce((sum, each) => sum + each, 0)
  const worked = AT_WORK.reduce((sum, column) => sum + ticks[column], 0)
  return { passedMs: passed * MS_PER_TICK, workedMs: worked * MS_PER_TICK, ownMs }
}

/** Share of all CPU time between the two that neither this process had nor was idle, 0 to 1. */
export function othersShare(before: CpuTimes, after: CpuTimes): number {
  const others = after.workedMs - before.workedMs - (after.ownMs - before.ownMs)
  return Math.min(1, Math.max(0, others) / Math.max(MS_PER_TICK, after.passedMs - before.passedMs))
}

export interface Undisturbed<T> {
  readonly outcome: T
  /** While it was measured; null where the kernel does not tell. */
  readonly othersShare: number | null
}

/** Others may take this much. */
export const TOLERABLE_SHARE = 0.08

/**
 * Does `work`, and does it again, up to `tries` times in all, while others take more than a tolerable share.
 * @returns the outcome that was disturbed least
 */
export async function undisturbed<T>(
  work: () => Promise<T>,
  tries: number,
  cpuTimes: () => CpuTimes | null = readCpuTimes,
): Promise<Undisturbed<T>> {
  let best: Undisturbed<T> | null = null
  for (let left = tries; left > 0; left--) {
    const before = cpuTimes()
    const outcome = await work()
    const after = cpuTimes()
    const share = before === null || after === null ? null : othersShare(before, after)
    if (best === null || share === null || share < best.othersShare!) best = { outcome, othersShare: share }
    if (share === null || share <= TOLERABLE_SHARE) break
  }
  return best!
}
