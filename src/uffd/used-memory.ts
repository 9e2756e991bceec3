/** Memory that the machine has had in use a moment ago. */

import { freemem } from 'node:os'
import { MemoryRegion } from './memory-region.ts'
import { libc } from './native.ts'

const PAGE = 4096
/** Linux 5.14. An older kernel uses nothing here, and what is measured then is what it is. */
const MADV_POPULATE_WRITE = 23

/**
 * Uses so much memory, at most half of what is available, and gives it back, so that what the kernel hands out next needs
 * nothing from a hypervisor: one that is told of free memory (virtio-balloon, free page reporting) may have had back what was
 * not used for some seconds, and then the first use of each page costs several µs more.
 */
export function useMemory(wantedBytes: number): void {
  const byteLength = Math.floor(Math.min(wantedBytes, freemem() / 2) / PAGE) * PAGE
  const region = new MemoryRegion({ kind: 'anon', hostPageSize: PAGE, byteLength })
  libc().madvise(region.address, byteLength, MADV_POPULATE_WRITE)
  region.close()
}
