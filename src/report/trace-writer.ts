/**
 * Writes a Perfetto trace (https://ui.perfetto.dev): a protobuf of packets; the few messages and fields that this needs, by the
 * numbers that Perfetto publishes in protos/perfetto/trace/{trace_packet,track_event/*}.proto. Times are whole ns.
 */
import { Protobuf } from './protobuf.ts'

/** Field numbers, by message. */
const TRACE = { packet: 1 } as const
const PACKET = { timestamp: 8, sequenceId: 10, trackEvent: 11, sequenceFlags: 13, trackDescriptor: 60 } as const
const DESCRIPTOR = { uuid: 1, name: 2, process: 3, thread: 4, parentUuid: 5, counter: 8 } as const
const PROCESS = { pid: 1, name: 6 } as const
const THREAD = { pid: 1, tid: 2, name: 5 } as const
const COUNTER = { unit: 3 } as const
const EVENT = {
  debugAnnotations: 4,
  type: 9,
  trackUuid: 11,
  categories: 22,
  name: 23,
  counterValue: 30,
  flowIds: 47,
  terminatingFlowIds: 48,
} as const
const ANNOTATION = { uintValue: 3, stringValue: 6, name: 10 } as const

const SLICE_BEGIN = 1
const SLICE_END = 2
const COUNTER_VALUE = 4
const UNIT_COUNT = 2
const UNIT_SIZE_BYTES = 3
/** SEQ_INCREMENTAL_STATE_CLEARED: on the first packet of a sequence. */
const STATE_CLEARED = 1
const SEQUENCE_ID = 1
const CATEGORY = 'restore'

export type Notes = Readonly<Record<string, string | number>>

export interface SliceOptions {
  readonly notes?: Notes
  /** Flows that begin with it, and those that end in it. */
  readonly flows?: readonly number[]
  readonly endFlows?: readonly number[]
}

/** Numbers of tracks, flows and processes must differ in a whole file: a writer goes on where the last piece ended. */
export class TraceWriter {
  #trace = new Protobuf()
  #isFirst = true
  #uuid = 0
  #pid = 0
  #flow = 0

  /** Returns its track. */
  process(name: string): number {
    this.#pid++
    const process = new Protobuf().uint(PROCESS.pid, this.#pid).text(PROCESS.name, name)
    return this.#describe(descriptor => descriptor.message(DESCRIPTOR.process, process))
  }

  /** A thread of the latest process. @param tid differs from those of its other threads */
  thread(name: string, tid: number): number {
    const thread = new Protobuf().uint(THREAD.pid, this.#pid).uint(THREAD.tid, tid).text(THREAD.name, name)
    return this.#describe(descriptor => descriptor.message(DESCRIPTOR.thread, thread))
  }

  track(parent: number, name: string): number {
    return this.#describe(descriptor => descriptor.uint(DESCRIPTOR.parentUuid, parent).text(DESCRIPTOR.name, name))
  }

  counter(parent: number, name: string, unit: 'bytes' | 'count'): number {
    const counter = new Protobuf().uint(COUNTER.unit, unit === 'bytes' ? UNIT_SIZE_BYTES : UNIT_COUNT)
    return this.#describe(descriptor =>
      descriptor.uint(DESCRIPTOR.parentUuid, parent).text(DESCRIPTOR.name, name).message(DESCRIPTOR.counter, counter),
    )
  }

  /** A number that no other flow has. */
  flow(): number {
    return ++this.#flow
  }

  slice(track: number, name: string, fromNs: number, toNs: number, options: SliceOptions = {}): void {
    const { notes = {}, flows = [], endFlows = [] } = options
    const begin = event(SLICE_BEGIN, track).text(EVENT.categories, CATEGORY).text(EVENT.name, name)
    for (const [key, value] of Object.entries(notes)) {
      const note = new Protobuf().text(ANNOTATION.name, key)
      if (typeof value === 'number') note.uint(ANNOTATION.uintValue, value)
      else note.text(ANNOTATION.stringValue, value)
      begin.message(EVENT.debugAnnotations, note)
    }
    for (const flow of flows) begin.fixed64(EVENT.flowIds, flow)
    this.#addAt(fromNs, begin)
    const end = event(SLICE_END, track)
    // What a slice brings about is there at its end, and may have been waited for since it began.
    for (const flow of endFlows) end.fixed64(EVENT.terminatingFlowIds, flow)
    this.#addAt(toNs, end)
  }

  count(track: number, atNs: number, value: number): void {
    this.#addAt(atNs, event(COUNTER_VALUE, track).uint(EVENT.counterValue, value))
  }

  /** What was written since the last call. */
  take(): Uint8Array {
    const bytes = this.#trace.finish()
    this.#trace = new Protobuf()
    return bytes
  }

  #describe(fill: (descriptor: Protobuf) => void): number {
    const uuid = ++this.#uuid
    const descriptor = new Protobuf().uint(DESCRIPTOR.uuid, uuid)
    fill(descriptor)
    this.#add(new Protobuf().message(PACKET.trackDescriptor, descriptor))
    return uuid
  }

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
