/**
 * A workload is what the guest does after it runs: for each vCPU a sequence of accesses to target pages. Columns of typed
 * arrays, 9 bytes an access; the accesses of one vCPU stand together, in order, so that no vCPU column is needed.
 */

/** The access writes to the page. */
export const ACCESS_WRITE = 1
/** The time before the access is idle (the vCPU is halted and occupies no host core), not computation. */
export const ACCESS_IDLE = 2

/** Limits of the columns: a page is 32 bits wide, and no workload may ask for more memory than a typed array can have. */
export const MAX_ACCESSES = 2 ** 31 - 1
export const MAX_VCPUS = 1024
export const MAX_PAGES = 2 ** 32
/** Longest time before one access: 4.29 s. */
export const MAX_THINK_NS = 2 ** 32 - 1

export interface Workload {
  /** The spec or file that it came from, as shown in reports. */
  readonly name: string
  readonly seed: number | null
  /** Identity of the snapshot whose pages are meant; null when made for a memory size only. */
  readonly snapshotIdentity: string | null
  /** Number of target pages of the memory that `page` indexes, over all blocks in snapshot order. */
  readonly pageCount: number
  /** Target page size in bytes. */
  readonly pageSize: number
  readonly vcpus: number
  /** Accesses of vCPU v are `[starts[v], starts[v + 1])`; length `vcpus + 1`. */
  readonly starts: Uint32Array
  /** Target page, dense over all blocks. */
  readonly page: Uint32Array
  /** Time between the end of the access before (or the resume) and this access, in ns. */
  readonly thinkNs: Uint32Array
  /** ACCESS_* bits. */
  readonly flags: Uint8Array
}

export function accessCount(workload: Workload): number {
  return workload.page.length
}
