/**
 * CPU of reads that reach the device, worked out from the host's costs and the device's. It falls to whoever sends the
 * request, also where nobody waits for it (readahead in the background); to wait for another's request costs nothing.
 */
import type { DeviceParameters } from '../storage/device.ts'
import type { HostCosts } from './host-profile.ts'
import type { PageCache } from './page-cache.ts'

const PAGE = 4096

export interface ReadCosts {
  /** ns of any request. */
  readonly requestNs: number
  /** ns more for each 4 KiB of it: past the page cache; into it; into it in the background. */
  readonly direct4kNs: number
  readonly fetch4kNs: number
  readonly ahead4kNs: number
}

export function readCosts({ cpuPerReadNs, cpuPerRead4kNs }: DeviceParameters, costs: HostCosts): ReadCosts {
  return {
    requestNs: cpuPerReadNs,
    direct4kNs: cpuPerRead4kNs,
    fetch4kNs: costs.cacheFill4kNs,
    ahead4kNs: costs.readaheadFill4kNs,
  }
}

/** CPU ns of a read past the page cache. */
export function directReadNs({ requestNs, direct4kNs }: ReadCosts, bytes: number): number {
  return requestNs + (bytes / PAGE) * direct4kNs
}

/** CPU ns of the requests that the latest read or fault sent to the device, on top of what a read of the page cache costs. */
export function fetchNs({ requestNs, fetch4kNs, ahead4kNs }: ReadCosts, cache: PageCache): number {
  const { fetches, fetchedBytes, aheadBytes, fetchedExtraNs } = cache
  if (fetches === 0) return 0
  const fillNs = ((fetchedBytes - aheadBytes) / PAGE) * fetch4kNs + (aheadBytes / PAGE) * ahead4kNs
  return fetches * requestNs + fillNs + fetchedExtraNs
}
