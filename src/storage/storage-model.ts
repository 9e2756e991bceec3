/**
 * A storage in virtual time: the one interface of all models in this folder. docs/storage.md has the formulas and their sources.
 */
import type { Pending } from './pending.ts'

export interface StorageModel {
  /** Bytes that came off the medium, before decompression. */
  readonly bytesDelivered: number
  /** Whole ns of CPU that the latest request costs its sender on top of `DeviceParameters.cpuPerRead…`: decompression. */
  readonly extraCpuNs: number
  /** Where the latest request's end was not known yet: who will know it. Only storage that is shared has such; else null. */
  readonly pending: Pending | null
  /**
   * Sends a read at `now`, never before an earlier call's.
   * @param place of its first byte, in the snapshot file or, behind that, the working-set file
   * @returns when it is done, in whole ns beyond `now`; Infinity: that is not known yet
   */
  submit(now: number, bytes: number, place: number): number
}

/** What serves requests in the order in which they come: the end of each is known when it is sent. */
export interface Medium extends StorageModel {
  readonly pending: null
  /** From when on another request would not have to wait behind those before it. */
  freeNs(): number
}
