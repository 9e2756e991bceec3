/** The same accesses by more vCPUs: dealt out one by one, as threads do that share a list. */
import { LazyRestoreError } from '../../core/error.ts'
import { allocateColumns, evenParts } from '../columns.ts'
import { MAX_VCPUS, type Workload } from '../workload.ts'

/**
 * Access i of a workload of one vCPU goes to vCPU i mod `vcpus`, with its think time.
 * @throws LazyRestoreError `usage` for a workload of several vCPUs, whose accesses have no order among them
 */
export function spreadOverVcpus(workload: Workload, vcpus: number): Workload {
  if (workload.vcpus !== 1) {
    throw new LazyRestoreError(
      'usage',
      `${workload.name}: found ${workload.vcpus} vCPUs, expected 1 to spread over others`,
    )
  }
  if (!Number.isSafeInteger(vcpus) || vcpus < 1 || vcpus > MAX_VCPUS) {
    throw new LazyRestoreError('usage', `vcpus: found ${vcpus}, expected 1 to ${MAX_VCPUS}`)
  }
  const accesses = workload.page.length
  const columns = allocateColumns(workload.name, evenParts(accesses, vcpus))
  for (let i = 0; i < accesses; i++) {
    const to = columns.starts[i % vcpus] + Math.floor(i / vcpus)
    columns.page[to] = workload.page[i]
    columns.thinkNs[to] = workload.thinkNs[i]
    columns.flags[to] = workload.flags[i]
  }
  return { ...workload, name: `${workload.name}, over ${vcpus} vCPUs`, vcpus, ...columns }
}
