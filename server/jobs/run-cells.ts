/** Several small restores in one job, so that what a job costs is shared. One that fails leaves the others as they are. */
import { endedBy, endedWith } from '../experiments/records.ts'
import { encodeRecord } from '../store/record-codec.ts'
import { failureOf } from './failure.ts'
import type { CellSpec, EndedCellBytes, JobLimits } from './job.ts'
import { runCell } from './run-cell.ts'
import type { Sources } from './sources.ts'

export async function runCells(
  cells: readonly CellSpec[],
  sources: Sources,
  limits: JobLimits,
): Promise<EndedCellBytes[]> {
  const ended: EndedCellBytes[] = []
  for (const cell of cells) ended.push(await runOne(cell, sources, limits))
  return ended
}

async function runOne(cell: CellSpec, sources: Sources, limits: JobLimits): Promise<EndedCellBytes> {
  const startMs = performance.now()
  try {
    const { result, notes, tookMs } = await runCell(cell, sources, limits)
    const ended = encodeRecord(endedWith(result, notes, tookMs))
    return { state: 'done', tookMs, ended, result: encodeRecord(result) }
  } catch (error) {
    return failedCell(failureOf(error), performance.now() - startMs)
  }
}

/** The record of a cell that could not be done. */
export function failedCell(failure: { code: string; message: string }, tookMs: number): EndedCellBytes {
  return { state: 'failed', tookMs, ended: encodeRecord(endedBy(failure, tookMs)), result: null }
}
