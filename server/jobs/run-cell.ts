/** One restore of an experiment: the library's compare with one policy, by whichever engine. */
import {
  asFile,
  type ComparisonResult,
  compare,
  createKvmEngine,
  createLayout,
  createSimEngine,
  createUffdEngine,
  DEFAULT_HOST_PROFILE,
  deviceOf,
  type Engine,
  type HostProfile,
  hostStorage,
  type Layout,
  parseHostPages,
  parseHostProfile,
  type Storage,
} from 'lazyrestore'
import type { CellOutcome, CellSpec, JobLimits } from './job.ts'
import type { Sources } from './sources.ts'

export async function runCell(cell: CellSpec, sources: Sources, limits: JobLimits): Promise<CellOutcome> {
  const startMs = performance.now()
  const layout = await sources.layout(cell.snapshot, cell.layout, limits)
  const notes: string[] = []
  const profile = profileOf(cell.profile)
  const engine = createEngine(cell.engine, profile, note => notes.push(note))
  try {
    const done =
      cell.engine === 'sim'
        ? await restore(cell, engine, layout, await sources.storage(cell.storage, deviceOf(profile)), sources, limits)
        : await restoreForReal(cell, engine, layout, sources, limits)
    return { result: done.results[0], notes: [...notes, ...done.notes], tookMs: performance.now() - startMs }
  } finally {
    await engine.close()
  }
}

/** The profile of a request, checked. @throws LazyRestoreError `format` */
export function profileOf(profile: HostProfile | null): HostProfile {
  return profile === null ? DEFAULT_HOST_PROFILE : parseHostProfile(profile, 'profile')
}

function createEngine(name: CellSpec['engine'], profile: HostProfile, onNote: (note: string) => void): Engine {
  if (name === 'sim') return createSimEngine(profile)
  return name === 'uffd' ? createUffdEngine({ onNote }) : createKvmEngine({ onNote })
}

async function restoreForReal(
  cell: CellSpec,
  engine: Engine,
  layout: Layout,
  sources: Sources,
  limits: JobLimits,
): Promise<ComparisonResult> {
  const storage = hostStorage(cell.storage)
  if (layout.snapshot.format !== 'synthetic') return restore(cell, engine, layout, storage, sources, limits)
  const file = await asFile(layout.snapshot, { update: () => {} })
  try {
    const onFile = createLayout(file, parseHostPages(cell.layout))
    return await restore(cell, engine, onFile, storage, sources, limits)
  } finally {
    await file.close()
  }
}

async function restore(
  cell: CellSpec,
  engine: Engine,
  layout: Layout,
  storage: Storage,
  sources: Sources,
  limits: JobLimits,
): Promise<ComparisonResult> {
  const { policy, seed, fixedNs, recording } = cell
  return compare({
    engine,
    layout,
    workload: await sources.workload(cell.workload, layout.snapshot, seed, limits),
    storage,
    policies: policy,
    recording: recording === null ? null : await sources.workload(recording, layout.snapshot, seed, limits),
    seed,
    fixedNs,
  })
}
