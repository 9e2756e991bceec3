/** The accesses of all vCPUs in the order of their times, each vCPU's clock being its own think time: a run that nothing holds up. */
import type { Workload } from './workload.ts'

/** Calls `visit` with the index of each access and its time in ns; of several at one time, that of the lowest vCPU first. */
export function visitInTime(
  { vcpus, starts, thinkNs }: Workload,
  visit: (access: number, timeNs: number, vcpu: number) => void,
): void {
  // The next access of each vCPU and its time; Infinity behind the last.
  const cursor = Float64Array.from(starts.subarray(0, vcpus))
  const timeNs = new Float64Array(vcpus)
  for (let vcpu = 0; vcpu < vcpus; vcpu++) {
    timeNs[vcpu] = cursor[vcpu] < starts[vcpu + 1] ? thinkNs[cursor[vcpu]] : Number.POSITIVE_INFINITY
  }
  for (let left = starts[vcpus]; left > 0; left--) {
    let next = 0
    for (let vcpu = 1; vcpu < vcpus; vcpu++) if (timeNs[vcpu] < timeNs[next]) next = vcpu
    visit(cursor[next], timeNs[next], next)
    cursor[next]++
    if (cursor[next] < starts[next + 1]) timeNs[next] += thinkNs[cursor[next]]
    else timeNs[next] = Number.POSITIVE_INFINITY
  }
}
