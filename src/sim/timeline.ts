/**
 * What every thread of a simulated restore does when, for a trace viewer. It is recorded by wrapping the methods that the parts
 * call each other by, so that a simulation which nobody records has no test for it in its loops. Columns of bounded length:
 * what comes after is left out, and `truncatedNs` says from when on.
 */
import { type Column, withRoom } from '../core/growable.ts'
import type { Operation } from '../resolver/resolver.ts'
import type { StorageModel } from '../storage/storage-model.ts'
import type { HostAgenda } from './agenda.ts'
import type { InstallObserver } from './carrier.ts'
import type { Carriers } from './carriers.ts'
import type { Vcpus } from './vcpus.ts'

/** On a CPU. */
export const SPAN_RUN = 0
/** Until something else has happened: it is woken, may go on, has slept. */
export const SPAN_WAIT = 1
/** Until a read of its own is done. */
export const SPAN_READ = 2
/** An install call. */
export const SPAN_INSTALL = 3

/** Of a fault: no install call has ended it. */
export const NO_INSTALL = 0xffff_ffff
/** Of a fault that the kernel resolved by itself: not recorded. */
export const NO_PAGE = 0xffff_ffff

export interface TimelineParts {
  readonly agenda: HostAgenda
  readonly device: StorageModel
  readonly vcpus: Vcpus
  readonly carriers: Carriers
}

const MAX_SPANS = 500_000

/** Rows of columns that grow together. */
class Rows<C extends Record<string, Column>> {
  readonly columns: C
  length = 0

  constructor(columns: C) {
    this.columns = columns
  }

  /** Returns the index of a new row, all of it 0. */
  add(): number {
    const columns = this.columns as Record<string, Column>
    for (const name in columns) columns[name] = withRoom(columns[name], this.length + 1)
    return this.length++
  }
}

export class Timeline {
  /** Actors: vCPUs first, then handlers, then workers. */
  readonly spans = new Rows({
    actor: new Uint16Array(0),
    kind: new Uint8Array(0),
    operation: new Uint8Array(0),
    startNs: new Float64Array(0),
    endNs: new Float64Array(0),
    /** Of an install: host pages. */
    first: new Uint32Array(0),
    count: new Uint32Array(0),
  })
  /** Faults that have ended, and how: by which install call, a span. */
  readonly faults = new Rows({
    vcpu: new Uint16Array(0),
    page: new Uint32Array(0),
    startNs: new Float64Array(0),
    endNs: new Float64Array(0),
    install: new Uint32Array(0),
  })
  readonly reads = new Rows({
    actor: new Uint16Array(0),
    bytes: new Float64Array(0),
    startNs: new Float64Array(0),
    endNs: new Float64Array(0),
  })
  /** How many of the actors behind the vCPUs answer faults. */
  readonly handlers: number
  /** Null: all of it is there. */
  truncatedNs: number | null = null
  readonly observer: InstallObserver = { installed: this.#installed.bind(this) }
  /** By actor: what it has begun, since when, and its latest span. */
  readonly #kind: number[] = []
  readonly #since: number[] = []
  readonly #latest: number[] = []
  /** By vCPU: the page that it waits for, and the install that has woken it. */
  readonly #page: number[] = []
  readonly #install: number[] = []
  /** Whose step it is. */
  #actor = 0
  #hasRead = false

  constructor(handlers: number) {
    this.handlers = handlers
  }

  /** Called before anything has happened. */
  attach({ agenda, device, vcpus, carriers }: TimelineParts): void {
    const next = agenda.next.bind(agenda)
    const startBurst = agenda.startBurst.bind(agenda)
    const startKernelBurst = agenda.startKernelBurst.bind(agenda)
    const startTimer = agenda.startTimer.bind(agenda)
    const submit = device.submit.bind(device)
    const faultPosted = carriers.faultPosted.bind(carriers)
    const wake = vcpus.wake.bind(vcpus)
    const record = vcpus.latency.record.bind(vcpus.latency)
    agenda.startBurst = (actor, workNs) => {
      this.#begin(actor, SPAN_RUN, agenda.now)
      startBurst(actor, workNs)
    }
    agenda.startKernelBurst = (actor, workNs) => {
      this.#begin(actor, SPAN_RUN, agenda.now)
      startKernelBurst(actor, workNs)
    }
    agenda.startTimer = (actor, atNs) => {
      this.#begin(actor, this.#hasRead && actor === this.#actor ? SPAN_READ : SPAN_WAIT, agenda.now)
      startTimer(actor, atNs)
    }
    agenda.next = () => {
      const actor = next()
      if (actor >= 0) this.#end(actor, agenda.now)
      return actor
    }
    device.submit = (...request) => {
      const doneNs = submit(...request)
      this.#read(request[0], doneNs, request[1])
      return doneNs
    }
    carriers.faultPosted = (vcpu, page) => {
      this.#page[vcpu] = page
      this.#install[vcpu] = NO_INSTALL
      faultPosted(vcpu, page)
    }
    vcpus.wake = (vcpu, atNs) => {
      this.#install[vcpu] = this.#latest[this.#actor] ?? NO_INSTALL
      wake(vcpu, atNs)
    }
    vcpus.latency.record = latencyNs => {
      this.#fault(agenda.now, latencyNs)
      record(latencyNs)
    }
  }

  #begin(actor: number, kind: number, now: number): void {
    this.#kind[actor] = kind
    this.#since[actor] = now
  }

  #end(actor: number, now: number): void {
    this.#actor = actor
    this.#hasRead = false
    if (this.truncatedNs !== null) return
    const { spans } = this
    if (spans.length === MAX_SPANS) {
      this.truncatedNs = now
      return
    }
    const kind = this.#kind[actor]
    const startNs = this.#since[actor]
    const latest = this.#latest[actor]
    const { columns } = spans
    // Work goes on in many bursts.
    if (
      kind === SPAN_RUN &&
      latest !== undefined &&
      columns.kind[latest] === SPAN_RUN &&
      columns.endNs[latest] === startNs
    ) {
      columns.endNs[latest] = now
      return
    }
    const span = spans.add()
    columns.actor[span] = actor
    columns.kind[span] = kind
    columns.startNs[span] = startNs
    columns.endNs[span] = now
    this.#latest[actor] = span
  }

  /** The burst that has just ended was an install call. */
  #installed(operation: Operation, first: number, count: number): void {
    if (this.truncatedNs !== null) return
    const { spans } = this
    const { columns } = spans
    let span = this.#latest[this.#actor]
    // What was joined to the work before it is a span of its own.
    const startNs = this.#since[this.#actor]
    if (columns.startNs[span] < startNs) {
      const endNs = columns.endNs[span]
      columns.endNs[span] = startNs
      span = spans.add()
      columns.actor[span] = this.#actor
      columns.startNs[span] = startNs
      columns.endNs[span] = endNs
      this.#latest[this.#actor] = span
    }
    columns.kind[span] = SPAN_INSTALL
    columns.operation[span] = operation
    columns.first[span] = first
    columns.count[span] = count
  }

  #read(startNs: number, endNs: number, bytes: number): void {
    this.#hasRead = true
    // Storage that is shared may not know the end yet.
    if (this.truncatedNs !== null || !Number.isFinite(endNs)) return
    const read = this.reads.add()
    const { columns } = this.reads
    columns.actor[read] = this.#actor
    columns.bytes[read] = bytes
    columns.startNs[read] = startNs
    columns.endNs[read] = endNs
  }

  #fault(now: number, latencyNs: number): void {
    if (this.truncatedNs !== null) return
    const vcpu = this.#actor
    const fault = this.faults.add()
    const { columns } = this.faults
    columns.vcpu[fault] = vcpu
    columns.page[fault] = this.#page[vcpu] ?? NO_PAGE
    columns.startNs[fault] = now - latencyNs
    columns.endNs[fault] = now
    columns.install[fault] = this.#install[vcpu] ?? NO_INSTALL
    this.#page[vcpu] = NO_PAGE
    this.#install[vcpu] = NO_INSTALL
  }
}
