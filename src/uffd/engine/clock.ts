/**
 * CLOCK_MONOTONIC in ns, the same on every thread. performance.now() reads that clock without allocating, but counts from an
 * origin that each thread has for itself. Imported, because the global of that name is looked up at each use.
 */
import { performance } from 'node:perf_hooks'

const SAMPLES = 16

/** ns between the clock's origin and this thread's, by the sample that was disturbed least. */
const originNs = ((): number => {
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
})()

export function monotonicNs(): number {
  return originNs + performance.now() * 1e6
}
