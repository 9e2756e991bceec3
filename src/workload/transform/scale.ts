/** The same accesses, slower or faster. */
import { LazyRestoreError } from '../../core/error.ts'
import { MAX_THINK_NS, type Workload } from '../workload.ts'

/**
 * Times before accesses, multiplied by `factor` and rounded.
 * @throws LazyRestoreError `limit` when one no longer fits its 32 bits, `usage` for a factor that is no number ≥ 0
 */
export function scaleTimes(workload: Workload, factor: number): Workload {
  if (!(factor >= 0 && factor <= 1e6)) {
    throw new LazyRestoreError('usage', `scale: found ${factor}, expected a number from 0 to 1000000`)
  }
  const thinkNs = new Uint32Array(workload.thinkNs.length)
  for (let i = 0; i < thinkNs.length; i++) {
    const scaled = Math.round(workload.thinkNs[i] * factor)
    if (scaled > MAX_THINK_NS) {
      const found = `found ${scaled} ns before access ${i}`
      throw new LazyRestoreError(
        'limit',
        `${workload.name}: ${found} by scale ${factor}, expected at most ${MAX_THINK_NS}`,
      )
    }
    thinkNs[i] = scaled
  }
  return { ...workload, name: `${workload.name}, times × ${factor}`, thinkNs }
}
