/**
 * Restores as a Perfetto trace (https://ui.perfetto.dev): a process a restore, in it the phases as slices and resident memory
 * as a counter; where the engine has recorded a timeline, also what each thread does, each fault with a flow to the install
 * that ends it, and the device's requests.
 */
import type { RestoreResult } from '../engine/result.ts'
import type { Timeline } from '../sim/timeline.ts'
import { writeTimeline } from './perfetto-timeline.ts'
import { TraceWriter } from './trace-writer.ts'

export interface TracedRestore {
  readonly result: RestoreResult
  /** Null: it was not recorded. */
  readonly timeline: Timeline | null
}

/** The trace file of so many restores, a piece each; all of them start at time 0. */
export function* renderPerfetto(restores: Iterable<RestoreResult | TracedRestore>): Generator<Uint8Array> {
  const trace = new PerfettoTrace()
  for (const restore of restores) yield trace.add('result' in restore ? restore : { result: restore, timeline: null })
}

/** The same, told of one restore after the other, so that no more than one timeline is in memory. */
export class PerfettoTrace {
  readonly #trace = new TraceWriter()

  /** The next piece of the file. */
  add({ result, timeline }: TracedRestore): Uint8Array {
    const process = writePhases(this.#trace, result)
    if (timeline !== null) writeTimeline(this.#trace, process, result, timeline)
    return this.#trace.take()
  }
}

/** Returns the track of the restore's process. */
function writePhases(trace: TraceWriter, result: RestoreResult): number {
  const { policy, workload, storage, layout, resumeNs, workDoneNs, residentNs, residency } = result
  const process = trace.process(labelOf(result))
  const phases = trace.track(process, 'phases')
  const fills = trace.track(process, 'until all memory is resident')
  const memory = trace.counter(process, 'resident memory', 'bytes')
  trace.slice(phases, 'until vCPUs run', 0, resumeNs, { notes: { policy, workload: workload.name, storage, layout } })
  trace.slice(phases, 'workload', resumeNs, workDoneNs)
  if (residentNs !== null) trace.slice(fills, 'fills', 0, residentNs)
  for (const { timeNs, bytes } of residency) trace.count(memory, timeNs, bytes)
  return process
}

function labelOf({ policy, workload, storage, engine }: RestoreResult): string {
  return `${policy}, ${workload.name}, ${storage} (${engine})`
}
