/** What is in the form: every field as it stands, and the request that it makes. */
import type { EngineChoice, NewExperiment, SnapshotRecord } from 'lazyrestore/client'
import { type CommandFacts, defaultStorage } from '../cli-command.ts'
import type { Axes } from '../slices.ts'

export type SnapshotKind = 'synthetic' | 'registered' | 'path'

export interface Draft {
  readonly name: string
  readonly snapshotKind: SnapshotKind
  /** Its spec, the id of a registered one, or a path below a snapshot root. */
  readonly snapshot: string
  /** None: all that the layouts can carry. */
  readonly policies: readonly string[]
  readonly workloads: readonly string[]
  /** None: the engine's default. */
  readonly storages: readonly string[]
  /** None: 4K. */
  readonly layouts: readonly string[]
  readonly engine: EngineChoice
  readonly repetitions: number
  readonly seed: number
  /** The part of each resume that no policy changes, ms. */
  readonly fixedMs: number
}

export const BLANK: Draft = {
  name: '',
  snapshotKind: 'synthetic',
  snapshot: 'synthetic:1GiB,zero=60%',
  policies: [],
  workloads: ['working-set'],
  storages: [],
  layouts: [],
  engine: 'sim',
  repetitions: 1,
  seed: 1,
  fixedMs: 8,
}

/** @param snapshot what the draft's means to the server: a spec, or an id */
export function requestOf(draft: Draft, snapshot: string): NewExperiment {
  const { name, policies, workloads, engine, repetitions, seed, fixedMs } = draft
  const { storages, layouts } = axesOf(draft)
  return {
    ...(name.trim() === '' ? {} : { name: name.trim() }),
    snapshot,
    ...(policies.length === 0 ? {} : { policies: [...policies] }),
    workloads: [...workloads],
    storages: [...storages],
    layouts: [...layouts],
    engine,
    repetitions,
    seed,
    fixedNs: Math.round(fixedMs * 1e6),
  }
}

export function axesOf({ repetitions, workloads, storages, layouts, engine }: Draft): Axes {
  return {
    repetitions,
    workloads,
    storages: storages.length === 0 ? [defaultStorage(engine)] : storages,
    layouts: layouts.length === 0 ? ['4K'] : layouts,
  }
}

export function commandFactsOf(draft: Draft, registered: readonly SnapshotRecord[]): CommandFacts {
  const { snapshotKind, snapshot, policies, engine, seed, fixedMs } = draft
  const known = snapshotKind === 'registered' ? registered.find(({ id }) => id === snapshot) : undefined
  return {
    snapshot: known?.name ?? snapshot,
    policies: policies.length === 0 ? null : policies,
    engine,
    seed,
    fixedNs: Math.round(fixedMs * 1e6),
    recording: null,
    hasProfile: false,
  }
}

/** What keeps the draft from being sent, in words; null: nothing. */
export function problemOf({ snapshot, workloads, repetitions, seed, fixedMs }: Draft): string | null {
  if (snapshot.trim() === '') return 'Choose a snapshot.'
  if (workloads.length === 0) return 'Choose a workload.'
  if (!Number.isInteger(repetitions) || repetitions < 1 || repetitions > 100) return 'Repetitions: 1 to 100.'
  if (!Number.isSafeInteger(seed) || seed < 0) return 'Seed: a whole number of at least 0.'
  if (!(fixedMs >= 0 && fixedMs < 1e6)) return 'Fixed part: 0 ms or more.'
  return null
}
