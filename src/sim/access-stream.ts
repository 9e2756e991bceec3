/**
 * Accesses that come while the simulation runs, as in a replay, instead of standing in the columns from the start. The
 * columns then are windows: each vCPU runs through what its window holds and asks for more. A vCPU whose next access nobody
 * knows yet is *held*, and with it the clock, because everything that happens later may depend on it.
 */

/** What `refill` answers where it has no access to give. */
export const NO_MORE = 0
export const NOT_KNOWN_YET = -1

export interface AccessStream {
  /**
   * The vCPU has run through its window. Puts its next accesses there, from `starts[vcpu]` on.
   * @returns how many; NO_MORE: it has ended; NOT_KNOWN_YET: it is held
   */
  refill(vcpu: number): number
  /** The accesses at `[first, end)` of the columns need no fault. */
  resident(vcpu: number, first: number, end: number): void
  /** The access that the vCPU is at has faulted; a second time, perhaps, after its first fault was over. */
  faulted(vcpu: number, atNs: number): void
  /** A fault that the vCPU had to wait for is over; `latencyNs` as in the histogram. */
  waited(vcpu: number, latencyNs: number): void
  /** The access, which a burst has ended at, is done. */
  accessed(vcpu: number, access: number, atNs: number): void
}
