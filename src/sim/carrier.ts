/** One thread that installs pages, what carriers are given to work with, and what those of one restore share. */
import type { Claims } from '../destination/claims.ts'
import type { Layout } from '../destination/layout.ts'
import type { Batch } from '../engine/batch.ts'
import type { Policy } from '../policy/policy.ts'
import type { Operation } from '../resolver/resolver.ts'
import type { StorageModel } from '../storage/storage-model.ts'
import type { ActorClock } from './agenda.ts'
import type { UffdLocks } from './fault-path.ts'
import { FaultQueues } from './fault-queues.ts'
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

export class Carrier {
  readonly actor: number
  /** Handlers first, then workers. */
  readonly index: number
  readonly batch: Batch
  /** What the end of its burst or timer means; carriers.ts has the phases. */
  phase = 0
  /** CPU work that is due before the carrier next waits for something else. */
  debtNs = 0
  /** It has read a message and has yet to begin on the first run of its answer. */
  isAnswering = false
  /** A rate-limited worker claims nothing before. */
  notBeforeNs = 0

  constructor(actor: number, index: number, batch: Batch) {
    this.actor = actor
    this.index = index
    this.batch = batch
  }
}

/** What carriers leave to those that take over from them when the policy changes. */
export class CarrierLegacy {
  readonly faults: FaultQueues
  readonly woken: Int32Array
  /** Host pages installed, by operation. */
  readonly pagesInstalled = [0, 0, 0]
  bytesRead = 0
  bytesInstalled = 0

  constructor(vcpus: number, locks: UffdLocks) {
    this.faults = new FaultQueues(vcpus, locks)
    this.woken = new Int32Array(vcpus)
  }
}
