/**
 * A sweep with everything that its texts name: what makes its cells the same on every machine. Files are known by their
 * content, a snapshot by its identity, a trace by a digest; where they lie is a matter of each machine.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import {
  checkSweepCells,
  DEFAULT_HOST_PROFILE,
  type HostProfile,
  LazyRestoreError,
  openSnapshot,
  parseDurationNs,
  readHostProfile,
  type SweepCell,
  type SweepSpec,
  sweepCells,
  WORKLOADS,
  withCores,
} from 'lazyrestore'
import type { CellSpec, SnapshotSource, WorkloadSource } from '../jobs/job.ts'
import { rehearsalOf } from '../jobs/rehearsal.ts'
import { cellVersion } from './version.ts'

/** A file by its content. */
export interface KnownFile {
  /** On this machine, without symbolic links. */
  readonly path: string
  /** What the spec and results call it. */
  readonly name: string
  /** Of a snapshot its identity, of a trace the SHA-256 of its bytes. */
  readonly identity: string
}

export interface SweepPlan {
  /** The same for the same spec over the same files. */
  readonly id: string
  readonly version: string
  readonly spec: SweepSpec
  /** By the text in the spec. */
  readonly snapshots: Readonly<Record<string, KnownFile>>
  readonly traces: Readonly<Record<string, KnownFile>>
  /** Null: the default one. */
  readonly profile: HostProfile | null
}

const SYNTHETIC = 'synthetic:'
const ID_DIGITS = 24
const REHEARSED_CELLS = 16

/**
 * @param where what the spec is called in messages: no part of the plan, so that a spec may be moved
 * @throws LazyRestoreError for a file that is not there, or a text that nothing can be made of
 */
export async function planSweep(spec: SweepSpec, where: string): Promise<SweepPlan> {
  const profile = spec.profile === null ? null : readHostProfile(spec.profile)
  const { snapshots, workloads } = checkSweepCells(spec, profile ?? DEFAULT_HOST_PROFILE, where)
  if (spec.recording !== null) workloads.add(spec.recording)
  const files = {
    snapshots: await know(snapshots, isFile, snapshotIdentity),
    traces: await know(workloads, isTrace, digestOf),
  }
  const content = {
    spec,
    snapshots: identities(files.snapshots),
    traces: identities(files.traces),
    profile,
  }
  const digest = createHash('sha256').update(JSON.stringify(content)).digest('hex')
  return { id: `swp_${digest.slice(0, ID_DIGITS)}`, version: cellVersion(), spec, ...files, profile }
}

/** The restores of a sweep by index, as a worker wants them. */
export class PlannedCells {
  readonly count: number
  readonly variables: readonly string[]
  readonly at: (index: number) => SweepCell
  /** What a thread does before its first cells. */
  readonly rehearsal: readonly CellSpec[]
  readonly #plan: SweepPlan
  readonly #fixedNs: number

  constructor(plan: SweepPlan) {
    const { count, variables, at } = sweepCells(plan.spec)
    this.count = count
    this.variables = variables
    this.at = at
    this.#plan = plan
    this.#fixedNs = parseDurationNs(plan.spec.fixed, 'fixed')
    // Policies change fastest, then storages: the first cells have many of them.
    const first = Array.from({ length: Math.min(count, REHEARSED_CELLS) }, (_, index) => this.spec(index))
    this.rehearsal = rehearsalOf(first)
  }

  spec(index: number): CellSpec {
    const { spec, profile } = this.#plan
    const { snapshot, layout, policy, workload, storage, seed, cores } = this.at(index)
    return {
      snapshot: this.#snapshot(snapshot),
      layout,
      policy,
      workload: this.#workload(workload),
      storage,
      engine: spec.engine,
      seed,
      fixedNs: this.#fixedNs,
      recording: spec.recording === null ? null : this.#workload(spec.recording),
      profile: cores === '' ? profile : withCores(profile ?? DEFAULT_HOST_PROFILE, cores, 'cores'),
    }
  }

  #snapshot(text: string): SnapshotSource {
    return Object.hasOwn(this.#plan.snapshots, text)
      ? { kind: 'file', ...this.#plan.snapshots[text] }
      : { kind: 'synthetic', spec: text }
  }

  #workload(text: string): WorkloadSource {
    if (!Object.hasOwn(this.#plan.traces, text)) return { kind: 'generated', spec: text }
    const { path, name } = this.#plan.traces[text]
    return { kind: 'trace', path, name }
  }
}

export const isFile = (text: string): boolean => !text.startsWith(SYNTHETIC)
export const isTrace = (text: string): boolean => !WORKLOADS.some(({ name }) => name === text.split(':')[0].trim())

async function know(
  texts: ReadonlySet<string>,
  isOne: (text: string) => boolean,
  identify: (path: string) => Promise<string>,
): Promise<Record<string, KnownFile>> {
  const known: Record<string, KnownFile> = {}
  for (const text of texts) {
    if (!isOne(text)) continue
    known[text] = await knowFile(text, identify)
  }
  return known
}

export async function knowFile(text: string, identify: (path: string) => Promise<string>): Promise<KnownFile> {
  const path = await realPath(text)
  return { path, name: basename(text), identity: await identify(path) }
}

async function realPath(text: string): Promise<string> {
  try {
    return await realpath(resolve(text))
  } catch (cause) {
    throw new LazyRestoreError('io', `${text}: no such file`, { cause })
  }
}

export async function snapshotIdentity(path: string): Promise<string> {
  const snapshot = await openSnapshot(path)
  await snapshot.close()
  return snapshot.identity
}

/** SHA-256 of a file's bytes. */
export async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

function identities(files: Readonly<Record<string, KnownFile>>): [text: string, identity: string][] {
  return Object.entries(files)
    .map(([text, { identity }]): [string, string] => [text, identity])
    .sort(([a], [b]) => (a < b ? -1 : 1))
}
