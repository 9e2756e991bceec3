/**
 * How V8 collects the garbage of a sweep's threads and compiles their code. Cells leave typed arrays mostly, on account of which
 * V8 would mark the whole heap every fortieth cell; and where each core has a thread of its own, help from further threads costs
 * more than it spares.
 *
 * These are V8's names. They hold for threads that are started from then on, and change no result. Others that would spare more,
 * as those that have it mark and compile in place, cannot be changed in a process that runs: it crashes.
 */
import { setFlagsFromString } from 'node:v8'
import { JobPool } from '../jobs/pool.ts'
import type { Limits } from '../limits.ts'

const FLAGS = [
  // MiB of a thread's heap from which on it is marked.
  '--initial-old-space-size=256',
  '--no-parallel-scavenge',
  // By how much the heap may grow from one marking to the next, of what was left of it. Results of a MiB each that pass through the
  // main thread count as heap: it marked what little else it has every tenth batch.
  '--heap-growing-percent=400',
  // Bytes of bytecode that a function runs before it is optimised, 66 KiB by default. The simulator runs that in no time, and
  // what is not hot after six times as much costs more to compile than it spares: half of what is compiled, and no cell slower.
  '--interrupt-budget=400000',
]

/** For a process that has a sweep to do, itself or by others. */
export function preferThroughput(): void {
  for (const flag of FLAGS) setFlagsFromString(flag)
}

/** Threads for the cells of sweeps. @param ready so many are started at once, and stay; the others when there is work */
export function sweepPool(threads: number, limits: Limits, ready = 0): JobPool {
  preferThroughput()
  return new JobPool(threads, limits, ready)
}
