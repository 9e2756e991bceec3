/**
 * Restores as a Perfetto trace (https://ui.perfetto.dev): a process a restore, in it the phases as slices and resident
 * memory as a counter. A trace is a protobuf of packets; the few messages and fields that this needs are written here, by
 * the numbers that Perfetto publishes in protos/perfetto/trace/{trace_packet,track_event/*}.proto.
 */
import type { RestoreResult } from '../engine/result.ts'
import { Protobuf } from './protobuf.ts'

/** Field numbers, by message. */
const TRACE = { packet: 1 } as const
const PACKET = { timestamp: 8, sequenceId: 10, trackEvent: 11, sequenceFlags: 13, trackDescriptor: 60 } as const
const DESCRIPTOR = { uuid: 1, name: 2, process: 3, parentUuid: 5, counter: 8 } as const
const PROCESS = { pid: 1, name: 6 } as const
const COUNTER = { unit: 3 } as const
const EVENT = { debugAnnotations: 4, type: 9, trackUuid: 11, categories: 22, name: 23, counterValue: 30 } as const
const ANNOTATION = { stringValue: 6, name: 10 } as const

const SLICE_BEGIN = 1
const SLICE_END = 2
const COUNTER_VALUE = 4
const UNIT_SIZE_BYTES = 3
/** SEQ_INCREMENTAL_STATE_CLEARED: on the first packet of a sequence. */
const STATE_CLEARED = 1
const SEQUENCE_ID = 1
const CATEGORY = 'restore'

/** Tracks of one restore; uuids must differ in the whole trace. */
const TRACKS_PER_RESTORE = 4

/** The trace file of so many restores, a piece each; all of them start at time 0. */
export function* renderPerfetto(results: Iterable<RestoreResult>): Generator<Uint8Array> {
  let index = 0
  for (const result of results) yield packetsOf(result, index++)
}

function packetsOf(result: RestoreResult, index: number): Uint8Array {
  const trace = new TraceWriter(index === 0)
  const processTrack = 1 + index * TRACKS_PER_RESTORE
  const [phases, residentTrack, memory] = [processTrack + 1, processTrack + 2, processTrack + 3]
  const { policy, workload, storage, layout, resumeNs, workDoneNs, residentNs, residency } = result
  trace.describe(descriptor(processTrack, null, '').message(DESCRIPTOR.process, processOf(index + 1, labelOf(result))))
  trace.describe(descriptor(phases, processTrack, 'phases'))
  trace.describe(descriptor(residentTrack, processTrack, 'until all memory is resident'))
  const unit = new Protobuf().uint(COUNTER.unit, UNIT_SIZE_BYTES)
  trace.describe(descriptor(memory, processTrack, 'resident memory').message(DESCRIPTOR.counter, unit))
  trace.slice(phases, 'until vCPUs run', 0, resumeNs, { policy, workload: workload.name, storage, layout })
  trace.slice(phases, 'workload', resumeNs, workDoneNs, {})
  if (residentNs !== null) trace.slice(residentTrack, 'fills', 0, residentNs, {})
  for (const { timeNs, bytes } of residency) trace.count(memory, timeNs, bytes)
  return trace.finish()
}

function labelOf({ policy, workload, storage, engine }: RestoreResult): string {
  return `${policy}, ${workload.name}, ${storage} (${engine})`
}

function processOf(pid: number, name: string): Protobuf {
  return new Protobuf().uint(PROCESS.pid, pid).text(PROCESS.name, name)
}

function descriptor(uuid: number, parent: number | null, name: string): Protobuf {
  const message = new Protobuf().uint(DESCRIPTOR.uuid, uuid)
  if (parent !== null) message.uint(DESCRIPTOR.parentUuid, parent).text(DESCRIPTOR.name, name)
  return message
}

class TraceWriter {
  readonly #trace = new Protobuf()
  #isFirst: boolean

  /** @param startsSequence the packets are the first of the file */
  constructor(startsSequence: boolean) {
    this.#isFirst = startsSequence
  }

  describe(track: Protobuf): void {
    this.#add(new Protobuf().message(PACKET.trackDescriptor, track))
  }

  slice(track: number, name: string, fromNs: number, toNs: number, notes: Readonly<Record<string, string>>): void {
    const begin = event(SLICE_BEGIN, track).text(EVENT.categories, CATEGORY).text(EVENT.name, name)
    for (const [key, value] of Object.entries(notes)) {
      const note = new Protobuf().text(ANNOTATION.name, key).text(ANNOTATION.stringValue, value)
      begin.message(EVENT.debugAnnotations, note)
    }
    this.#addAt(fromNs, begin)
    this.#addAt(toNs, event(SLICE_END, track))
  }

  count(track: number, atNs: number, value: number): void {
    this.#addAt(atNs, event(COUNTER_VALUE, track).uint(EVENT.counterValue, value))
  }

  finish(): Uint8Array {
    return this.#trace.finish()
  }

  /** The trace's clock counts whole ns. */
  #addAt(ns: number, trackEvent: Protobuf): void {
    this.#add(new Protobuf().uint(PACKET.timestamp, Math.round(ns)).message(PACKET.trackEvent, trackEvent))
  }

  #add(packet: Protobuf): void {
    packet.uint(PACKET.sequenceId, SEQUENCE_ID)
    if (this.#isFirst) packet.uint(PACKET.sequenceFlags, STATE_CLEARED)
    this.#isFirst = false
    this.#trace.message(TRACE.packet, packet)
  }
}

function event(type: number, track: number): Protobuf {
  return new Protobuf().uint(EVENT.type, type).uint(EVENT.trackUuid, track)
}
