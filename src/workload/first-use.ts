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
  const { vcpus, starts, thinkNs } = workload
  const seen = createBitmap(hostPageCount)
  const order = new Uint32Array(hostPage.length)
  let length = 0
  // The next access of each vCPU and its time; Infinity behind the last.
  const cursor = Float64Array.from(starts.subarray(0, vcpus))
  const timeNs = new Float64Array(vcpus)
  for (let vcpu = 0; vcpu < vcpus; vcpu++) {
    timeNs[vcpu] = cursor[vcpu] < starts[vcpu + 1] ? thinkNs[cursor[vcpu]] : Number.POSITIVE_INFINITY
  }
  for (let left = hostPage.length; left > 0; left--) {
    let next = 0
    for (let vcpu = 1; vcpu < vcpus; vcpu++) if (timeNs[vcpu] < timeNs[next]) next = vcpu
    const page = hostPage[cursor[next]]
    if (!testBit(seen, page)) {
      setBit(seen, page)
      order[length++] = page
    }
    cursor[next]++
    if (cursor[next] < starts[next + 1]) timeNs[next] += thinkNs[cursor[next]]
    else timeNs[next] = Number.POSITIVE_INFINITY
  }
  return order.slice(0, length)
}
