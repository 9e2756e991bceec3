/** One restore of a QEMU that is started for it: by QEMU's own load where the policy is that, by this side's stream otherwise. */
import { join } from 'node:path'
import { LazyRestoreError } from '../../core/error.ts'
import type { Spec } from '../../core/spec-string.ts'
import type { Layout } from '../../destination/layout.ts'
import type { RecordedFaults } from '../../workload/fault-trace.ts'
import { migratable } from '../opening.ts'
import type { PageLedger } from '../page-ledger.ts'
import { type QemuRestore, type RecordedPages, restoreQemu } from '../restore-qemu.ts'
import { Vm } from '../vm.ts'
import { BLOCKTIME_CAPABILITY, type Blocktime, blocktimeOf } from './blocktime.ts'
import { hasOwnLoad, type OwnLoad, ownLoadOf, prepareOwnLoad } from './own-load.ts'
import { type ProcessIo, processIo, readBetween } from './process-io.ts'
import { type WorkSign, WorkWatch } from './work-sign.ts'

/** A policy that does not fill memory is complete when nobody has asked for so long. */
const COMPLETE_AFTER_MS = 1000
/** Magic and version, before the configuration. */
const STREAM_HEAD_BYTES = 8
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export interface QemuRunOptions {
  readonly command: readonly string[]
  readonly until: WorkSign
  readonly send: string | null
  readonly preempt: boolean
  readonly limitMs: number
  onNote(note: string): void
}

export interface QemuRunRequest {
  readonly layout: Layout
  readonly policy: Spec
  readonly workingSet: RecordedPages | null
  /** Called when the destination is ready, right before the restore begins. */
  prepare(): Promise<void>
}

/** In ns from the moment at which QEMU was told to take the migration. */
export interface RunTimes {
  /** The event RESUME. */
  readonly resumeNs: number
  readonly workDoneNs: number
}

export interface OwnRun {
  readonly kind: 'own'
  readonly policy: string
  readonly times: RunTimes
  /** Of QEMU. */
  readonly io: ProcessIo
}

export interface LazyRun {
  readonly kind: 'lazy'
  readonly times: RunTimes & { readonly completeNs: number }
  /** When it began, in ns of performance.now. */
  readonly startNs: number
  readonly record: QemuRestore
  readonly faults: RecordedFaults
  readonly ledger: PageLedger
  /** Of this process. */
  readonly io: ProcessIo
  /** QEMU's own figures; null where it has none. */
  readonly blocktime: Blocktime | null
}

export class QemuRun {
  readonly #options: QemuRunOptions
  #vm: Vm | null = null
  readonly #onSignal = (signal: NodeJS.Signals): void => {
    this.#vm?.killNow()
    this.close()
    process.kill(process.pid, signal)
  }

  constructor(options: QemuRunOptions) {
    this.#options = options
    for (const signal of SIGNALS) process.on(signal, this.#onSignal)
  }

  close(): void {
    for (const signal of SIGNALS) process.off(signal, this.#onSignal)
  }

  /** @throws LazyRestoreError `io`, `limit`, with what QEMU said */
  async restore(request: QemuRunRequest): Promise<OwnRun | LazyRun> {
    const { command, until, send } = this.#options
    const { configuration } = migratable(request.layout)
    const vm = await Vm.start({ command })
    this.#vm = vm
    let watch: WorkWatch | null = null
    try {
      watch = await WorkWatch.open(vm, until, send)
      const own = ownLoadOf(request.policy)
      if (own !== null && (await hasOwnLoad(vm))) {
        return await this.#load(vm, watch, own, request, configuration[0].offset - STREAM_HEAD_BYTES)
      }
      if (own !== null) this.#noteNoLoad(request.policy)
      return await this.#stream(vm, watch, request)
    } catch (error) {
      if (!(error instanceof LazyRestoreError) || vm.messages === '') throw error
      throw new LazyRestoreError(error.code, `${error.message} QEMU says: ${vm.messages}`, { cause: error })
    } finally {
      watch?.close()
      await vm.close()
      this.#vm = null
    }
  }

  #noteNoLoad({ name }: Spec): void {
    this.#options.onNote(
      `${name}: this QEMU cannot load such a file itself (mapped-ram, QEMU >= 9.0); all memory was sent to it before the VM ran.`,
    )
  }

  /** @param streamOffset where the stream begins in the file */
  async #load(
    vm: Vm,
    watch: WorkWatch,
    own: OwnLoad,
    { layout, policy, prepare }: QemuRunRequest,
    streamOffset: number,
  ): Promise<OwnRun> {
    await prepareOwnLoad(vm, own)
    await prepare()
    const before = processIo(vm.processId)
    const startMs = performance.now()
    await vm.qmp.execute('migrate-incoming', { uri: `file:${layout.snapshot.name},offset=${streamOffset}` })
    const loaded = this.#loaded(vm)
    const times = await this.#times(vm, watch, startMs, loaded)
    const io = readBetween(before, processIo(vm.processId))
    return { kind: 'own', policy: ownName(policy), times, io }
  }

  async #loaded(vm: Vm): Promise<void> {
    for (;;) {
      const { data } = await vm.qmp.event('MIGRATION', this.#options.limitMs)
      const { status } = data as { status?: string }
      if (status === 'completed') return
      if (status === 'failed') throw new LazyRestoreError('io', 'QEMU: found a load that failed.')
    }
  }

  async #stream(vm: Vm, watch: WorkWatch, request: QemuRunRequest): Promise<LazyRun> {
    const { preempt, limitMs } = this.#options
    await vm.setCapabilities('postcopy-ram', ...(preempt ? ['postcopy-preempt'] : []))
    await vm.setCapabilities(BLOCKTIME_CAPABILITY).catch(error => {
      this.#options.onNote(`Stalls are not known: ${(error as Error).message}.`)
    })
    await request.prepare()
    const path = join(vm.folder, 'migration')
    const before = processIo(process.pid)
    const startMs = performance.now()
    await vm.qmp.execute('migrate-incoming', { uri: `unix:${path}` })
    const abort = new AbortController()
    let onRunning = (): void => {}
    const running = new Promise<void>(resolve => {
      onRunning = resolve
    })
    const restored = restoreQemu({
      ...request,
      address: { kind: 'unix', path },
      preempt,
      completeAfterMs: COMPLETE_AFTER_MS,
      limitMs,
      signal: abort.signal,
      onStage: stage => {
        if (stage === 'running') onRunning()
      },
    })
    const failed = restored.then(() => new Promise<never>(() => {}))
    try {
      const times = await Promise.race([this.#times(vm, watch, startMs, running), failed])
      const { record, faults, ledger, startNs: connectNs } = await restored
      const startNs = startMs * 1e6
      const completeNs = connectNs + record.residentNs - startNs
      const io = readBetween(before, processIo(process.pid))
      await vm.awaitMigration('completed', limitMs)
      const blocktime = blocktimeOf(await vm.qmp.execute('query-migrate'))
      for (const note of record.notes) this.#options.onNote(note)
      return { kind: 'lazy', times: { ...times, completeNs }, startNs, record, faults, ledger, io, blocktime }
    } catch (error) {
      abort.abort(error instanceof LazyRestoreError ? error : new LazyRestoreError('io', String(error)))
      await restored.catch(() => {})
      throw error
    }
  }

  /** @param loaded the device state is there: a VM that was saved while it stood still has to be told to run */
  async #times(vm: Vm, watch: WorkWatch, startMs: number, loaded: Promise<void>): Promise<RunTimes> {
    const { limitMs } = this.#options
    const resumed = vm.qmp.event('RESUME', limitMs)
    const goOn = loaded.then(async () => {
      const { status } = await vm.qmp.execute<{ status: string }>('query-status')
      if (status === 'paused' || status === 'prelaunch') await vm.qmp.execute('cont')
    })
    // A failure of either ends the wait; that the VM was told to go on does not.
    const { atMs } = await Promise.race([resumed, goOn.then(() => resumed)])
    const workDoneMs = await watch.done(limitMs)
    return { resumeNs: (atMs - startMs) * 1e6, workDoneNs: (workDoneMs - startMs) * 1e6 }
  }
}

/** Name and options as written. */
function ownName({ name, options }: Spec): string {
  const written = Object.entries(options).map(([key, value]) => `${key}=${value}`)
  return written.length === 0 ? name : `${name}:${written.join(',')}`
}
