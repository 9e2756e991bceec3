/** Simulated restores by their texts, on the threads of this machine: for searches that decide what to ask by what came back. */
import { availableParallelism } from 'node:os'
import { type HostProfile, LazyRestoreError, type RestoreResult, type RestoreTexts } from 'lazyrestore'
import type { EndedCell } from '../experiments/records.ts'
import { unpackBatch } from '../jobs/ended-batch.ts'
import type { CellSpec, SnapshotSource, WorkloadSource } from '../jobs/job.ts'
import type { JobPool } from '../jobs/pool.ts'
import { DEFAULT_LIMITS } from '../limits.ts'
import { decodeRecord } from '../store/record-codec.ts'
import { digestOf, isFile, isTrace, type KnownFile, knowFile, snapshotIdentity } from './plan.ts'
import { sweepPool } from './throughput.ts'

export interface CellTexts extends RestoreTexts {
  readonly policy: string
  readonly seed: number
}

export interface CellRunnerOptions {
  /** Null: the default one. */
  readonly profile: HostProfile | null
  readonly fixedNs: number
  readonly threads?: number
  readonly signal: AbortSignal
}

export class CellRunner {
  readonly #options: CellRunnerOptions
  readonly #pool: JobPool
  readonly #width: number
  readonly #files = new Map<string, Promise<KnownFile>>()

  constructor(options: CellRunnerOptions) {
    this.#options = options
    this.#width = options.threads ?? availableParallelism()
    this.#pool = sweepPool(this.#width, DEFAULT_LIMITS)
  }

  /**
   * The records of the cells, in their order.
   * @param onEnd called when one has ended
   * @throws LazyRestoreError for the first one that fails, or the signal's reason
   */
  async restore(cells: readonly CellTexts[], onEnd: () => void = () => {}): Promise<RestoreResult[]> {
    const results = new Array<RestoreResult>(cells.length)
    let next = 0
    let failure: { readonly error: unknown } | null = null
    const lane = async (): Promise<void> => {
      for (let i = next++; i < cells.length && failure === null; i = next++) {
        try {
          results[i] = await this.#restoreOne(cells[i])
          onEnd()
        } catch (error) {
          failure ??= { error }
        }
      }
    }
    await Promise.all(Array.from({ length: 2 * this.#width }, lane))
    if (failure !== null) throw (failure as { error: unknown }).error
    return results
  }

  close(): Promise<void> {
    return this.#pool.close()
  }

  async #restoreOne(texts: CellTexts): Promise<RestoreResult> {
    const { signal, fixedNs, profile } = this.#options
    const { layout, policy, storage, seed } = texts
    const [snapshot, workload] = await Promise.all([this.#snapshot(texts.snapshot), this.#workload(texts.workload)])
    const cell: CellSpec = {
      snapshot,
      layout,
      policy,
      workload,
      storage,
      engine: 'sim',
      seed,
      fixedNs,
      recording: null,
      profile,
    }
    const done = await this.#pool.run<'cells'>({ kind: 'cells', cells: [cell], rehearsal: [] }, signal)
    const [{ ended, result }] = unpackBatch(done)
    if (result !== null) return decodeRecord(result) as RestoreResult
    const { error } = decodeRecord(ended) as EndedCell
    throw new LazyRestoreError('mismatch', `${policy}: ${error?.message}`)
  }

  async #snapshot(text: string): Promise<SnapshotSource> {
    if (!isFile(text)) return { kind: 'synthetic', spec: text }
    return { kind: 'file', ...(await this.#know(text, snapshotIdentity)) }
  }

  async #workload(text: string): Promise<WorkloadSource> {
    if (!isTrace(text)) return { kind: 'generated', spec: text }
    const { path, name } = await this.#know(text, digestOf)
    return { kind: 'trace', path, name }
  }

  #know(text: string, identify: (path: string) => Promise<string>): Promise<KnownFile> {
    const known = this.#files.get(text) ?? knowFile(text, identify)
    this.#files.set(text, known)
    return known
  }
}
