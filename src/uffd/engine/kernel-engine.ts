/**
 * The engines that measure: a restore of a snapshot file on this host's userfaultfd, by the same policies and resolver that
 * the simulator runs. Handlers, workers and vCPUs are threads; a vCPU is a thread that touches, or a KVM guest.
 */
import { readFileSync } from 'node:fs'
import { type Bitmap, setBits } from '../../core/bitmap.ts'
import { LatencyHistogram } from '../../core/latency-histogram.ts'
import { dataBytes, type Layout } from '../../destination/layout.ts'
import type { Engine, RestoreRequest } from '../../engine/engine.ts'
import { type RestoreMeasures, recordOf } from '../../engine/record.ts'
import type { EngineName, RestoreResult } from '../../engine/result.ts'
import type { Policy } from '../../policy/policy.ts'
import { createPolicy } from '../../policy/registry.ts'
import { type TemporaryWorkingSet, writeTemporaryWorkingSet } from '../../working-set/temporary.ts'
import type { WorkingSet, WorkingSetContents } from '../../working-set/working-set.ts'
import type { RecordedFaults } from '../../workload/fault-trace.ts'
import type { Workload } from '../../workload/workload.ts'
import { UFFD_FEATURE_EXACT_ADDRESS } from '../constants.ts'
import { DestinationMemory, verifyMemory } from './destination-memory.ts'
import { mergeFaults } from './fault-log.ts'
import { prepareFileCache } from './file-cache-state.ts'
import { type CarrierJob, detached } from './job.ts'
import { mergeResidency } from './residency.ts'
import { type RunOutcome, runRestore } from './restore-run.ts'
import { createSharedRestore, RestoreState, type SharedRestore } from './restore-state.ts'
import { distinctFiles, type SnapshotFiles, snapshotFiles } from './snapshot-files.ts'
import { ThreadPool } from './thread-pool.ts'
import { createGuestVcpus, createTouchers, type VcpuThreads, type VcpuThreadsRequest } from './vcpu-threads.ts'

/** Most faults of one handler that are recorded: 350 MB of columns. */
const MOST_RECORDED_FAULTS = 2 ** 24

export interface KernelEngineOptions {
  /** Longest time that a restore, with its workload, may take; 10 minutes when not given. */
  readonly limitMs?: number
  /** Compare the memory with an eager load after each restore. */
  readonly verify?: boolean
  /** Told what a reader of the results must know, such as that the page cache could not be emptied. */
  readonly onNote?: (note: string) => void
  /** Sees the memory after each restore, before it is unmapped. */
  readonly inspect?: (memory: DestinationMemory, installed: Bitmap) => Promise<void>
  /** Told after each restore by userfaultfd what its handlers were asked for; recording costs them 0.3 µs a fault. */
  readonly onFaults?: (faults: RecordedFaults) => void
}

/**
 * The engine on userfaultfd with threads that touch. A snapshot must be a file.
 * @throws LazyRestoreError `unsupported` at the first restore when the host has no userfaultfd
 */
export function createUffdEngine(options: KernelEngineOptions = {}): Engine {
  return new KernelEngine('uffd', createTouchers, options)
}

/**
 * The same with a KVM guest whose memory it is, and whose vCPUs execute the workload; see docs/kvm.md.
 * @throws LazyRestoreError `unsupported` at the first restore when no guest can run here
 */
export function createKvmEngine(options: KernelEngineOptions = {}): Engine {
  return new KernelEngine('kvm', createGuestVcpus, options)
}

/** What the carriers read. */
interface RestoreFiles {
  readonly snapshot: SnapshotFiles
  readonly workingSet: WorkingSetContents | null
}

class KernelEngine implements Engine {
  readonly name: EngineName
  readonly #createVcpus: (request: VcpuThreadsRequest) => VcpuThreads
  readonly #options: KernelEngineOptions
  readonly #limitMs: number
  readonly #pool = new ThreadPool()
  readonly #temporaryWorkingSets = new Map<WorkingSet, TemporaryWorkingSet>()
  /** How long a workload takes on resident memory, measured after its first restore. */
  readonly #residentWorkNs = new WeakMap<Workload, number>()

  constructor(
    name: EngineName,
    createVcpus: (request: VcpuThreadsRequest) => VcpuThreads,
    options: KernelEngineOptions,
  ) {
    this.name = name
    this.#createVcpus = createVcpus
    this.#options = options
    this.#limitMs = options.limitMs ?? 600_000
  }

  async restore(request: RestoreRequest): Promise<RestoreResult> {
    const { layout, workload, workingSet, storage } = request
    const files = {
      snapshot: snapshotFiles(layout.snapshot),
      workingSet: workingSet && (await this.#contents(layout, workingSet)),
    }
    const policy = createPolicy(request.policy, { layout, workingSet: workingSet?.pages ?? null })
    const storedBytes = layout.snapshot.blocks.reduce((sum, { setBits, pageSize }) => sum + setBits * pageSize, 0)
    await this.#prepareCache(distinctFiles(files.snapshot), layout.snapshot.name, storage.cacheWarm, storedBytes)
    if (files.workingSet !== null) {
      const { path, byteLength } = files.workingSet
      await this.#prepareCache([path], 'the working-set file', storage.cacheWarm, byteLength)
    }
    const memory = new DestinationMemory(layout)
    try {
      const before = deviceBytesRead()
      const { shared, outcome } = await this.#run(request, policy, memory, files)
      const deviceBytes = deviceBytesRead() - before
      const isRegistered = policy.mechanism.install === 'uffd'
      if (isRegistered) this.#reportFaults(shared, outcome)
      if (this.#options.verify) await verifyMemory(memory, isRegistered ? shared.installed : null)
      await this.#options.inspect?.(memory, shared.installed)
      memory.release()
      const residentWorkNs = await this.#measureResidentWork(memory, workload)
      return recordOf(this.name, request, measuresOf(layout, policy, shared, outcome, deviceBytes, residentWorkNs))
    } finally {
      memory.close()
    }
  }

  async #run(
    request: RestoreRequest,
    policy: Policy,
    memory: DestinationMemory,
    files: RestoreFiles,
  ): Promise<{ shared: SharedRestore; outcome: RunOutcome }> {
    const { layout, workload, fixedNs } = request
    const { install, workers } = policy.mechanism
    const isRecorded = this.#options.onFaults !== undefined
    if (install === 'uffd') memory.openUserfaultfd(isRecorded ? UFFD_FEATURE_EXACT_ADDRESS : 0)
    const hasBegin = policy.begin !== undefined && workers > 0
    const shared = createSharedRestore(layout.hostPageCount, hasBegin ? workers : 0, fixedNs)
    const limitMs = this.#limitMs
    const vcpus = this.#createVcpus({ memory, workload, install, shared, limitMs })
    // An access may have to ask twice.
    const recordFaults = isRecorded ? Math.min(MOST_RECORDED_FAULTS, 2 * workload.page.length) : 0
    const outcome = await runRestore({
      pool: this.#pool,
      memory,
      shared,
      ...carrierJobs(request, policy, memory, files, { shared, broken: vcpus.broken, limitMs, recordFaults }),
      vcpus,
      hasBegin,
      setUp: () => {
        if (install === 'uffd') memory.register()
        else if (install === 'map') memory.mapFiles(files.snapshot)
      },
      limitMs,
    })
    return { shared, outcome }
  }

  async close(): Promise<void> {
    void this.#pool.close()
    for (const file of this.#temporaryWorkingSets.values()) await file.close()
    this.#temporaryWorkingSets.clear()
  }

  #reportFaults(shared: SharedRestore, { carriers }: RunOutcome): void {
    const handlers = carriers.flatMap(({ faults }) => (faults === null ? [] : [faults]))
    const lost = handlers.reduce((sum, handler) => sum + handler.lost, 0)
    if (lost > 0) this.#options.onNote?.(`recording: ${lost} faults are not in it, for want of room`)
    this.#options.onFaults?.(mergeFaults(handlers, new RestoreState(shared).resumeNs))
  }

  /** Where the pages' contents are: in the file that was given, or in one that is written for it now. */
  async #contents(layout: Layout, workingSet: WorkingSet): Promise<WorkingSetContents> {
    if (workingSet.contents !== null) return workingSet.contents
    let file = this.#temporaryWorkingSets.get(workingSet)
    if (file === undefined) {
      file = await writeTemporaryWorkingSet(layout, workingSet.pages)
      this.#temporaryWorkingSets.set(workingSet, file)
    }
    return file.contents
  }

  async #prepareCache(paths: readonly string[], name: string, warm: boolean, storedBytes: number): Promise<void> {
    const note = await prepareFileCache(paths, name, warm, storedBytes)
    if (note !== null) this.#options.onNote?.(note)
  }

  /** The workload once more, on memory that has all that it touches. */
  async #measureResidentWork(memory: DestinationMemory, workload: Workload): Promise<number> {
    const known = this.#residentWorkNs.get(workload)
    if (known !== undefined) return known
    const limitMs = this.#limitMs
    const shared = createSharedRestore(memory.layout.hostPageCount, 0, 0)
    const { vcpus } = await runRestore({
      pool: this.#pool,
      memory,
      shared,
      handlers: [],
      workers: [],
      vcpus: this.#createVcpus({ memory, workload, install: 'load', shared, limitMs }),
      hasBegin: false,
      setUp: () => {},
      limitMs,
    })
    const tookNs = Math.max(...vcpus.map(({ endNs }) => endNs)) - new RestoreState(shared).resumeNs
    this.#residentWorkNs.set(workload, tookNs)
    return tookNs
  }
}

function carrierJobs(
  { layout, policy: spec, workingSet }: RestoreRequest,
  { mechanism }: Policy,
  memory: DestinationMemory,
  files: RestoreFiles,
  settings: Pick<CarrierJob, 'shared' | 'broken' | 'limitMs' | 'recordFaults'>,
): { handlers: CarrierJob[]; workers: CarrierJob[] } {
  const job: Omit<CarrierJob, 'role'> = {
    ...settings,
    layout: detached(layout),
    blockAddress: memory.map.blockAddress,
    policy: spec,
    workingSet: workingSet?.pages ?? null,
    descriptor: memory.descriptor,
    snapshotFiles: files.snapshot,
    workingSetContents: files.workingSet,
  }
  return {
    handlers: Array.from({ length: mechanism.handlers }, (_, index) => ({
      ...job,
      role: 'handler',
      cpu: index,
    })),
    workers: Array.from({ length: mechanism.workers }, () => ({ ...job, role: 'worker' })),
  }
}

function measuresOf(
  layout: Layout,
  policy: Policy,
  shared: SharedRestore,
  { carriers, vcpus }: RunOutcome,
  deviceBytes: number,
  residentWorkNs: number,
): RestoreMeasures {
  const { startNs, resumeNs } = new RestoreState(shared)
  const { faulted, installed } = shared
  const { install } = policy.mechanism
  const latency = new LatencyHistogram()
  for (const vcpu of vcpus) latency.merge(vcpu.latency)
  const sum = (of: (carrier: RunOutcome['carriers'][number]) => number) =>
    carriers.reduce((total, c) => total + of(c), 0)
  const firstAccesses = vcpus.flatMap(({ firstAccessNs }) => (firstAccessNs === null ? [] : [firstAccessNs - startNs]))
  const residentAtStart = install === 'load' ? layout.byteLength - dataBytes(layout) : 0
  const residency = mergeResidency(
    carriers.map(carrier => carrier.residency),
    startNs,
    residentAtStart,
  )
  const bytesInstalled = sum(c => c.bytesInstalled)
  const isResident = install !== 'map' && bytesInstalled + residentAtStart === layout.byteLength
  const resident = install === 'load' ? filled(layout.hostPageCount) : install === 'map' ? null : installed
  return {
    policy: policy.name,
    resumeNs: resumeNs - startNs,
    firstAccessNs: firstAccesses.length === 0 ? null : Math.min(...firstAccesses),
    workDoneNs: Math.max(resumeNs, ...vcpus.map(({ endNs }) => endNs)) - startNs,
    residentNs: isResident ? (residency.at(-1)?.timeNs ?? 0) : null,
    stallNs: vcpus.map(({ stallNs }) => stallNs),
    faults: latency.count,
    minorFaults: vcpus.reduce((total, { minorFaults }) => total + minorFaults, 0),
    pagesInstalled: [0, 1, 2].map(op => sum(c => c.pagesInstalled[op])),
    eexist: sum(c => c.eexist),
    eagain: sum(c => c.eagain),
    errors: sum(c => c.errors),
    latency,
    bytesRead: install === 'map' ? deviceBytes : sum(c => c.bytesRead),
    deviceBytesRead: deviceBytes,
    bytesInstalled,
    residency,
    resident,
    faulted: faulted.slice(),
    residentWorkNs,
  }
}

function filled(bits: number): Bitmap {
  const bitmap = new Uint32Array(Math.ceil(bits / 32))
  setBits(bitmap, 0, bits)
  return bitmap
}

/** Bytes that this process had read from storage devices (proc_pid_io(5)); 0 where it may not be asked. */
function deviceBytesRead(): number {
  try {
    return Number(/^read_bytes: (\d+)$/m.exec(readFileSync('/proc/self/io', 'latin1'))?.[1] ?? 0)
  } catch {
    return 0
  }
}
