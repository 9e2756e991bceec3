/** How the restore of a cell filled memory: the same restore, replayed. */
import { densityOf, deviceOf, fillMap, pageWindow, parseStorage, workingSetOf } from 'lazyrestore'
import { windowFields } from './inspect.ts'
import type { CellSpec, JobAnswers, JobLimits, MemoryWindow } from './job.ts'
import { profileOf } from './run-cell.ts'
import type { Sources } from './sources.ts'

export async function mapCell(
  cell: CellSpec,
  { from, count, cells }: MemoryWindow,
  sources: Sources,
  limits: JobLimits,
): Promise<JobAnswers['map']> {
  const { policy, seed, fixedNs, storage } = cell
  const layout = await sources.layout(cell.snapshot, cell.layout, limits)
  const workload = await sources.workload(cell.workload, layout.snapshot, seed, limits)
  const { recording } = cell
  const recorded = recording === null ? workload : await sources.workload(recording, layout.snapshot, seed, limits)
  const profile = profileOf(cell.profile)
  const window = pageWindow(layout, from, count, cells)
  const options = {
    layout,
    policy,
    storage: parseStorage(storage, deviceOf(profile)),
    profile,
    seed,
    fixedNs,
    workingSet: workingSetOf(layout, recorded).pages,
  }
  const { zero } = densityOf(layout, window)
  return { ...windowFields(layout, window), zero, ...fillMap(options, workload, window) }
}
