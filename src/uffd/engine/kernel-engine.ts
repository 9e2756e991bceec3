/**
 * The engines that measure: a restore of a snapshot file on this host's userfaultfd, by the same policies and resolver that
 * the simulator runs. Handlers, workers and vCPUs are threads; a vCPU is a thread that touches, or a KVM guest.
 */
import { readFileSync } from 'node:fs'
import { type Bitmap, setBits } from '../../core/bitmap.ts'
import { LazyRestoreError } from '../../core/error.ts'
import { LatencyHistogram } from '../../core/latency-histogram.ts'
import { dataBytes, hostPagesOf, type Layout } from '../../destination/layout.ts'
import type { Engine, RestoreRequest } from '../../engine/engine.ts'
import { type RestoreMeasures, recordOf } from '../../engine/record.ts'
import type { ResidencyPoint, RestoreResult } from '../../engine/result.ts'
import { loadMechanism } from '../../policy/mechanisms.ts'
import type { Policy } from '../../policy/policy.ts'
import { createPolicy } from '../../policy/registry.ts'
import { FileSource } from '../../snapshot/file-source.ts'
import type { Workload } from '../../workload/workload.ts'
import { DestinationMemory, verifyMemory } from './destination-memory.ts'
import { prepareFileCache } from './file-cache-state.ts'
import { type CarrierJob, detached, type VcpuJob } from './job.ts'
import { type RunOutcome, runRestore } from './restore-run.ts'
import { createSharedRestore, RestoreState, type SharedRestore } from './restore-state.ts'
import { ThreadPool } from './thread-pool.ts'
import { type WorkingSetFile, writeWorkingSetFile } from './working-set-file.ts'

const RESIDENCY_POINTS = 512

export interface KernelEngineOptions {
  /** Longest time that a restore, with its workload, may take; 10 minutes when not given. */
  readonly limitMs?: number
  /** Compare the memory with an eager load after each restore. */
  readonly verify?: boolean
  /** Told what a reader of the results must know, such as that the page cache could not be emptied. */
  readonly onNote?: (note: string) => void
  /** Sees the memory after each restore, before it is unmapped. */
  readonly inspect?: (memory: DestinationMemory, installed: Bitmap) => Promise<void>
}

/**
 * The engine on userfaultfd with threads that touch. A snapshot must be a file.
 * @throws LazyRestoreError `unsupported` at the first restore when the host has no userfaultfd
 */
export function createUffdEngine(options: KernelEngineOptions = {}): Engine {
  return new KernelEngine(options)
}

class KernelEngine implements Engine {
  readonly name = 'uffd'
  readonly #options: KernelEngineOptions
  readonly #limitMs: number
  readonly #pool = new ThreadPool()
  readonly #workingSetFiles = new Map<Uint32Array, WorkingSetFile>()
  /** How long a workload takes on resident memory, measured after its first restore. */
  readonly #residentWorkNs = new WeakMap<Workload, number>()

  constructor(options: KernelEngineOptions) {
    this.#options = options
    this.#limitMs = options.limitMs ?? 600_000
  }

  async restore(request: RestoreRequest): Promise<RestoreResult> {
    const { layout, workload, fixedNs, workingSet, storage } = request
    const path = snapshotPath(layout)
    const policy = createPolicy(request.policy, { layout, workingSet })
    const workingSetFile = workingSet === null ? null : await this.#workingSetFile(layout, workingSet)
    await this.#prepareCache(
      path,
      storage.cacheWarm,
      layout.snapshot.blocks.reduce((sum, b) => sum + b.setBits * b.pageSize, 0),
    )
    if (workingSetFile !== null) {
      await this.#prepareCache(workingSetFile.path, storage.cacheWarm, workingSetFile.byteLength)
    }
    const memory = new DestinationMemory(layout)
    let unmap = true
    try {
      const { install, workers } = policy.mechanism
      if (install === 'uffd') memory.openUserfaultfd()
      const hasBegin = policy.begin !== undefined && workers > 0
      const shared = createSharedRestore(layout.hostPageCount, hasBegin ? workers : 0, fixedNs)
      const before = deviceBytesRead()
      const outcome = await runRestore({
        pool: this.#pool,
        memory,
        shared,
        ...this.#carrierJobs(request, policy, memory, shared, path, workingSetFile?.path ?? null),
        vcpus: vcpuJobs(memory, workload, policy, shared, this.#limitMs),
        hasBegin,
        setUp: () => {
          if (install === 'uffd') memory.register()
          else if (install === 'map') memory.mapFile(path)
        },
        limitMs: this.#limitMs,
      })
      const deviceBytes = deviceBytesRead() - before
      if (this.#options.verify) await verifyMemory(memory, install === 'uffd' ? shared.installed : null)
      await this.#options.inspect?.(memory, shared.installed)
      memory.release()
      const residentWorkNs = await this.#measureResidentWork(memory, workload)
      return recordOf(this.name, request, measuresOf(layout, policy, shared, outcome, deviceBytes, residentWorkNs))
    } catch (error) {
      // A thread that does not end may still touch it.
      unmap = !(error instanceof LazyRestoreError && error.code === 'limit')
      throw error
    } finally {
      if (unmap) memory.close()
    }
  }

  async close(): Promise<void> {
    this.#pool.close()
    for (const file of this.#workingSetFiles.values()) await file.remove()
    this.#workingSetFiles.clear()
  }

  async #workingSetFile(layout: Layout, pages: Uint32Array): Promise<WorkingSetFile> {
    const known = this.#workingSetFiles.get(pages)
    if (known !== undefined) return known
    const file = await writeWorkingSetFile(layout, pages)
    this.#workingSetFiles.set(pages, file)
    return file
  }

  async #prepareCache(path: string, warm: boolean, storedBytes: number): Promise<void> {
    const note = await prepareFileCache(path, warm, storedBytes)
    if (note !== null) this.#options.onNote?.(note)
  }

  #carrierJobs(
    request: RestoreRequest,
    policy: Policy,
    memory: DestinationMemory,
    shared: SharedRestore,
    snapshotFile: string,
    workingSetFile: string | null,
  ): { handlers: CarrierJob[]; workers: CarrierJob[] } {
    const { handlers, workers } = policy.mechanism
    const job: Omit<CarrierJob, 'role'> = {
      shared,
      layout: detached(request.layout),
      blockAddress: memory.map.blockAddress,
      policy: request.policy,
      workingSet: request.workingSet,
      descriptor: memory.descriptor,
      snapshotFile,
      workingSetFile,
      broken: 'zero',
      limitMs: this.#limitMs,
    }
    return {
      handlers: Array.from({ length: handlers }, () => ({ ...job, role: 'handler' })),
      workers: Array.from({ length: workers }, () => ({ ...job, role: 'worker' })),
    }
  }

  /** The workload once more, on memory that has all that it touches. */
  async #measureResidentWork(memory: DestinationMemory, workload: Workload): Promise<number> {
    const known = this.#residentWorkNs.get(workload)
    if (known !== undefined) return known
    const shared = createSharedRestore(memory.layout.hostPageCount, 0, 0)
    const { vcpus } = await runRestore({
      pool: this.#pool,
      memory,
      shared,
      handlers: [],
      workers: [],
      vcpus: vcpuJobs(memory, workload, { mechanism: loadMechanism({}) }, shared, this.#limitMs),
      hasBegin: false,
      setUp: () => {},
      limitMs: this.#limitMs,
    })
    const tookNs = Math.max(...vcpus.map(({ endNs }) => endNs)) - new RestoreState(shared).resumeNs
    this.#residentWorkNs.set(workload, tookNs)
    return tookNs
  }
}

/** @throws LazyRestoreError `unsupported` */
function snapshotPath({ snapshot }: Layout): string {
  if (snapshot.source instanceof FileSource) return snapshot.source.name
  throw new LazyRestoreError(
    'unsupported',
    `${snapshot.name}: found no file, expected one to restore from; write it with: lazyrestore snapshot make ${snapshot.name} -o FILE`,
  )
}

function vcpuJobs(
  memory: DestinationMemory,
  workload: Workload,
  { mechanism }: Pick<Policy, 'mechanism'>,
  shared: SharedRestore,
  limitMs: number,
): VcpuJob[] {
  const { layout, regions } = memory
  const { starts, page, thinkNs, flags, vcpus, pageSize } = workload
  const hostPage = hostPagesOf(layout, page)
  const blocks = regions.map(({ address, byteLength }) => ({ address, byteLength }))
  const firstPages = layout.blocks.map(({ firstTargetPage }) => firstTargetPage)
  return Array.from({ length: vcpus }, (_, vcpu) => {
    const [start, end] = [starts[vcpu], starts[vcpu + 1]]
    const pages = page.subarray(start, end)
    const block = Uint8Array.from(pages, p => firstPages.findLastIndex(first => first <= p))
    return {
      role: 'vcpu',
      shared,
      install: mechanism.install,
      blocks,
      block,
      offset: Float64Array.from(pages, (p, i) => (p - firstPages[block[i]]) * pageSize),
      hostPage: hostPage.slice(start, end),
      thinkNs: thinkNs.slice(start, end),
      flags: flags.slice(start, end),
      limitMs,
    }
  })
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
  const residency = mergeResidency(carriers, startNs, residentAtStart)
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
    faulted,
    residentWorkNs,
  }
}

function filled(bits: number): Bitmap {
  const bitmap = new Uint32Array(Math.ceil(bits / 32))
  setBits(bitmap, 0, bits)
  return bitmap
}

/** The threads' series in one, of bounded length. */
function mergeResidency(
  carriers: RunOutcome['carriers'],
  startNs: number,
  residentAtStart: number,
): readonly ResidencyPoint[] {
  const points = carriers
    .flatMap(({ residency }) => residency)
    .map(([ns, bytes]) => ({ timeNs: ns - startNs, bytes: residentAtStart + bytes }))
    .sort((a, b) => a.timeNs - b.timeNs)
  const stride = Math.ceil((points.length + 1) / RESIDENCY_POINTS)
  const kept = points.filter((_, i) => i % stride === stride - 1 || i === points.length - 1)
  return [{ timeNs: 0, bytes: residentAtStart }, ...kept]
}

/** Bytes that this process had read from storage devices (proc_pid_io(5)); 0 where it may not be asked. */
function deviceBytesRead(): number {
  try {
    return Number(/^read_bytes: (\d+)$/m.exec(readFileSync('/proc/self/io', 'latin1'))?.[1] ?? 0)
  } catch {
    return 0
  }
}
