/** What one vCPU is at, and what vCPUs are given to work with. */
import type { LatencyHistogram } from '../core/latency-histogram.ts'
import type { InstallMethod } from '../policy/policy.ts'
import type { Workload } from '../workload/workload.ts'
import type { AccessStream } from './access-stream.ts'
import type { ActorClock } from './agenda.ts'
import type { UffdLocks } from './fault-path.ts'
import type { HostCosts } from './host-profile.ts'
import type { BlockCosts } from './install-costs.ts'
import type { MemoryState } from './memory-state.ts'
import type { PageCache } from './page-cache.ts'
import type { ReadCosts } from './read-costs.ts'

/** Who answers faults; the carriers. */
export interface FaultHandlers {
  /** vCPU `vcpu` waits for `page` with an unread message. */
  faultPosted(vcpu: number, page: number): void
}

export interface VcpuSetup {
  readonly workload: Workload
  /** Host page of each access. */
  readonly hostPage: Uint32Array
  readonly install: InstallMethod
  readonly agenda: ActorClock
  readonly memory: MemoryState
  /** Faults that there is room for at first. */
  readonly faultRoom: number
  /** Where the faults' latencies go. */
  readonly latency: LatencyHistogram
  readonly cache: PageCache
  readonly costs: HostCosts
  readonly locks: UffdLocks
  readonly blockCosts: readonly BlockCosts[]
  readonly readCosts: ReadCosts
  /** The vCPUs are those of a KVM guest, whose memory is mapped once more by the hypervisor. */
  readonly guest: boolean
  /** Where accesses come from that are not in the columns; null: all are. */
  readonly stream: AccessStream | null
}

/** CPU of the vCPU's fault up to its message. It is the dearer the longer ago its last one was, as caches cool. */
export function trapNs(
  { faultTrapNs, coldFaultNs, coolingNs }: HostCosts,
  { faultedAtNs, resumedAtNs }: Pick<Vcpu, 'faultedAtNs' | 'resumedAtNs'>,
): number {
  const sinceNs = faultedAtNs - resumedAtNs
  if (coldFaultNs === 0 || sinceNs <= 0) return faultTrapNs
  return faultTrapNs + Math.round((coldFaultNs * sinceNs) / (sinceNs + coolingNs))
}

export class Vcpu {
  readonly actor: number
  /** What the end of its burst or timer means; vcpus.ts has the phases. */
  phase = 0
  /** The access that comes next or is being tried; of those in [start, end). */
  access: number
  /** Its first access; -1: it has run through a window of them. */
  start: number
  end: number
  /** When the access that has faulted was tried. */
  faultedAtNs = 0
  /** When its last fault was over; 0: it has had none. */
  resumedAtNs = 0
  /** When the page that it reads from a file mapping is there; at most `faultedAtNs` when it was cached. */
  readyNs = 0
  /** CPU of the request that it sent for it. */
  requestNs = 0
  /** When it tried the access for which it has waited, and which is not done yet; -1: none. Only in a guest. */
  waitedSinceNs = -1
  /** It was woken before it slept, and may run then; -1: it was not. Only in a guest. */
  wakeAtNs = -1

  constructor(actor: number, start: number, end: number) {
    this.actor = actor
    this.access = start
    this.start = start
    this.end = end
  }
}
