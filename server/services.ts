/** Everything behind the routes, opened and closed as a whole. */
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { ExperimentService } from './experiments/service.ts'
import { EventStreams } from './http/sse.ts'
import { JobPool } from './jobs/pool.ts'
import type { Limits } from './limits.ts'
import { SessionService } from './sessions/service.ts'
import { SnapshotRegistry } from './snapshots/registry.ts'
import { SnapshotRoots } from './snapshots/snapshot-root.ts'
import { Store } from './store/store.ts'
import { TraceRegistry } from './traces/registry.ts'

export interface ServiceOptions {
  readonly dataDirectory: string
  readonly snapshotRoots: readonly string[]
  readonly limits: Limits
  /** Restores at a time; one core fewer than there are when not given. */
  readonly cellThreads?: number
}

export interface Services {
  readonly limits: Limits
  readonly store: Store
  readonly pool: JobPool
  readonly snapshots: SnapshotRegistry
  readonly traces: TraceRegistry
  readonly experiments: ExperimentService
  readonly sessions: SessionService
  readonly streams: EventStreams
  close(): Promise<void>
}

export async function openServices(options: ServiceOptions): Promise<Services> {
  const { dataDirectory, limits, cellThreads = Math.max(1, availableParallelism() - 1) } = options
  const roots = new SnapshotRoots(options.snapshotRoots)
  const store = Store.open(dataDirectory)
  const pool = new JobPool(cellThreads, limits)
  const snapshots = new SnapshotRegistry(store, pool, roots)
  const traces = await TraceRegistry.open(store, pool, join(dataDirectory, 'traces'), limits)
  const experiments = await ExperimentService.open({ store, pool, snapshots, traces, limits, cellThreads })
  const sessions = new SessionService({ store, snapshots, traces, limits })
  const close = async (): Promise<void> => {
    await experiments.close()
    await sessions.close()
    await pool.close()
    await store.close()
  }
  return {
    limits,
    store,
    pool,
    snapshots,
    traces,
    experiments,
    sessions,
    streams: new EventStreams(limits.streams),
    close,
  }
}
