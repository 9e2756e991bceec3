/**
 * The order in which a workload first uses its pages: what a recording of an undisturbed run holds, and what a
 * working-set policy is given.
 */
import { createBitmap, setBit, testBit } from '../core/bitmap.ts'
import type { Workload } from './workload.ts'

/**
 * @param hostPage the host page of each access
 * @param hostPageCount host pages of the destination
 * @returns distinct host pages by the time of their first use, each vCPU's clock being its own think time
 */
export function firstUseOrder(workload: Workload, hostPage: Uint32Array, hostPageCount: number): Uint32Array {
  const firstUses: { page: number; timeNs: number }[] = []
  for (let vcpu = 0; vcpu < workload.vcpus; vcpu++) {
    const seen = createBitmap(hostPageCount)
    let timeNs = 0
    for (let i = workload.starts[vcpu]; i < workload.starts[vcpu + 1]; i++) {
      timeNs += workload.thinkNs[i]
      if (testBit(seen, hostPage[i])) continue
      setBit(seen, hostPage[i])
      firstUses.push({ page: hostPage[i], timeNs })
    }
  }
  if (workload.vcpus > 1) firstUses.sort((a, b) => a.timeNs - b.timeNs)
  const seen = createBitmap(hostPageCount)
  const order = new Uint32Array(firstUses.length)
  let length = 0
  for (const { page } of firstUses) {
    if (testBit(seen, page)) continue
    setBit(seen, page)
    order[length++] = page
  }
  return order.slice(0, length)
}
