/**
 * The engine that restores a stock QEMU: each restore starts one as the destination, restores it by its own load or by this
 * side's stream, waits for the sign that its work is done, and ends it. docs/qemu.md says what each figure is.
 */
import { createBitmap, setBits, testBit } from '../../core/bitmap.ts'
import { LazyRestoreError } from '../../core/error.ts'
import { LatencyHistogram } from '../../core/latency-histogram.ts'
import { parseSpec } from '../../core/spec-string.ts'
import { dataBytes, type Layout } from '../../destination/layout.ts'
import type { Engine, RestoreRequest } from '../../engine/engine.ts'
import { type RestoreMeasures, recordOf } from '../../engine/record.ts'
import type { RestoreResult } from '../../engine/result.ts'
import { createPolicy, usesWorkingSet } from '../../policy/registry.ts'
import { operationOf } from '../../resolver/resolver.ts'
import { openWorkingSet, type WorkingSetFile } from '../../working-set/open.ts'
import { type TemporaryWorkingSet, writeTemporaryWorkingSet } from '../../working-set/temporary.ts'
import type { WorkingSet } from '../../working-set/working-set.ts'
import { faultTrace, type RecordedFaults } from '../../workload/fault-trace.ts'
import { memoryOfSnapshot } from '../../workload/memory.ts'
import type { Workload } from '../../workload/workload.ts'
import { type LazyRun, type OwnRun, QemuRun } from './qemu-run.ts'
import { missingInCommand, type WorkSign } from './work-sign.ts'

const LIMIT_MS = 600_000
const RECORDING_POLICY = 'lazy'
const RESIDENT_POLICY = 'eager'

export interface QemuEngineOptions {
  /** QEMU and its arguments, with the devices of the saved VM; without those for QMP and the migration. See {@link Vm}. */
  readonly command: readonly string[]
  /** What shows that the work is done. */
  readonly until: WorkSign
  /** What the VM is told when it runs; null: nothing. */
  readonly send: string | null
  /** Requested pages go on a connection of their own. */
  readonly preempt: boolean
  /** Puts a file's page cache into a state; returns what could not be had, or null. */
  prepareCache(path: string, name: string, warm: boolean, storedBytes: number): Promise<string | null>
  /** Told what a reader of the results must know. */
  readonly onNote?: (note: string) => void
  /** Longest time of one restore with its work; 10 minutes when not given. */
  readonly limitMs?: number
}

export interface QemuEngine extends Engine {
  /**
   * Restores twice, warm: without prefetch, for the pages that the work wants, in order; and with all memory sent before the VM
   * runs, for the time that the work takes then. Of the first come the workload's pages, of both its times.
   */
  recordWork(layout: Layout): Promise<Workload>
}

/** @throws LazyRestoreError `usage` when the command line lacks what the sign needs */
export function createQemuEngine(options: QemuEngineOptions): QemuEngine {
  const { command, until, send } = options
  const missing = missingInCommand(until, send, command)
  if (missing !== null) {
    throw new LazyRestoreError('usage', `QEMU's command line: found nothing to see the work by, expected ${missing}`)
  }
  return new StockQemu(options)
}

class StockQemu implements QemuEngine {
  readonly name = 'qemu'
  readonly #options: QemuEngineOptions
  readonly #run: QemuRun
  /** How long the work takes on memory that is all there; 0: not known. */
  #residentWorkNs = 0
  readonly #temporaryWorkingSets = new Map<WorkingSet, TemporaryWorkingSet>()

  constructor(options: QemuEngineOptions) {
    this.#options = options
    this.#run = new QemuRun({
      ...options,
      limitMs: options.limitMs ?? LIMIT_MS,
      onNote: note => options.onNote?.(note),
    })
  }

  async restore(request: RestoreRequest): Promise<RestoreResult> {
    const { layout, storage } = request
    const workingSet = usesWorkingSet(request.policy) ? request.workingSet : null
    const contents = workingSet === null ? null : await this.#contents(layout, workingSet)
    try {
      const done = await this.#run.restore({
        layout,
        policy: request.policy,
        workingSet: contents === null ? null : { pages: contents.pages, readContents: contents.read },
        prepare: async () => {
          await this.#prepareCache(layout.snapshot.name, layout.snapshot.name, storage.cacheWarm, dataBytes(layout))
          if (contents === null) return
          const { path, byteLength } = contents.contents
          await this.#prepareCache(path, 'the working-set file', storage.cacheWarm, byteLength)
        },
      })
      const measures: QemuMeasures = done.kind === 'own' ? measuresOfOwn(request, done) : measuresOfLazy(request, done)
      const residentWorkNs = this.#residentWorkNs
      const record = recordOf(this.name, { ...request, fixedNs: 0 }, { ...measures, residentWorkNs })
      const dist = done.kind === 'own' ? null : (done.blocktime?.dist ?? null)
      return dist === null ? record : { ...record, blocktimeDist: dist }
    } finally {
      await contents?.close()
    }
  }

  async recordWork(layout: Layout): Promise<Workload> {
    const restoreWarm = (policy: string): Promise<OwnRun | LazyRun> =>
      this.#run.restore({
        layout,
        policy: parseSpec(policy),
        workingSet: null,
        prepare: () => this.#prepareCache(layout.snapshot.name, layout.snapshot.name, true, dataBytes(layout)),
      })
    const done = await restoreWarm(RECORDING_POLICY)
    if (done.kind === 'own') throw new LazyRestoreError('unsupported', 'recording: found no requests, expected some')
    const faults = askedBefore(done.faults, done.times.workDoneNs - done.times.resumeNs)
    if (faults.page.length === 0) {
      throw new LazyRestoreError(
        'mismatch',
        'recording: found no page that the VM asked for before its work was done; is the sign there from the start?',
      )
    }
    const { times } = await restoreWarm(RESIDENT_POLICY)
    this.#residentWorkNs = times.workDoneNs - times.resumeNs
    const name = 'what QEMU asked for until the work was done'
    return lasting(faultTrace(faults, memoryOfSnapshot(layout.snapshot), name, null), this.#residentWorkNs)
  }

  async close(): Promise<void> {
    this.#run.close()
    for (const file of this.#temporaryWorkingSets.values()) await file.close()
    this.#temporaryWorkingSets.clear()
  }

  /** The file that was given, or one that is written for it now, opened for one restore. */
  async #contents(layout: Layout, workingSet: WorkingSet): Promise<WorkingSetFile> {
    if (workingSet.contents !== null) return openWorkingSet(workingSet.contents.path)
    let file = this.#temporaryWorkingSets.get(workingSet)
    if (file === undefined) {
      file = await writeTemporaryWorkingSet(layout, workingSet.pages)
      this.#temporaryWorkingSets.set(workingSet, file)
    }
    return openWorkingSet(file.contents.path)
  }

  async #prepareCache(path: string, name: string, warm: boolean, storedBytes: number): Promise<void> {
    const note = await this.#options.prepareCache(path, name, warm, storedBytes)
    if (note !== null) this.#options.onNote?.(note)
  }
}

/** Those that were asked for within so long from the moment at which the VM ran. */
function askedBefore({ page, isWrite, askedNs, answeredNs }: RecordedFaults, endNs: number): RecordedFaults {
  const past = askedNs.findIndex(ns => ns > endNs)
  const end = past < 0 ? page.length : past
  return {
    page: page.subarray(0, end),
    isWrite: isWrite.subarray(0, end),
    askedNs: askedNs.subarray(0, end),
    answeredNs: answeredNs.subarray(0, end),
  }
}

/**
 * The workload with its times in proportion, so that all of them make `workNs`: between two requests QEMU also installs the page
 * and wakes the vCPU, which is no work of the guest's.
 */
function lasting(workload: Workload, workNs: number): Workload {
  const sumNs = workload.thinkNs.reduce((sum, ns) => sum + ns, 0)
  if (sumNs <= workNs) return workload
  return { ...workload, thinkNs: workload.thinkNs.map(ns => Math.round((ns * workNs) / sumNs)) }
}

/** Nothing is asked for; what QEMU's load brings and when is not told. */
function measuresOfOwn({ layout }: RestoreRequest, { policy, times, io }: OwnRun): QemuMeasures {
  const all = createBitmap(layout.hostPageCount)
  setBits(all, 0, layout.hostPageCount)
  const bytes = dataBytes(layout)
  return {
    ...NOTHING,
    policy,
    resumeNs: times.resumeNs,
    workDoneNs: times.workDoneNs,
    residentNs: times.resumeNs,
    pagesInstalled: pagesByOperation(layout, page => testBit(layout.hasData, page)),
    bytesRead: io.bytesRead,
    deviceBytesRead: io.deviceBytesRead,
    bytesInstalled: bytes,
    residency: [
      { timeNs: 0, bytes: layout.byteLength - bytes },
      { timeNs: times.resumeNs, bytes: layout.byteLength },
    ],
    resident: all,
    faulted: createBitmap(layout.hostPageCount),
  }
}

function measuresOfLazy({ layout, ...request }: RestoreRequest, done: LazyRun): QemuMeasures {
  const { times, record, ledger, io, blocktime } = done
  const policy = createPolicy(request.policy, { layout, workingSet: request.workingSet?.pages ?? null })
  const isFilled = policy.next !== undefined || policy.begin !== undefined
  return {
    ...NOTHING,
    policy: record.policy,
    resumeNs: times.resumeNs,
    workDoneNs: times.workDoneNs,
    // What a policy without a fill leaves is sent so that the migration ends; that is not the policy's doing.
    residentNs: isFilled ? times.completeNs : null,
    stallNs: blocktime?.perVcpuNs ?? [],
    faults: record.requests,
    pagesInstalled: pagesByOperation(layout, page => testBit(ledger.sent, page)),
    latency: ledger.log.latency,
    bytesRead: record.bytesRead,
    deviceBytesRead: io.deviceBytesRead,
    bytesInstalled: (record.pages.data + record.pages.zero) * layout.blocks[0].block.pageSize,
    residency: ledger.residency.points().map(([ns, bytes]) => ({ timeNs: ns - done.startNs, bytes })),
    resident: ledger.sent,
    faulted: ledger.asked,
  }
}

type QemuMeasures = Omit<RestoreMeasures, 'residentWorkNs'>

const NOTHING = {
  firstAccessNs: null,
  residentNs: null,
  stallNs: [],
  faults: 0,
  minorFaults: 0,
  eexist: 0,
  eagain: 0,
  errors: 0,
  latency: new LatencyHistogram(),
}

/** Counts of the host pages that are chosen, by what the destination does with them. */
function pagesByOperation(layout: Layout, isChosen: (hostPage: number) => boolean): number[] {
  const counts = [0, 0, 0]
  for (const block of layout.blocks) {
    for (let page = block.firstHostPage; page < block.endHostPage; page++) {
      if (isChosen(page)) counts[operationOf(layout, page, block)]++
    }
  }
  return counts
}
