/** `lazyrestore/sweeps`: many restores as one piece of work, on the threads of this machine or on many machines over Redis. */
import { availableParallelism } from 'node:os'
import { parseRedisUrl } from './redis/connection.ts'
import { SweepWorker } from './redis/worker.ts'

export { CellRunner, type CellTexts } from './cell-runner.ts'
export { formatOfFile, writeResults } from './export.ts'
export type { SweepProgress } from './run.ts'
export { Sweep, type SweepOptions, type SweepRow, type SweepWork } from './sweep.ts'
export { cellVersion } from './version.ts'

const DEFAULT_LOCK_MS = 15_000

export interface WorkerStart {
  /** `redis://host:port`, or `unix:/path`. */
  readonly redis: string
  /** Folders that snapshots and traces are looked for in, by their content. */
  readonly snapshotRoots?: readonly string[]
  /** Restores at a time; as many as there are cores when not given. */
  readonly threads?: number
  /** A worker that is silent for so long is taken for dead. */
  readonly lockMs?: number
  readonly onNote?: (line: string) => void
}

/** Connects a worker; `work` has it do cells. @throws LazyRestoreError */
export function openWorker(start: WorkerStart): Promise<SweepWorker> {
  const { redis, snapshotRoots = [], threads, lockMs = DEFAULT_LOCK_MS, onNote = () => {} } = start
  return SweepWorker.open({
    redis: parseRedisUrl(redis),
    snapshotRoots,
    threads: threads ?? availableParallelism(),
    lockMs,
    onNote,
  })
}
