/** What a handler's or worker's thread does in one restore: opens the files, makes its carrier, and runs it to the end. */
import type { LatencyRecords } from '../../core/latency-histogram.ts'
import type { Spec } from '../../core/spec-string.ts'
import { MIB } from '../../core/units.ts'
import { FaultFeed } from '../../policy/policy-host.ts'
import { createPolicy } from '../../policy/registry.ts'
import { CallChain } from '../call-chain.ts'
import { MemoryRegion } from '../memory-region.ts'
import { libc } from '../native.ts'
import { Userfaultfd } from '../userfaultfd.ts'
import { AddressMap } from './address-map.ts'
import { ANSWER_ROWS, AnswerChain } from './answer-chain.ts'
import type { Carrier, CarrierSetup, Scratch } from './carrier.ts'
import { monotonicNs } from './clock.ts'
import { FaultLog, type HandlerFaults } from './fault-log.ts'
import { FaultMeter } from './fault-meter.ts'
import { Handler } from './handler.ts'
import { foreignHost, ownHost } from './install-host.ts'
import type { CarrierJob } from './job.ts'
import { FileReader, type PageReader } from './page-reader.ts'
import { isAlone, PHASE_BEGIN, PHASE_RUN, PHASE_STOP, RestoreState } from './restore-state.ts'
import { claimsFor } from './shared-claims.ts'
import { openSnapshotFiles } from './snapshot-files.ts'
import { HANDLER_SLICE_NS, withTimeSlice } from './time-slice.ts'
import { Worker } from './worker.ts'

const POLL_MS = 20
/** A VMM is served for as long as it lives, and there may be many. */
const FOREIGN_POLL_MS = 100
/** What is done with the rest when a VMM is to be left to itself. */
const DRAIN_POLICY: Spec = { name: 'lazy-sweep', positional: null, options: {} }
const SMALL_PAGE = 4096
const MADV_POPULATE_READ = 22
const MADV_POPULATE_WRITE = 23

export interface CarrierOutcome {
  readonly pagesInstalled: readonly number[]
  readonly bytesRead: number
  readonly bytesInstalled: number
  /** Fault messages that a handler has read. */
  readonly messages: number
  readonly eexist: number
  readonly eagain: number
  readonly errors: number
  readonly failure: string | null
  /** (CLOCK_MONOTONIC ns, bytes installed by all threads). */
  readonly residency: readonly (readonly [number, number])[]
  /** What a handler has recorded; null when it was not to. */
  readonly faults: HandlerFaults | null
  /** From a message to its answer, ns; null but for handlers of another process's memory. */
  readonly answers: LatencyRecords | null
}

/** Bounce buffer, zeros and a chain of calls, kept by a thread from restore to restore so that they stay resident. */
export class ThreadScratch {
  #bounce: MemoryRegion | null = null
  #zeros: MemoryRegion | null = null
  #calls: CallChain | null = null

  get calls(): CallChain {
    this.#calls ??= new CallChain(ANSWER_ROWS)
    return this.#calls
  }

  atLeast(bounceBytes: number, zeroBytes: number): Scratch {
    this.#bounce = grown(this.#bounce, bounceBytes)
    this.#zeros = grown(this.#zeros, zeroBytes)
    const bytes = this.#bounce.view(0, bounceBytes)
    // Touched now, so that no restore pays for it. Kernels before 5.14 cannot, and touch later.
    libc().madvise(this.#bounce.address, bounceBytes, MADV_POPULATE_WRITE)
    libc().madvise(this.#zeros.address, zeroBytes, MADV_POPULATE_READ)
    return { address: this.#bounce.address, bytes, zeroAddress: this.#zeros.address }
  }

  close(): void {
    this.#bounce?.close()
    this.#zeros?.close()
    this.#calls?.close()
  }
}

function grown(region: MemoryRegion | null, byteLength: number): MemoryRegion {
  if (region !== null && region.byteLength >= byteLength) return region
  region?.close()
  return new MemoryRegion({ kind: 'anon', hostPageSize: SMALL_PAGE, byteLength })
}

/**
 * @param onReady all is prepared; the thread waits for its phase
 * @param onFailure told at once of the first page that cannot be restored
 */
export function runCarrier(
  job: CarrierJob,
  scratch: ThreadScratch,
  onReady: () => void,
  onFailure: (reason: string) => void,
): CarrierOutcome {
  const { layout, workingSet, owner = null } = job
  const policy = createPolicy(job.policy, { layout, workingSet })
  const state = new RestoreState(job.shared, isAlone(policy.mechanism))
  policy.start?.({ nowNs: monotonicNs, faults: new FaultFeed(job.shared.faultFeed) })
  const { direct, workingSetDirect, readBytes, workingSetReadBytes } = policy.mechanism
  const channel = job.descriptor < 0 ? null : Userfaultfd.fromDescriptor(job.descriptor)
  const largestPage = Math.max(...layout.blocks.map(({ hostPageSize }) => hostPageSize))
  const snapshot = openSnapshotFiles(job.snapshotFiles, direct)
  let workingSetReader: FileReader | null = null
  try {
    const contents = job.workingSetContents
    if (contents !== null) workingSetReader = new FileReader(contents.path, workingSetDirect, contents.offset)
    const setup: CarrierSetup = {
      policy,
      map: new AddressMap(layout, job.blockAddress),
      state,
      claims: claimsFor(policy.mechanism, layout.hostPageCount, job.shared.claimed),
      channel,
      host: owner === null ? ownHost() : foreignHost(owner.pid),
      snapshot,
      workingSet: workingSetReader,
      scratch: scratch.atLeast(
        bounceBytes(readBytes, Math.min(workingSetReadBytes, contents?.byteLength ?? 0), largestPage),
        largestPage,
      ),
      broken: job.broken,
      events: owner?.events ?? false,
      answers: answersOf(job, scratch, channel, snapshot),
      ...(owner === null ? {} : { eventLimitMs: Number.POSITIVE_INFINITY }),
      onFailure,
    }
    if (job.role === 'worker') return runWorker(setup, job.limitMs, onReady)
    const log = job.recordFaults ? new FaultLog(setup.map, job.recordFaults) : null
    if (owner !== null) return runForeignHandler(setup, log, onReady)
    return runHandler(setup, new Handler(setup, channel!, log), log, onReady)
  } finally {
    snapshot.close()
    workingSetReader?.close()
  }
}

/** Those of a handler of memory without events: reading one and what follows from it must not be torn apart. */
function answersOf(
  { role, owner = null }: CarrierJob,
  scratch: ThreadScratch,
  channel: Userfaultfd | null,
  snapshot: PageReader,
): AnswerChain | null {
  if (role !== 'handler' || channel === null || owner?.events) return null
  return new AnswerChain(scratch.calls, channel, snapshot)
}

/** Room for the largest read, in whole pages, and at least for one host page. */
function bounceBytes(readBytes: number, workingSetReadBytes: number, largestPage: number): number {
  const bytes = Math.max(readBytes, workingSetReadBytes, largestPage, MIB)
  return Math.ceil(bytes / SMALL_PAGE) * SMALL_PAGE
}

function runHandler(setup: CarrierSetup, handler: Handler, log: FaultLog | null, onReady: () => void): CarrierOutcome {
  // A worker computes; beside vCPUs alone, which wait for what the handler does, a short slice costs more than it gives.
  withTimeSlice(setup.policy.mechanism.workers > 0 ? HANDLER_SLICE_NS : undefined, () => {
    onReady()
    while (setup.state.phase < PHASE_STOP) handler.step(POLL_MS)
    handler.finish()
  })
  return outcomeOf(handler.carrier, handler.messages, log?.faults ?? null)
}

/** Answers faults in another process's memory, and installs the rest when it is asked to. */
function runForeignHandler(setup: CarrierSetup, log: FaultLog | null, onReady: () => void): CarrierOutcome {
  const { state, map } = setup
  const meter = new FaultMeter(log)
  const handler = new Handler(setup, setup.channel!, meter)
  const sweep = createPolicy(DRAIN_POLICY, { layout: map.layout, workingSet: null })
  const rest = new Worker({ ...setup, policy: sweep, answers: null }, () => handler.readEvent())
  let isDrained = false
  withTimeSlice(HANDLER_SLICE_NS, () => {
    onReady()
    while (state.phase < PHASE_STOP) {
      const drains = !isDrained && state.draining && state.phase === PHASE_RUN
      handler.step(drains ? 0 : FOREIGN_POLL_MS)
      if (drains) isDrained = !rest.step()
    }
  })
  const answered = outcomeOf(handler.carrier, handler.messages, log?.faults ?? null, meter.latency.records)
  return together(answered, outcomeOf(rest.carrier, 0, null))
}

/** What two carriers of one thread have done. */
function together(a: CarrierOutcome, b: CarrierOutcome): CarrierOutcome {
  return {
    ...a,
    pagesInstalled: a.pagesInstalled.map((pages, op) => pages + b.pagesInstalled[op]),
    bytesRead: a.bytesRead + b.bytesRead,
    bytesInstalled: a.bytesInstalled + b.bytesInstalled,
    eexist: a.eexist + b.eexist,
    eagain: a.eagain + b.eagain,
    errors: a.errors + b.errors,
    failure: a.failure ?? b.failure,
  }
}

function runWorker(setup: CarrierSetup, limitMs: number, onReady: () => void): CarrierOutcome {
  const { state, policy } = setup
  const worker = new Worker(setup)
  onReady()
  if (state.await(PHASE_BEGIN, limitMs) && policy.begin !== undefined) {
    worker.begin()
    state.beginnerDone()
  }
  if (state.await(PHASE_RUN, limitMs)) worker.fill()
  return outcomeOf(worker.carrier, 0, null)
}

function outcomeOf(
  carrier: Carrier,
  messages: number,
  faults: HandlerFaults | null,
  answers: LatencyRecords | null = null,
): CarrierOutcome {
  const { pagesInstalled, bytesRead, bytesInstalled, errors, failure, installer, residency } = carrier
  return {
    pagesInstalled,
    bytesRead,
    bytesInstalled,
    messages,
    eexist: installer?.eexist ?? 0,
    eagain: installer?.eagain ?? 0,
    errors,
    failure,
    residency: residency.points(),
    faults,
    answers,
  }
}
