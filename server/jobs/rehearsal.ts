/**
 * What a sweep's thread does before its first cell: restores a very small snapshot by each of the sweep's policies. V8
 * compiles a function once it is hot, for the shapes of objects and the sizes of numbers that it has seen until then, and again
 * when others come. The first cell of a sweep makes the simulator hot, and each further policy had much of it compiled once
 * more: a second of CPU a thread, taken from the cells of the others where each core has a thread.
 */
import type { CellSpec, JobLimits } from './job.ts'
import { runCell } from './run-cell.ts'
import type { Sources } from './sources.ts'

const SNAPSHOT = 'synthetic:1MiB,zero=50%'
/** Times in ns beyond 2³¹, which are another sort of number to V8, and times below. */
const WORKLOADS = ['working-set:share=20%,think=1s', 'working-set:share=10%']

/** The restores that stand for those of a sweep. @param cells any of it */
export function rehearsalOf(cells: Iterable<CellSpec>): CellSpec[] {
  const seen = new Set<string>()
  const rehearsal: CellSpec[] = []
  for (const cell of cells) {
    const key = JSON.stringify([cell.policy, cell.storage, cell.layout])
    if (cell.engine !== 'sim' || seen.has(key)) continue
    seen.add(key)
    for (const spec of WORKLOADS) {
      const snapshot = { kind: 'synthetic', spec: SNAPSHOT } as const
      rehearsal.push({ ...cell, snapshot, workload: { kind: 'generated', spec }, recording: null })
    }
  }
  return rehearsal
}

/** Those of this thread, by what they restore. */
const rehearsed = new Set<string>()

/** Once a thread. What fails here fails again, and says so, where it counts; but a layout may name blocks that are not here. */
export async function rehearse(rehearsal: readonly CellSpec[], sources: Sources, limits: JobLimits): Promise<void> {
  for (const cell of rehearsal) {
    const key = JSON.stringify([cell.policy, cell.storage, cell.layout, cell.workload])
    if (rehearsed.has(key)) continue
    rehearsed.add(key)
    await runCell(cell, sources, limits).catch(() => {})
  }
}
