/**
 * Which of a guest's accesses waited for a userfaultfd. The guest cannot tell: its first access to a page takes long in any
 * case, as the hypervisor maps it. But a page that the handler was asked for is known (`faulted`), and of the vCPUs' first
 * accesses to it those waited that began before the first one ended, which is after it was installed.
 */
import { type Bitmap, createBitmap, setBit, testBit } from '../../core/bitmap.ts'
import type { AccessTimes } from './guest-lists.ts'

export interface VcpuAccesses {
  /** Host page of each access. */
  readonly hostPage: Uint32Array
  /** Of those that were done. */
  readonly times: AccessTimes
}

/** By vCPU, the accesses that waited, in order. @param faulted host pages that a message asked for */
export function faultsOf(vcpus: readonly VcpuAccesses[], faulted: Bitmap): Uint32Array[] {
  const pageCount = faulted.length * 32
  const firsts = vcpus.map(vcpu => firstAccesses(vcpu, faulted))
  const presentNs = new Float64Array(pageCount).fill(Number.POSITIVE_INFINITY)
  for (const [vcpu, { hostPage, times }] of vcpus.entries()) {
    for (const access of firsts[vcpu]) {
      const page = hostPage[access]
      presentNs[page] = Math.min(presentNs[page], times.startNs[access] + times.latencyNs[access])
    }
  }
  return vcpus.map(({ hostPage, times }, vcpu) =>
    firsts[vcpu].filter(access => times.startNs[access] < presentNs[hostPage[access]]),
  )
}

/** Each first access of a vCPU to a page of `pages`. */
function firstAccesses({ hostPage, times }: VcpuAccesses, pages: Bitmap): Uint32Array {
  const seen = createBitmap(pages.length * 32)
  const found: number[] = []
  for (let access = 0; access < times.startNs.length; access++) {
    const page = hostPage[access]
    if (!testBit(pages, page) || testBit(seen, page)) continue
    setBit(seen, page)
    found.push(access)
  }
  return Uint32Array.from(found)
}
