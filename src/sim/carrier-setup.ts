/** What handlers and workers are given to work with. */
import type { Claims } from '../destination/claims.ts'
import type { Layout } from '../destination/layout.ts'
import type { Policy } from '../policy/policy.ts'
import type { Operation } from '../resolver/resolver.ts'
import type { StorageModel } from '../storage/storage-model.ts'
import type { ActorClock } from './agenda.ts'
import type { UffdLocks } from './fault-path.ts'
import type { HostCosts } from './host-profile.ts'
import type { BlockCosts } from './install-costs.ts'
import type { MemoryState } from './memory-state.ts'
import type { PageCache } from './page-cache.ts'
import type { ReadCosts } from './read-costs.ts'

/** Told of every install call; how tests follow the memory's content. */
export interface InstallObserver {
  installed(operation: Operation, first: number, count: number): void
}

export interface CarrierSetup {
  readonly layout: Layout
  readonly policy: Policy
  readonly vcpuCount: number
  readonly agenda: ActorClock
  readonly memory: MemoryState
  readonly claims: Claims
  readonly cache: PageCache
  readonly device: StorageModel
  readonly costs: HostCosts
  readonly locks: UffdLocks
  readonly blockCosts: readonly BlockCosts[]
  readonly readCosts: ReadCosts
  /** Where the working-set file lies on the storage. */
  readonly workingSetPlace: number
  readonly observer: InstallObserver | null
}
