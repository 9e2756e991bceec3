/**
 * The order in which a workload first uses its pages: what a recording of an undisturbed run holds, and what a
 * working-set policy is given.
 */
import { createBitmap, setBit, testBit } from '../core/bitmap.ts'
import { visitInTime } from './time-order.ts'
import type { Workload } from './workload.ts'

/**
 * @param hostPage the host page of each access
 * @param hostPageCount host pages of the destination
 * @returns distinct host pages by the time of their first use, each vCPU's clock being its own think time
 */
export function firstUseOrder(workload: Workload, hostPage: Uint32Array, hostPageCount: number): Uint32Array {
  const seen = createBitmap(hostPageCount)
  const order = new Uint32Array(hostPage.length)
  let length = 0
  visitInTime(workload, access => {
    const page = hostPage[access]
    if (testBit(seen, page)) return
    setBit(seen, page)
    order[length++] = page
  })
  return order.slice(0, length)
}
