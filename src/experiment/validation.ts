/**
 * Holds predictions against measurements: each case is predicted from a host profile, then restored for real several times,
 * the cases taking turns, so that a drift of the machine falls on all alike. The measured figure is the median. A restore during
 * which others took CPU time is done again.
 */
import { parseSpec } from '../core/spec-string.ts'
import { parseHostPages } from '../destination/host-pages.ts'
import { createLayout } from '../destination/layout.ts'
import type { Engine, RestoreRequest } from '../engine/engine.ts'
import type { RestoreResult } from '../engine/result.ts'
import { usesWorkingSet } from '../policy/registry.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { Storage } from '../storage/device.ts'
import { workingSetOf } from '../working-set/working-set.ts'
import { memoryOfSnapshot } from '../workload/memory.ts'
import { createWorkload } from '../workload/registry.ts'
import type { Workload } from '../workload/workload.ts'
import { type CpuTimes, undisturbed } from './others-load.ts'
import type { ValidationCase } from './validation-cases.ts'

/** Restores of each case that are not counted: each of its threads compiles code of its own, and some have little to do. */
const WARM_UPS = 3
/** How often a restore is done in all, while others take too much of the host's CPU time. */
const MOST_TRIES = 4

/** What is compared; null where a restore has none. */
export interface ValidationFigures {
  readonly workDoneNs: number
  readonly meanLatencyNs: number | null
  readonly p99LatencyNs: number | null
  readonly bytesRead: number
}

export type FigureName = keyof ValidationFigures

export interface MeasuredFigure {
  readonly median: number
  readonly min: number
  readonly max: number
}

export interface ValidationResult {
  readonly given: ValidationCase
  readonly predicted: ValidationFigures
  readonly measured: { readonly [K in FigureName]: MeasuredFigure | null }
  /** predicted / median − 1; null where one of the two is missing. */
  readonly error: { readonly [K in FigureName]: number | null }
  /** CPU time that others took during its restores, of each as a share of all; none where the kernel does not tell. */
  readonly othersShares: readonly number[]
}

export interface Validation {
  readonly snapshot: Snapshot
  readonly cases: readonly ValidationCase[]
  readonly repetitions: number
  readonly seed: number
  /** Done before each round: a calibration that is to see the host in the same minutes. */
  beforeRound?(round: number): Promise<void>
  /** Done before each restore. */
  beforeRestore?(given: ValidationCase): Promise<void>
  /** The engine that predicts what the other one measures. Asked for when all has been measured. */
  predictorOf(engine: ValidationCase['engine']): Engine
  engineOf(engine: ValidationCase['engine']): Engine
  /** Storage for the engine that predicts, asked for when all has been measured, and for the one that measures. */
  predictedStorageOf(cache: ValidationCase['cache']): Storage
  measuredStorageOf(cache: ValidationCase['cache']): Storage
  readonly onProgress?: (text: string) => void
  /** For tests. */
  readonly cpuTimes?: () => CpuTimes | null
}

/** The results in the order of the cases. */
export async function validate(validation: Validation): Promise<ValidationResult[]> {
  const { cases, repetitions, onProgress } = validation
  const workloads = new Map<string, Workload>()
  const requests = cases.map(given => requestOf(validation, given, workloads))
  const measured: ValidationFigures[][] = cases.map(() => [])
  const othersShares: number[][] = cases.map(() => [])
  // On a host that is never quiet it takes twice as long as on one that is, and not four times.
  let again = cases.length * repetitions
  // The first round warms up threads and code, for which once is not enough, and is not counted.
  for (let round = 0; round <= repetitions; round++) {
    await validation.beforeRound?.(round)
    for (const [index, given] of cases.entries()) {
      onProgress?.(`round ${round}/${repetitions}, case ${index + 1}/${cases.length}: ${describeCase(given)}`)
      const storage = validation.measuredStorageOf(given.cache)
      const restore = async () => {
        await validation.beforeRestore?.(given)
        return validation.engineOf(given.engine).restore({ ...requests[index], storage })
      }
      if (round === 0) {
        for (let time = 0; time < WARM_UPS; time++) await restore()
        continue
      }
      // What it stands for is the last of many, as costs are those of calls in a row: after half a minute of other restores,
      // caches, and the page tables that a hypervisor keeps, have forgotten the threads of this one.
      await restore()
      // The first time is not again.
      again++
      const counted = () => {
        again--
        return restore()
      }
      const tries = Math.max(1, Math.min(MOST_TRIES, again))
      const { outcome, othersShare } = await undisturbed(counted, tries, validation.cpuTimes)
      measured[index].push(figuresOf(outcome))
      if (othersShare !== null) othersShares[index].push(othersShare)
    }
  }
  const results: ValidationResult[] = []
  for (const [index, given] of cases.entries()) {
    const storage = validation.predictedStorageOf(given.cache)
    const predicted = figuresOf(await validation.predictorOf(given.engine).restore({ ...requests[index], storage }))
    results.push(compareFigures(given, predicted, measured[index], othersShares[index]))
  }
  return results
}

export function describeCase({ engine, policy, workload, hostPages, cache }: ValidationCase): string {
  return `${engine} ${policy}, ${workload}, ${hostPages}, ${cache}`
}

function requestOf(
  { snapshot, seed }: Validation,
  given: ValidationCase,
  workloads: Map<string, Workload>,
): Omit<RestoreRequest, 'storage'> {
  const layout = createLayout(snapshot, parseHostPages(given.hostPages))
  const workload = workloads.get(given.workload) ?? createWorkload(given.workload, memoryOfSnapshot(snapshot), seed)
  workloads.set(given.workload, workload)
  const policy = parseSpec(given.policy)
  return {
    layout,
    policy,
    workload,
    workingSet: usesWorkingSet(policy) ? workingSetOf(layout, workload) : null,
    seed,
    fixedNs: 0,
  }
}

function figuresOf({ workDoneNs, faultLatencyNs, bytesRead }: RestoreResult): ValidationFigures {
  return {
    workDoneNs,
    meanLatencyNs: faultLatencyNs?.mean ?? null,
    p99LatencyNs: faultLatencyNs?.p99 ?? null,
    bytesRead,
  }
}

function compareFigures(
  given: ValidationCase,
  predicted: ValidationFigures,
  runs: readonly ValidationFigures[],
  othersShares: readonly number[],
): ValidationResult {
  const names: readonly FigureName[] = ['workDoneNs', 'meanLatencyNs', 'p99LatencyNs', 'bytesRead']
  const measured = names.map(name => [name, summariseFigure(runs.map(run => run[name]))] as const)
  const error = measured.map(([name, figure]) => [name, errorOf(predicted[name], figure?.median ?? null)] as const)
  return {
    given,
    predicted,
    measured: Object.fromEntries(measured) as ValidationResult['measured'],
    error: Object.fromEntries(error) as ValidationResult['error'],
    othersShares,
  }
}

/** Of those that are known; null when none is. */
export function summariseFigure(values: readonly (number | null)[]): MeasuredFigure | null {
  const known = values.filter(value => value !== null).sort((a, b) => a - b)
  if (known.length === 0) return null
  return { median: medianOf(known), min: known[0], max: known[known.length - 1] }
}

function errorOf(predicted: number | null, measured: number | null): number | null {
  if (predicted === null || measured === null) return null
  return measured === 0 ? (predicted === 0 ? 0 : null) : predicted / measured - 1
}

/** Of sorted values, at least one. */
export function medianOf(sorted: readonly number[]): number {
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2
}

export interface ErrorSummary {
  readonly cases: number
  /** Of the absolute errors. */
  readonly median: number
  readonly worst: number
}

/** Over all cases that have the figure; null when none has. */
export function summariseErrors(results: readonly ValidationResult[], figure: FigureName): ErrorSummary | null {
  const errors = results
    .map(({ error }) => error[figure])
    .filter(error => error !== null)
    .map(Math.abs)
    .sort((a, b) => a - b)
  if (errors.length === 0) return null
  return { cases: errors.length, median: medianOf(errors), worst: errors[errors.length - 1] }
}
