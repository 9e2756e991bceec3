/**
 * How much of a core a thread gets which could run all the time: alone on the host, and while all cores are busy. The rest goes
 * to the hypervisor, its other guests and the kernel. Threads spin on the clock by a common schedule of windows, alone and all
 * in turns; a gap between two looks at it in which a thread did not run is not its time.
 */
import { monotonicNs } from '../uffd/engine/clock.ts'
import { sleepNs } from '../uffd/engine/restore-state.ts'
import { PREEMPTED_NS } from '../uffd/engine/vcpu.ts'
import type { Samples } from './estimate.ts'
import { measureTogether } from './measuring-thread.ts'
import { isBeside, LEAD_NS, limitMsOf, WINDOW_NS, type WindowsJob, windowsIn } from './windows.ts'

/** Windows at the start and at the end that do not count: threads compile their code there, and others end. */
const UNCOUNTED = 2

export interface CoreShareJob extends WindowsJob {
  /** Runs in every window; else in every second one, when all run. */
  readonly always: boolean
}

/** By window, the share of the time in which the thread ran, per mille; the main thread of one worker. */
export function spinInWindows({ startNs, windows, always }: CoreShareJob): number[] {
  const shares: number[] = []
  for (let window = 0; window < windows; window++) {
    const start = startNs + window * WINDOW_NS
    const end = start + WINDOW_NS
    const runs = always || isBeside(window)
    sleepNs((runs ? start : end) - monotonicNs())
    if (runs) shares.push(spinUntil(end))
  }
  return shares
}

function spinUntil(endNs: number): number {
  const startNs = monotonicNs()
  let lastNs = startNs
  let ranNs = 0
  while (lastNs < endNs) {
    const nowNs = monotonicNs()
    if (nowNs - lastNs < PREEMPTED_NS) ranNs += nowNs - lastNs
    lastNs = nowNs
  }
  return lastNs === startNs ? 0 : (1000 * ranNs) / (lastNs - startNs)
}

/** Samples `share alone` and `share all`, per mille. */
export async function measureCoreShares(budgetMs: number, cores: number): Promise<Samples> {
  const windows = windowsIn(budgetMs) + 2 * UNCOUNTED
  const startNs = monotonicNs() + LEAD_NS
  const works = Array.from({ length: cores }, (_, i) => ({
    role: 'share' as const,
    job: { startNs, windows, always: i === 0 },
  }))
  const [first, ...others] = await measureTogether<number[][]>(works, limitMsOf(budgetMs))
  const counted = first.slice(UNCOUNTED, -UNCOUNTED)
  const together = counted.filter((_, window) => isBeside(window))
  const ofOthers = others.flatMap(theirs => theirs.slice(UNCOUNTED / 2, -UNCOUNTED / 2))
  return new Map([
    ['share alone', counted.filter((_, window) => !isBeside(window))],
    ['share all', [...together, ...ofOthers]],
  ])
}
