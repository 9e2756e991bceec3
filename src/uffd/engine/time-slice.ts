/**
 * A short time slice for threads that work in short bursts and that others wait for. Linux's scheduler (EEVDF) lets a running
 * thread finish its slice, some ms, before one that wakes beside it gets the CPU; a thread with a shorter slice of its own does
 * not wait for that (sched_setattr(2), sched_runtime of SCHED_OTHER; Linux ≥ 6.12, kernel/sched/features.h PREEMPT_SHORT).
 */
import { addressOf, libc } from '../native.ts'

/** A handler's: the least that Linux takes. */
export const HANDLER_SLICE_NS = 100_000

/** Numbers of sched_setattr and sched_getattr. */
const SYSTEM_CALLS: Readonly<Record<string, readonly [set: number, get: number]>> = {
  x64: [314, 315],
  arm64: [274, 275],
  riscv64: [274, 275],
}
/** struct sched_attr: size, policy, flags (64), nice, priority, runtime, deadline, period (64 each). */
const WORDS = 12
const [POLICY_WORD, RUNTIME_WORD] = [1, 6]
const SCHED_OTHER = 0
/** As runtime: the kernel's own slice. */
const DEFAULT = 0

/**
 * While the calling thread runs `work`; undefined: the kernel's own slice. A thread of another policy than SCHED_OTHER is left
 * as it is, and so goes a kernel on that knows no such slices: it is a matter of speed alone.
 */
export function withTimeSlice<T>(ns: number | undefined, work: () => T): T {
  const calls = SYSTEM_CALLS[process.arch]
  if (ns === undefined || calls === undefined) return work()
  const [set, get] = calls
  // Policy and nice value are set with the slice, so they must be known.
  const attributes = new Uint32Array(WORDS)
  const address = addressOf(attributes)
  const isKnown = libc().syscall(get, 0, address, attributes.byteLength, 0, 0, 0) === 0
  if (!isKnown || attributes[POLICY_WORD] !== SCHED_OTHER) return work()
  const setSlice = (sliceNs: number): void => {
    attributes[RUNTIME_WORD] = sliceNs
    libc().syscall(set, 0, address, 0, 0, 0, 0)
  }
  setSlice(ns)
  try {
    return work()
  } finally {
    setSlice(DEFAULT)
  }
}
