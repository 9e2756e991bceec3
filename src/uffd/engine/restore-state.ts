/**
 * What the threads of one restore share: the phase it is in, the bitmaps of host pages, and a few counters. Plain data over
 * SharedArrayBuffers, posted to each thread, which wraps it in a RestoreState of its own.
 *
 * Phases: PREPARE (threads get ready) → BEGIN (what must be resident before vCPUs run) → RUN (vCPUs run, handlers answer,
 * workers fill) → STOP. They only go forward; every wait for one has a limit.
 */
import { type Bitmap, setBit, setBits } from '../../core/bitmap.ts'
import { createSharedBitmap, setSharedBits } from '../../core/shared-bitmap.ts'
import type { Mechanism } from '../../policy/policy.ts'
import { FAULT_FEED_WORDS } from '../../policy/policy-host.ts'
import { monotonicNs } from './clock.ts'

export const PHASE_PREPARE = 0
export const PHASE_BEGIN = 1
export const PHASE_RUN = 2
export const PHASE_STOP = 3
export type Phase = typeof PHASE_PREPARE | typeof PHASE_BEGIN | typeof PHASE_RUN | typeof PHASE_STOP

/** Words of `control`. */
const PHASE = 0
const BEGINNERS_LEFT = 1
const FAULTS_OPEN = 2
const PAGES_INSTALLED = 3
const FAILED = 4
const EVENT_LOCK = 5
const DRAIN = 6
const CONTROL_WORDS = 7

/** Words of `times`. */
const START = 0
const RESUME = 1
const TIME_WORDS = 2

const WAIT_MS = 100

/** What is posted to the threads. */
export interface SharedRestore {
  readonly control: Int32Array
  readonly times: Float64Array
  /** By host page: somebody installs it, or has; it is in memory; a vCPU waited for it; its content is void (REMOVE). */
  readonly claimed: Bitmap
  readonly installed: Bitmap
  readonly faulted: Bitmap
  readonly removed: Bitmap
  /** What the policies of the threads tell each other. */
  readonly faultFeed: Int32Array
  readonly fixedNs: number
}

/** @param beginners workers that must finish `begin` before vCPUs run */
export function createSharedRestore(hostPages: number, beginners: number, fixedNs: number): SharedRestore {
  const control = new Int32Array(new SharedArrayBuffer(CONTROL_WORDS * 4))
  control[BEGINNERS_LEFT] = beginners
  return {
    control,
    times: new Float64Array(new SharedArrayBuffer(TIME_WORDS * 8)),
    claimed: createSharedBitmap(hostPages),
    installed: createSharedBitmap(hostPages),
    faulted: createSharedBitmap(hostPages),
    removed: createSharedBitmap(hostPages),
    faultFeed: new Int32Array(new SharedArrayBuffer(FAULT_FEED_WORDS * 4)),
    fixedNs,
  }
}

/** Of a mechanism with one carrier no other thread changes the bitmaps: it can do without atomic changes, which wait for the memory that the kernel has just written. */
export function isAlone({ handlers, workers }: Mechanism): boolean {
  return handlers + workers === 1
}

export class RestoreState {
  readonly shared: SharedRestore
  readonly #control: Int32Array
  readonly #alone: boolean

  /** @param alone no other thread changes the bitmaps */
  constructor(shared: SharedRestore, alone = false) {
    this.shared = shared
    this.#control = shared.control
    this.#alone = alone
  }

  /** As it was a moment ago: a plain read, as it is looked at with every access and every message. */
  get phase(): Phase {
    return this.#control[PHASE] as Phase
  }

  enter(phase: Phase): void {
    Atomics.store(this.#control, PHASE, phase)
    Atomics.notify(this.#control, PHASE)
  }

  /** Sleeps until the phase is reached or passed, at most `limitMs`; false when it was not. */
  await(phase: Phase, limitMs: number): boolean {
    const deadline = monotonicNs() + limitMs * 1e6
    for (let now = this.phase; now < phase; now = this.phase) {
      if (monotonicNs() > deadline) return false
      Atomics.wait(this.#control, PHASE, now, WAIT_MS)
    }
    return true
  }

  /** The moment that all times count from, and the moment at which vCPUs could run: CLOCK_MONOTONIC. */
  get startNs(): number {
    return this.shared.times[START]
  }

  get resumeNs(): number {
    return this.shared.times[RESUME]
  }

  /** The restore is asked for now. */
  start(): void {
    this.shared.times[START] = monotonicNs()
  }

  /** One worker has nothing left to do before vCPUs run; the last one lets them run. */
  beginnerDone(): void {
    if (Atomics.sub(this.#control, BEGINNERS_LEFT, 1) === 1) this.resume()
  }

  /** vCPUs may run once the fixed part of the resume has passed. */
  resume(): void {
    sleepNs(this.shared.fixedNs)
    this.shared.times[RESUME] = monotonicNs()
    if (this.phase === PHASE_BEGIN) this.enter(PHASE_RUN)
  }

  /** Faults that were read and whose install has not begun. */
  get faultsOpen(): number {
    return Atomics.load(this.#control, FAULTS_OPEN)
  }

  addFaults(count: number): void {
    Atomics.add(this.#control, FAULTS_OPEN, count)
  }

  faultClosed(): void {
    Atomics.sub(this.#control, FAULTS_OPEN, 1)
  }

  /** Host pages `[first, first + count)` are in memory; returns how many 4 KiB pages there are now, over all threads. */
  installed(first: number, count: number, smallPages: number): number {
    if (this.#alone) {
      setBits(this.shared.installed, first, count)
      this.#control[PAGES_INSTALLED] += smallPages
      return this.#control[PAGES_INSTALLED]
    }
    setSharedBits(this.shared.installed, first, count)
    return Atomics.add(this.#control, PAGES_INSTALLED, smallPages) + smallPages
  }

  /** A vCPU has asked for the host page. */
  faulted(hostPage: number): void {
    if (this.#alone) setBit(this.shared.faulted, hostPage)
    else setSharedBits(this.shared.faulted, hostPage, 1)
  }

  /** Something cannot be restored: whoever waits goes on and must look here before it uses what it got. */
  fail(): void {
    Atomics.store(this.#control, FAILED, 1)
  }

  /** All that is left is to be installed, whatever the policy says: who answers faults does it between them. */
  drain(): void {
    Atomics.store(this.#control, DRAIN, 1)
  }

  get draining(): boolean {
    return Atomics.load(this.#control, DRAIN) === 1
  }

  /** A plain read too: who wakes from a fault that failed comes from the kernel, behind the store. */
  get failed(): boolean {
    return this.#control[FAILED] === 1
  }

  /**
   * Between reading a REMOVE event and marking its pages, nobody may install: the kernel lets COPY through as soon as the
   * event is read. Spins, because it is held for a few µs and hardly ever contended. At most `limitMs`; false when not had.
   */
  lockEvents(limitMs: number): boolean {
    if (Atomics.compareExchange(this.#control, EVENT_LOCK, 0, 1) === 0) return true
    const deadline = monotonicNs() + limitMs * 1e6
    while (Atomics.compareExchange(this.#control, EVENT_LOCK, 0, 1) !== 0) {
      if (monotonicNs() > deadline) return false
    }
    return true
  }

  unlockEvents(): void {
    Atomics.store(this.#control, EVENT_LOCK, 0)
  }
}

const sleeper = new Int32Array(new SharedArrayBuffer(4))

/** Sleeps; the kernel adds some 50 µs. */
export function sleepNs(ns: number): void {
  if (ns > 0) Atomics.wait(sleeper, 0, 0, ns / 1e6)
}
