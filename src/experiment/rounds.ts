/**
 * Several restores of each policy, taking turns, so that a drift of the machine falls on all alike: medians with their spread,
 * on one state of the page cache or on several, and beside them what a predictor says of the same restores.
 */
import type { Engine } from '../engine/engine.ts'
import type { RestoreResult } from '../engine/result.ts'
import type { Storage } from '../storage/device.ts'
import { type Comparison, prepareComparison } from './compare.ts'
import { type MeasuredFigure, summariseFigure } from './validation.ts'

export interface RoundsComparison extends Omit<Comparison, 'storage' | 'onProgress'> {
  /** In each round all policies on each. */
  readonly storages: readonly Storage[]
  readonly rounds: number
  readonly predictor: Engine
  /** What the predictor takes for each of the storages, in their order. */
  readonly predictedStorages: readonly Storage[]
  /** The part of the time to resume that the predictor is told of, in ns. */
  readonly predictedFixedNs: number
  readonly onProgress?: (text: string) => void
}

export type RoundFigure = 'resumeNs' | 'workDoneNs' | 'residentNs'
export const ROUND_FIGURES: readonly RoundFigure[] = ['resumeNs', 'workDoneNs', 'residentNs']

/** One policy on one storage. */
export interface RoundsRow {
  /** Of the round whose work was done in the median time. */
  readonly result: RestoreResult
  /** Over all rounds; null where a restore has none. */
  readonly measured: { readonly [F in RoundFigure]: MeasuredFigure | null }
  /** Time that vCPUs stood still, all together. */
  readonly stallNs: MeasuredFigure
  /** The worst round's; null without faults. */
  readonly worstP99LatencyNs: number | null
  readonly predicted: RestoreResult
}

export interface RoundsResult {
  readonly rounds: number
  /** By storage, then by policy. */
  readonly rows: readonly RoundsRow[]
  readonly notes: readonly string[]
}

export async function compareInRounds(comparison: RoundsComparison): Promise<RoundsResult> {
  const { engine, storages, rounds, predictor, predictedStorages, predictedFixedNs, onProgress } = comparison
  const { policies, workingSet, notes } = prepareComparison(comparison)
  const cells = storages.flatMap((storage, index) =>
    policies.map(policy => ({
      storage,
      predictedStorage: predictedStorages[index],
      policy,
      runs: [] as RestoreResult[],
    })),
  )
  for (let round = 1; round <= rounds; round++) {
    for (const [index, { storage, policy, runs }] of cells.entries()) {
      onProgress?.(`round ${round}/${rounds}, ${index + 1}/${cells.length}: ${policy.name}, ${storage.name}`)
      runs.push(await engine.restore({ ...comparison, storage, policy, workingSet }))
    }
  }
  const rows: RoundsRow[] = []
  for (const { predictedStorage, policy, runs } of cells) {
    onProgress?.(`predicting ${policy.name}`)
    const predicted = await predictor.restore({
      ...comparison,
      storage: predictedStorage,
      policy,
      workingSet,
      fixedNs: predictedFixedNs,
    })
    rows.push(rowOf(runs, predicted))
  }
  return { rounds, rows, notes }
}

function rowOf(runs: readonly RestoreResult[], predicted: RestoreResult): RoundsRow {
  const sorted = runs.toSorted((a, b) => a.workDoneNs - b.workDoneNs)
  const figure = (name: RoundFigure): MeasuredFigure | null => summariseFigure(runs.map(run => run[name]))
  const p99s = runs.flatMap(({ faultLatencyNs }) => (faultLatencyNs === null ? [] : [faultLatencyNs.p99]))
  return {
    result: sorted[(sorted.length - 1) >> 1],
    measured: { resumeNs: figure('resumeNs'), workDoneNs: figure('workDoneNs'), residentNs: figure('residentNs') },
    stallNs: summariseFigure(runs.map(({ stallNs }) => stallNs.total))!,
    worstP99LatencyNs: p99s.length === 0 ? null : Math.max(...p99s),
    predicted,
  }
}
