/**
 * A probe measures what one thing costs, again and again, on the thread that it is made on. Probes take turns, so that what
 * disturbs the machine for a while disturbs all of them, and none alone.
 */
import { monotonicNs } from '../../uffd/engine/clock.ts'
import type { Samples } from '../estimate.ts'

/** Keeps one sample. */
export type Recorder = (measure: string, ns: number) => void

export interface Probe {
  /** Takes one sample, or a few, of each of its measures. At most some ms. */
  run(record: Recorder): void
  close(): void
}

/** Rounds before this share of the time are not kept: code is compiled, memory is had from the kernel for the first time. */
const WARM_UP_SHARE = 0.15
/** More rounds than this change no median. */
const MOST_ROUNDS = 20_000

/** Runs probes in turns for `budgetMs`, or until a round was kept where the first took longer, then closes them. */
export function runProbes(probes: readonly Probe[], budgetMs: number): Samples {
  const samples = new Map<string, number[]>()
  let keeps = false
  const record: Recorder = (measure, ns) => {
    if (!keeps) return
    const kept = samples.get(measure)
    if (kept === undefined) samples.set(measure, [ns])
    else kept.push(ns)
  }
  const startNs = monotonicNs()
  try {
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const elapsedMs = (monotonicNs() - startNs) / 1e6
      if (keeps && elapsedMs > budgetMs) break
      keeps = elapsedMs > budgetMs * WARM_UP_SHARE
      for (const probe of probes) probe.run(record)
    }
  } finally {
    for (const probe of probes) probe.close()
  }
  return samples
}

/** What the two readings of the clock around a sample take themselves; to be taken off every sample. */
export class ClockProbe implements Probe {
  run(record: Recorder): void {
    const startNs = monotonicNs()
    record('clock', monotonicNs() - startNs)
  }

  close(): void {}
}

/** Visits 0..count-1, each once, far from one another: a prime step, so that a hardware prefetcher does not help. */
export function scattered(index: number, count: number): number {
  return (index * 7919) % count
}
