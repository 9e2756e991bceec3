/**
 * A short time slice for threads that work in short bursts and that others wait for. Linux's scheduler (EEVDF) lets a running
 * thread finish its slice, some ms, before one that wakes beside it gets the CPU; a thread with a shorter slice of its own does
 * not wait for that (sched_setattr(2), sched_runtime of SCHED_OTHER; Linux ≥ 6.12, kernel/sched/features.h PREEMPT_SHORT).
 */
import { addressOf, libc } from '../native.ts'

/** A handler's: the least that Linux takes. */
export const HANDLER_SLICE_NS = 100_000

const SYS_SCHED_SETATTR: Readonly<Record<string, number>> = { x64: 314, arm64: 274, riscv64: 274 }
/** struct sched_attr: size, policy, flags (64), nice, priority, runtime, deadline, period (64 each). */
const WORDS = 12
const RUNTIME_WORD = 6
/** As runtime: the kernel's own slice. */
const DEFAULT = 0

/** While the calling thread runs `work`; undefined: the kernel's own slice. A kernel that knows no such slices goes on as it is: it is a matter of speed alone. */
export function withTimeSlice<T>(ns: number | undefined, work: () => T): T {
  if (ns === undefined) return work()
  setTimeSlice(ns)
  try {
    return work()
  } finally {
    setTimeSlice(DEFAULT)
  }
}

function setTimeSlice(ns: number): void {
  const nr = SYS_SCHED_SETATTR[process.arch]
  if (nr === undefined) return
  const attributes = new Uint32Array(WORDS)
  attributes[0] = attributes.byteLength
  attributes[RUNTIME_WORD] = ns
  libc().syscall(nr, 0, addressOf(attributes), 0, 0, 0, 0)
}
