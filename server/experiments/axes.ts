/** The cells of an experiment: every combination of its axes, by index. Neighbours share snapshot, layout and workload. */
import type { Cell } from 'lazyrestore'
import type { ExperimentSpec, NewExperiment } from '../schemas/experiments.ts'

const DEFAULT_FIXED_NS = 8e6

/** Fills in what was not given. @param policies those that were expanded when none was named */
export function completeSpec(request: NewExperiment, policies: readonly string[]): ExperimentSpec {
  const { engine = 'sim' } = request
  return {
    snapshot: request.snapshot,
    workloads: request.workloads,
    policies: [...policies],
    storages: storagesOf(request),
    layouts: layoutsOf(request),
    engine,
    repetitions: request.repetitions ?? 1,
    seed: request.seed ?? 1,
    fixedNs: request.fixedNs ?? DEFAULT_FIXED_NS,
    recording: request.recording ?? null,
    profile: request.profile ?? null,
  }
}

export function storagesOf({ storages, engine = 'sim' }: NewExperiment): string[] {
  return storages ?? [engine === 'sim' ? 'nvme' : 'host']
}

export function layoutsOf({ layouts }: NewExperiment): string[] {
  return layouts ?? ['4K']
}

export function countCells({ policies, repetitions, workloads, storages, layouts }: ExperimentSpec): number {
  return policies.length * repetitions * workloads.length * storages.length * layouts.length
}

export function cellAt(spec: ExperimentSpec, index: number): Cell {
  const { policies, repetitions, workloads, storages, layouts } = spec
  let rest = index
  const digit = (base: number): number => {
    const value = rest % base
    rest = (rest - value) / base
    return value
  }
  const policy = policies[digit(policies.length)]
  const repetition = digit(repetitions)
  const workload = workloads[digit(workloads.length)]
  const storage = storages[digit(storages.length)]
  const layout = layouts[digit(layouts.length)]
  return { index, policy, workload, storage, layout, repetition, seed: spec.seed + repetition }
}
