/**
 * Serves guest memory to any number of VMMs that hand a userfaultfd over, out of one snapshot. Connections come from whoever
 * accepts them: this process, or the supervisor that watches over it (docs/uffd-handler.md).
 *
 * A connection that has sent a userfaultfd is a VMM whose guest waits for its memory: when it cannot be served, it is killed
 * or left, as the service was told. One that has not is only closed, as it may be anybody.
 */
import { LazyRestoreError } from '../../core/error.ts'
import type { Spec } from '../../core/spec-string.ts'
import { parseHostPages } from '../../destination/host-pages.ts'
import { createLayout } from '../../destination/layout.ts'
import type { Mechanism } from '../../policy/policy.ts'
import { createPolicy } from '../../policy/registry.ts'
import type { Snapshot } from '../../snapshot/snapshot.ts'
import type { RecordedFaults } from '../../workload/fault-trace.ts'
import { detached } from '../engine/job.ts'
import { snapshotFiles } from '../engine/snapshot-files.ts'
import { ThreadPool } from '../engine/thread-pool.ts'
import { libc } from '../native.ts'
import type { GuestRegion } from './guest-regions.ts'
import { type Handshake, HandshakeReader, readHandshake } from './handshake.ts'
import { Peer } from './peer.ts'
import type { Poller } from './poller.ts'
import { layRegions, type OffsetSpace, offsetSpaceOf } from './region-layout.ts'
import { type Shape, Shapes } from './shapes.ts'
import { Vm } from './vm.ts'
import type { VmReport, VmStatus } from './vm-report.ts'
import { fitWorkingSet, type GivenWorkingSet } from './vm-working-set.ts'

/** Time that a VM has its processors for itself before threads for the next one are started. */
const WARM_AFTER_MS = 200
/** Longest that carriers wait for each other before a VM runs. */
const PHASE_LIMIT_MS = 60_000
const MOST_RECORDED_FAULTS = 2 ** 22

export interface ServiceOptions {
  readonly snapshot: Snapshot
  /** The block that regions' offsets count in; null: all of them, one behind the other. */
  readonly block: string | null
  readonly policy: Spec
  readonly workingSet: GivenWorkingSet | null
  /** What becomes of a VMM whose memory cannot be served. */
  readonly onFailure: 'kill' | 'leave'
  /** VMs at a time; another one is refused. */
  readonly maxVms: number
  /** VMs for which threads are kept ready, which others have to wait for. */
  readonly readyVms: number
  /** For a VMM to send its handshake. */
  readonly handshakeLimitMs: number
  readonly poller: Poller
  readonly onReport: (report: VmReport) => void
  readonly onRefusal: (refusal: Refusal) => void
  /** What went wrong with a VM, in one line. */
  readonly onNote: (note: string) => void
  /** Told at a VM's end what it has asked for; recording costs its handlers 0.3 µs a fault. Target pages of the snapshot. */
  readonly onFaults?: (vm: number, faults: RecordedFaults) => Promise<void>
}

export interface Refusal {
  /** 0: not known. */
  readonly pid: number
  readonly reason: string
  /** It had sent a userfaultfd, and was killed. */
  readonly killed: boolean
}

export class UffdService {
  readonly #options: ServiceOptions
  readonly #space: OffsetSpace
  readonly #pool: ThreadPool
  readonly #vms = new Map<number, Vm>()
  readonly #connections = new Set<Promise<void>>()
  readonly #shapes = new Shapes(regions => this.#shapeOf(regions))
  readonly #mechanism: Mechanism
  /** VMs that are served, or will be in a moment. */
  #taken = 0
  #lastId = 0
  #isDraining = false
  /** Why VMs are not to be served any more; null: they are. */
  #abandonedFor: string | null = null

  /** @throws LazyRestoreError `usage` for a policy that does without userfaultfd, or a block that is not there */
  constructor(options: ServiceOptions) {
    this.#options = options
    this.#space = offsetSpaceOf(options.snapshot, options.block)
    snapshotFiles(options.snapshot)
    this.#mechanism = checkPolicy(options)
    const { handlers, workers } = this.#mechanism
    this.#pool = new ThreadPool(Math.max(handlers, workers) * Math.max(1, options.readyVms))
    this.#keepReady()
  }

  /**
   * Serves whoever is at the other end, and closes the connection in the end. `onReleased` is called once, before anybody can
   * see that the VM is not served any more.
   */
  accept(connection: number, onReleased: () => void = () => {}): void {
    let isReleased = false
    const release = (): void => {
      if (!isReleased) onReleased()
      isReleased = true
    }
    const done = this.#serve(connection, release).finally(() => {
      this.#connections.delete(done)
      release()
    })
    this.#connections.add(done)
  }

  get vms(): readonly VmStatus[] {
    return [...this.#vms.values()].map(vm => vm.status)
  }

  /** Gives every VM all of its memory, and resolves when none needs this process any more. */
  async drain(): Promise<void> {
    this.#isDraining = true
    for (const vm of this.#vms.values()) vm.drain()
    while (this.#connections.size > 0) await Promise.all(this.#connections)
  }

  /** Stops at once: VMs that are not complete are killed, or left. */
  abandon(reason: string): void {
    this.#abandonedFor = reason
    for (const vm of this.#vms.values()) vm.abandon(reason)
  }

  /** After `drain`. */
  async close(): Promise<void> {
    await this.#pool.close()
    await this.#shapes.close()
  }

  /** Threads of VMs that have ended are kept as well, so that none are started where VMs follow each other. */
  #keepReady(): void {
    if (this.#isDraining) return
    const { handlers, workers } = this.#mechanism
    const { readyVms } = this.#options
    this.#pool.warm('handler', handlers * readyVms)
    this.#pool.warm('worker', workers * readyVms)
  }

  async #serve(connection: number, release: () => void): Promise<void> {
    const { onReport, onFaults, onNote, poller, handshakeLimitMs, maxVms } = this.#options
    const reader = new HandshakeReader()
    let peer: Peer | null = null
    let isServed = false
    let hasPlace = false
    let releaseShape = (): void => {}
    try {
      peer = new Peer(connection)
      const handshake = await readHandshake(reader, connection, poller, handshakeLimitMs)
      if (this.#taken >= maxVms) {
        throw new LazyRestoreError('limit', `found ${this.#taken} VMs, expected at most ${maxVms}; see --max-vms`)
      }
      this.#taken++
      hasPlace = true
      const taken = await this.#shapes.take(handshake.regions)
      releaseShape = taken.release
      const { id, vm } = this.#createVm(connection, peer, handshake, taken.shape, release)
      isServed = true
      this.#vms.set(id, vm)
      if (this.#abandonedFor !== null) vm.abandon(this.#abandonedFor)
      else if (this.#isDraining) vm.drain()
      setTimeout(() => this.#keepReady(), WARM_AFTER_MS).unref()
      try {
        const { report, faults } = await vm.serve()
        onReport(report)
        await onFaults?.(id, shifted(faults, this.#space.firstTargetPage))
      } finally {
        this.#vms.delete(id)
      }
    } catch (error) {
      if (isServed || !(error instanceof LazyRestoreError)) onNote((error as Error).message)
      if (!isServed) this.#refuse(connection, peer, reader, (error as Error).message)
    } finally {
      if (hasPlace) this.#taken--
      releaseShape()
    }
  }

  #createVm(
    socket: number,
    peer: Peer,
    handshake: Handshake,
    { regionLayout, workingSet }: Shape,
    onReleased: () => void,
  ): { id: number; vm: Vm } {
    const { snapshot, policy: spec, onFailure, onFaults, onNote, poller } = this.#options
    const { layout } = regionLayout
    const id = ++this.#lastId
    const vm = new Vm({
      id,
      socket,
      peer,
      handshake,
      layout,
      policy: createPolicy(spec, { layout, workingSet: workingSet?.pages ?? null }),
      job: {
        layout: detached(layout),
        blockAddress: regionLayout.blockAddresses(handshake.regions),
        policy: spec,
        workingSet: workingSet?.pages ?? null,
        snapshotFiles: snapshotFiles(snapshot),
        workingSetContents: workingSet?.contents ?? null,
        broken: 'poison',
        limitMs: PHASE_LIMIT_MS,
        recordFaults: onFaults === undefined ? 0 : Math.min(MOST_RECORDED_FAULTS, 4 * layout.hostPageCount),
      },
      pool: this.#pool,
      poller,
      onFailure,
      onReleased,
      onNote: note => onNote(`VM ${id} (process ${peer.pid}): ${note}`),
    })
    return { id, vm }
  }

  async #shapeOf(regions: readonly GuestRegion[]): Promise<Shape> {
    const regionLayout = layRegions(this.#space, regions)
    const { workingSet } = this.#options
    if (workingSet === null) return { regionLayout, workingSet }
    return { regionLayout, workingSet: await fitWorkingSet(workingSet, this.#space, regionLayout.layout) }
  }

  #refuse(connection: number, peer: Peer | null, reader: HandshakeReader, reason: string): void {
    const { onFailure, onNote, onRefusal } = this.#options
    let killed = false
    if (peer !== null && reader.hasUserfaultfd && onFailure === 'kill') {
      const refusal = peer.kill()
      killed = refusal === null
      if (refusal !== null) onNote(`process ${peer.pid}: the VMM cannot be killed: ${refusal}`)
    }
    onRefusal({ pid: peer?.pid ?? 0, reason, killed })
    reader.close()
    peer?.close()
    libc().close(connection)
  }
}

function checkPolicy({ snapshot, policy: spec, workingSet }: ServiceOptions): Mechanism {
  const layout = createLayout(snapshot, parseHostPages('4K'))
  const pages = workingSet === null ? null : new Uint32Array()
  const { mechanism, name } = createPolicy(spec, { layout, workingSet: pages })
  if (mechanism.install === 'uffd') return mechanism
  const found = `found "${name}", which loads or maps memory before the VM runs`
  throw new LazyRestoreError('usage', `policy: ${found}, expected one that answers faults`)
}

function shifted(faults: RecordedFaults, by: number): RecordedFaults {
  return by === 0 ? faults : { ...faults, page: faults.page.map(page => page + by) }
}
