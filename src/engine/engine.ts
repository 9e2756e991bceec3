/**
 * What carries a restore out: the simulator in virtual time, the kernel's userfaultfd, a KVM guest, a stock QEMU. All take
 * the same request and report the same record, so that one can be held against the other.
 */
import type { Spec } from '../core/spec-string.ts'
import type { Layout } from '../destination/layout.ts'
import type { Storage } from '../storage/device.ts'
import type { WorkingSet } from '../working-set/working-set.ts'
import type { Workload } from '../workload/workload.ts'
import type { EngineName, RestoreResult } from './result.ts'

export interface RestoreRequest {
  readonly layout: Layout
  /** Made into a policy anew for each restore. */
  readonly policy: Spec
  readonly workload: Workload
  readonly storage: Storage
  /** For policies that want what earlier runs used; null: nothing was recorded. */
  readonly workingSet: WorkingSet | null
  readonly seed: number
  /** The part of the time to resume that no policy changes (device state), in ns. */
  readonly fixedNs: number
}

export interface Engine {
  readonly name: EngineName
  /** Carries out one restore and the workload on it. */
  restore(request: RestoreRequest): Promise<RestoreResult>
  /** Gives back what the engine keeps between restores: threads, scratch files. */
  close(): Promise<void>
}
