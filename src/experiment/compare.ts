/**
 * The main job: one snapshot, one workload, one storage, several policies; a record each. The policies run one after the
 * other, so that engines that measure do not disturb themselves.
 */
import { LazyRestoreError } from '../core/error.ts'
import { parseSpecList, type Spec } from '../core/spec-string.ts'
import type { Layout } from '../destination/layout.ts'
import type { Engine } from '../engine/engine.ts'
import type { RestoreResult } from '../engine/result.ts'
import { POLICIES, usesWorkingSet } from '../policy/registry.ts'
import type { Storage } from '../storage/device.ts'
import { checkWorkingSetFits, type WorkingSetFile } from '../working-set/open.ts'
import { type WorkingSet, workingSetOf } from '../working-set/working-set.ts'
import type { Workload } from '../workload/workload.ts'

export interface Comparison {
  readonly engine: Engine
  readonly layout: Layout
  readonly workload: Workload
  readonly storage: Storage
  /** Policies as written, `lazy,lazy-sweep:rate=200MiB`; null: all, less those that the layout cannot carry. */
  readonly policies: string | null
  /** The earlier run that working sets are taken from; null: the workload itself, a perfect recording. */
  readonly recording: Workload | null
  /** A built file of the working set, in place of a recording. */
  readonly workingSetFile?: WorkingSetFile | null
  readonly seed: number
  readonly fixedNs: number
  /** Called before each restore. */
  readonly onProgress?: (policy: string, index: number, count: number) => void
}

export interface ComparisonResult {
  readonly results: readonly RestoreResult[]
  /** What a reader of the results must know: policies left out, where the working set is from. */
  readonly notes: readonly string[]
}

/** What is the same for every restore of a comparison. */
export interface PreparedComparison {
  readonly policies: readonly Spec[]
  readonly workingSet: WorkingSet | null
  /** Where the working set is from. */
  readonly notes: readonly string[]
}

export function prepareComparison(comparison: Omit<Comparison, 'engine' | 'storage'>): PreparedComparison {
  const policies = comparison.policies === null ? allPolicies() : parseSpecList(comparison.policies)
  if (!policies.some(usesWorkingSet)) return { policies, workingSet: null, notes: [] }
  return { policies, workingSet: chooseWorkingSet(comparison), notes: [describeWorkingSet(comparison)] }
}

/** @throws LazyRestoreError when a policy was asked for by name and cannot run; of all policies such are left out */
export async function compare(comparison: Comparison): Promise<ComparisonResult> {
  const { engine } = comparison
  const { policies, workingSet, notes } = prepareComparison(comparison)
  const results: RestoreResult[] = []
  const leftOut: string[] = []
  for (const [index, policy] of policies.entries()) {
    comparison.onProgress?.(policy.name, index, policies.length)
    try {
      results.push(await engine.restore({ ...comparison, policy, workingSet }))
    } catch (error) {
      if (comparison.policies !== null || !isMismatch(error)) throw error
      leftOut.push(`Left out: ${error.message}.`)
    }
  }
  return { results, notes: [...leftOut, ...notes] }
}

function chooseWorkingSet({
  layout,
  workload,
  recording,
  workingSetFile = null,
}: Omit<Comparison, 'engine' | 'storage'>): WorkingSet {
  if (workingSetFile === null) return workingSetOf(layout, recording ?? workload)
  checkWorkingSetFits(workingSetFile, layout)
  return workingSetFile
}

function describeWorkingSet({
  recording,
  workingSetFile = null,
}: Pick<Comparison, 'recording' | 'workingSetFile'>): string {
  if (workingSetFile !== null) {
    const { header, contents } = workingSetFile
    const from = header.recordings.length === 1 ? header.recordings[0] : `${header.recordings.length} recordings`
    return `The working set is ${contents.path}, built from ${from}.`
  }
  if (recording !== null) return `The working set is recorded from ${recording.name}.`
  return "The working set is recorded from this very workload, a perfect recording; --recording TRACE takes another run's."
}

function allPolicies(): Spec[] {
  return POLICIES.map(({ name }) => ({ name, options: {}, positional: null }))
}

function isMismatch(error: unknown): error is LazyRestoreError {
  return error instanceof LazyRestoreError && error.code === 'mismatch'
}
