/** A worker's end of the pool: does one job after the other, and answers errors as data. */
import { readlinkSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { isMainThread } from 'node:worker_threads'
import { move, transferableSymbol, valueSymbol } from 'piscina'
import { checkExperiment } from './check-experiment.ts'
import { packBatch } from './ended-batch.ts'
import { failureOf } from './failure.ts'
import { describeDensity, describeEngines, describeSnapshot, describeTrace } from './inspect.ts'
import type { Job, JobAnswers, JobKind, JobReply } from './job.ts'
import { mapCell } from './map-cell.ts'
import { rehearse } from './rehearsal.ts'
import { runCell } from './run-cell.ts'
import { runCells } from './run-cells.ts'
import { Sources } from './sources.ts'

const sources = new Sources()
// A process of its own measures, and must not stand behind others.
if (!isMainThread) yieldToServer()

export async function runJob(job: Job): Promise<JobReply<JobKind>> {
  try {
    const reply = { answer: await answer(job) }
    if (job.kind !== 'cells' || isMainThread) return reply
    return movedWith(reply, (reply.answer as JobAnswers['cells']).bytes.buffer)
  } catch (error) {
    return { failure: failureOf(error) }
  }
}

/** The reply as Piscina takes it over with that memory, which is then no longer the thread's. */
function movedWith<T extends object>(reply: T, memory: ArrayBuffer): T {
  return move({ [transferableSymbol]: memory, [valueSymbol]: reply } as never) as unknown as T
}

function answer(job: Job): Promise<JobAnswers[JobKind]> | JobAnswers[JobKind] {
  const { limits } = job
  switch (job.kind) {
    case 'inspect':
      return sources.snapshot(job.snapshot, limits).then(describeSnapshot)
    case 'density':
      return sources.layout(job.snapshot, job.layout, limits).then(layout => describeDensity(layout, job.window))
    case 'trace':
      return describeTrace(job.path, job.name, limits)
    case 'check':
      return checkExperiment(job.check, sources, limits)
    case 'cell':
      return runCell(job.cell, sources, limits)
    case 'cells':
      return rehearse(job.rehearsal, sources, limits)
        .then(() => runCells(job.cells, sources, limits))
        .then(packBatch)
    case 'map':
      return mapCell(job.cell, job.window, sources, limits)
    case 'engines':
      return describeEngines()
  }
}

/**
 * The thread steps back behind the event loop and the sessions, which somebody waits for. Priorities are a thread's own on
 * Linux (setpriority(2), "C library/kernel differences"); where they cannot be set, work is done as well.
 */
function yieldToServer(): void {
  try {
    const [, , thread] = readlinkSync('/proc/thread-self').split('/')
    setPriority(Number(thread), constants.priority.PRIORITY_BELOW_NORMAL)
  } catch {
    // Not Linux, or not allowed.
  }
}
