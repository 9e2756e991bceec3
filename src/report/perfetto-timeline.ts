/** The timeline of a simulated restore in a Perfetto trace: a thread a vCPU, handler and worker, and the device's requests. */
import type { RestoreResult } from '../engine/result.ts'
import { OP_COPY, OP_ZEROPAGE } from '../resolver/resolver.ts'
import { NO_INSTALL, NO_PAGE, SPAN_INSTALL, SPAN_READ, SPAN_RUN, type Timeline } from '../sim/timeline.ts'
import type { SliceOptions, TraceWriter } from './trace-writer.ts'

/** Slices of one thread do not overlap. */
interface Slice extends SliceOptions {
  readonly name: string
  readonly startNs: number
  readonly endNs: number
}

export function writeTimeline(trace: TraceWriter, process: number, result: RestoreResult, timeline: Timeline): void {
  const { vcpus } = result.workload
  const { handlers, truncatedNs } = timeline
  const flows = flowsOf(trace, timeline)
  const threads = threadsOf(timeline, vcpus)
  for (const [actor, spans] of threads.entries()) {
    const carrier = actor - vcpus
    const name = carrier < handlers ? `handler ${carrier}` : `worker ${carrier - handlers}`
    const track = trace.thread(carrier < 0 ? `vCPU ${actor}` : name, actor + 1)
    const slices = carrier < 0 ? vcpuSlices(timeline, spans, actor, flows) : carrierSlices(timeline, spans, flows)
    for (const slice of slices) trace.slice(track, slice.name, slice.startNs, slice.endNs, slice)
  }
  writeReads(trace, process, timeline)
  if (truncatedNs === null) return
  const note = trace.track(process, 'too long a timeline: the rest is left out')
  trace.slice(note, 'not recorded', truncatedNs, Math.max(truncatedNs, result.workDoneNs))
}

/** Indexes of spans by actor; vCPUs that never ran have none. */
function threadsOf({ spans }: Timeline, vcpus: number): number[][] {
  const { actor } = spans.columns
  const threads: number[][] = Array.from({ length: vcpus }, () => [])
  for (let i = 0; i < spans.length; i++) {
    while (threads.length <= actor[i]) threads.push([])
    threads[actor[i]].push(i)
  }
  return threads
}

interface Flows {
  /** By fault; 0: no install call has ended it. */
  readonly ofFault: Uint32Array
  /** By span: those of the faults that an install call has ended. */
  readonly intoInstall: ReadonlyMap<number, readonly number[]>
}

function flowsOf(trace: TraceWriter, { faults }: Timeline): Flows {
  const { install } = faults.columns
  const ofFault = new Uint32Array(faults.length)
  const intoInstall = new Map<number, number[]>()
  for (let i = 0; i < faults.length; i++) {
    if (install[i] === NO_INSTALL) continue
    ofFault[i] = trace.flow()
    const others = intoInstall.get(install[i])
    if (others === undefined) intoInstall.set(install[i], [ofFault[i]])
    else others.push(ofFault[i])
  }
  return { ofFault, intoInstall }
}

/** Faults, and what it ran between them; the work of a fault itself is a part of the fault. */
function vcpuSlices({ spans, faults }: Timeline, own: readonly number[], actor: number, { ofFault }: Flows): Slice[] {
  const { vcpu, page, startNs, endNs } = faults.columns
  const slices: Slice[] = []
  let span = 0
  let ranUntil = 0
  const runUntil = (limitNs: number): void => {
    for (; span < own.length; span++) {
      const { kind, startNs: starts, endNs: ends } = spans.columns
      const from = Math.max(ranUntil, starts[own[span]])
      if (from >= limitNs) return
      if (kind[own[span]] === SPAN_RUN) {
        const to = Math.min(limitNs, ends[own[span]])
        if (to > from) slices.push({ name: 'run', startNs: from, endNs: to })
      }
      if (ends[own[span]] > limitNs) return
    }
  }
  for (let i = 0; i < faults.length; i++) {
    if (vcpu[i] !== actor) continue
    runUntil(startNs[i])
    const notes = page[i] === NO_PAGE ? {} : { page: page[i] }
    const flows = ofFault[i] === 0 ? [] : [ofFault[i]]
    slices.push({ name: 'fault', startNs: startNs[i], endNs: endNs[i], notes, flows })
    ranUntil = endNs[i]
  }
  runUntil(Number.POSITIVE_INFINITY)
  return slices
}

function carrierSlices({ spans }: Timeline, own: readonly number[], { intoInstall }: Flows): Slice[] {
  const { kind, operation, startNs, endNs, first, count } = spans.columns
  return own.flatMap((i): Slice[] => {
    const time = { startNs: startNs[i], endNs: endNs[i] }
    switch (kind[i]) {
      case SPAN_INSTALL: {
        const notes = { 'first page': first[i], pages: count[i] }
        return [{ name: operationName(operation[i]), ...time, notes, endFlows: intoInstall.get(i) ?? [] }]
      }
      case SPAN_READ:
        return [{ name: 'read', ...time }]
      case SPAN_RUN:
        return [{ name: 'run', ...time }]
      default:
        return []
    }
  })
}

function operationName(operation: number): string {
  if (operation === OP_COPY) return 'COPY'
  return operation === OP_ZEROPAGE ? 'ZEROPAGE' : 'COPY of zeros'
}

/** The device's requests in as many tracks as are under way at a time, and how many that are. */
function writeReads(trace: TraceWriter, process: number, { reads }: Timeline): void {
  const { bytes, startNs, endNs } = reads.columns
  const lanes: { readonly track: number; freeNs: number }[] = []
  const changes: [atNs: number, by: number][] = []
  for (let i = 0; i < reads.length; i++) {
    let lane = lanes.find(({ freeNs }) => freeNs <= startNs[i])
    if (lane === undefined) {
      lane = { track: trace.track(process, `device request ${lanes.length}`), freeNs: 0 }
      lanes.push(lane)
    }
    lane.freeNs = endNs[i]
    trace.slice(lane.track, 'read', startNs[i], endNs[i], { notes: { bytes: bytes[i] } })
    changes.push([startNs[i], 1], [endNs[i], -1])
  }
  if (changes.length === 0) return
  const queue = trace.counter(process, 'requests at the device', 'count')
  let depth = 0
  // Ends before starts of the same time.
  for (const [atNs, by] of changes.sort(([a, byA], [b, byB]) => a - b || byA - byB)) {
    depth += by
    trace.count(queue, atNs, depth)
  }
}
