/** A part of a trace, by time. */
import { LazyRestoreError } from '../../core/error.ts'
import { formatDurationNs } from '../../core/units.ts'
import { allocateColumns } from '../columns.ts'
import type { Workload } from '../workload.ts'

/**
 * The accesses at times [fromNs, toNs) of their vCPU's clock (its think times added up); the clock starts again at `fromNs`.
 * @throws LazyRestoreError `usage` when the interval is none
 */
export function sliceTime(workload: Workload, fromNs: number, toNs: number): Workload {
  if (!(fromNs >= 0 && fromNs < toNs)) {
    throw new LazyRestoreError('usage', `slice: found ${fromNs} ns to ${toNs} ns, expected an interval`)
  }
  const { starts, page, thinkNs, flags, vcpus } = workload
  const first = new Uint32Array(vcpus)
  const firstNs = new Float64Array(vcpus)
  const counts = new Array<number>(vcpus).fill(0)
  for (let vcpu = 0; vcpu < vcpus; vcpu++) {
    let timeNs = 0
    for (let i = starts[vcpu]; i < starts[vcpu + 1]; i++) {
      timeNs += thinkNs[i]
      if (timeNs >= toNs) break
      if (timeNs < fromNs) continue
      if (counts[vcpu]++ > 0) continue
      first[vcpu] = i
      firstNs[vcpu] = timeNs - fromNs
    }
  }
  const columns = allocateColumns(workload.name, counts)
  for (let vcpu = 0; vcpu < vcpus; vcpu++) {
    const end = first[vcpu] + counts[vcpu]
    const to = columns.starts[vcpu]
    columns.page.set(page.subarray(first[vcpu], end), to)
    columns.thinkNs.set(thinkNs.subarray(first[vcpu], end), to)
    columns.flags.set(flags.subarray(first[vcpu], end), to)
    if (counts[vcpu] > 0) columns.thinkNs[to] = firstNs[vcpu]
  }
  const until = toNs === Number.POSITIVE_INFINITY ? 'the end' : formatDurationNs(toNs)
  return { ...workload, name: `${workload.name}, ${formatDurationNs(fromNs)} to ${until}`, ...columns }
}
