/**
 * CLOCK_MONOTONIC in ns, the same on every thread. It is looked at thousands of times in a ms, by threads that compute: what
 * performance.now() answers is 16 bytes on the heap each time, and V8 gives the memory for them back while a thread idles, so
 * that a restore after a pause took 2,500 page faults for looking at the clock. Code of ours puts the time into memory that
 * is there.
 */
import { performance } from 'node:perf_hooks'
import type { CodeLine } from '../assembler.ts'
import { littleEndian, loadCode } from '../loaded-code.ts'
import { addressOf, addressOfFunction, functionAt, nativeReason } from '../native.ts'

const SAMPLES = 16
const ns = new Float64Array(new ArrayBuffer(8))

/** `void look(void)`: asks clock_gettime(2) at `clock`, and leaves the ns at `result` as a double. */
export const clockCode = (clock: number, result: number): readonly CodeLine[] => [
  ['48 83 ec 18', 'sub rsp, 24'], // struct timespec, and the stack aligned
  ['bf 01 00 00 00', 'mov edi, 1'], // CLOCK_MONOTONIC
  ['48 89 e6', 'mov rsi, rsp'],
  [`48 b8 ${littleEndian(clock)}`, `movabs rax, ${clock}`],
  ['ff d0', 'call rax'],
  ['48 69 04 24 00 ca 9a 3b', 'imul rax, [rsp], 1000000000'],
  ['48 03 44 24 08', 'add rax, [rsp + 8]'],
  ['f2 48 0f 2a c0', 'cvtsi2sd xmm0, rax'],
  [`48 b8 ${littleEndian(result)}`, `movabs rax, ${result}`],
  ['f2 0f 11 00', 'movsd [rax], xmm0'],
  ['48 83 c4 18', 'add rsp, 24'],
  ['c3', 'ret'],
]

type Look = () => void

/** Prepared at a thread's first look. */
let look: Look | undefined

export function monotonicNs(): number {
  look ??= nativeClock(ns) ?? portableClock(ns)
  look()
  return ns[0]
}

/**
 * Puts the time into `result`, whose buffer is one of its own: a small array without one lies in V8's heap, and moves. Null on
 * another architecture, without koffi, and where the host allows no code of ours.
 */
export function nativeClock(result: Float64Array): Look | null {
  if (process.arch !== 'x64' || nativeReason() !== null) return null
  const code = loadCode(clockCode(addressOfFunction('clock_gettime'), addressOf(result)))
  return code === null ? null : functionAt(code.address)
}

/** By performance.now(), which reads the same clock but counts from an origin that each thread has for itself. */
export function portableClock(result: Float64Array): Look {
  const originNs = threadOriginNs()
  return () => {
    result[0] = originNs + performance.now() * 1e6
  }
}

/** ns between the clock's origin and this thread's, by the sample that was disturbed least. */
function threadOriginNs(): number {
  let best = Number.POSITIVE_INFINITY
  let origin = 0
  for (let i = 0; i < SAMPLES; i++) {
    const before = process.hrtime.bigint()
    const nowMs = performance.now()
    const after = process.hrtime.bigint()
    const took = Number(after - before)
    if (took >= best) continue
    best = took
    origin = Number(before) + took / 2 - nowMs * 1e6
  }
  return origin
}
