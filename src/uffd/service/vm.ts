/**
 * One VM that is served: its threads, from the handshake to the moment at which it needs them no more. That is when its memory
 * is complete, when the VMM has ended, or when its memory cannot be served; then everything of it is freed.
 *
 * Threads never decide about the VM: they post what went wrong, and this object, on the main thread, kills or leaves it. That
 * the VMM has ended is asked of its address space (peer.ts), because some VMMs close the socket and live on.
 */
import { nextClearBit, nextSetBit } from '../../core/bitmap.ts'
import { within } from '../../core/within.ts'
import type { Layout } from '../../destination/layout.ts'
import type { Policy } from '../../policy/policy.ts'
import type { RecordedFaults } from '../../workload/fault-trace.ts'
import { errnoName } from '../constants.ts'
import type { CarrierOutcome } from '../engine/carrier-thread.ts'
import { monotonicNs } from '../engine/clock.ts'
import { mergeFaults } from '../engine/fault-log.ts'
import type { CarrierJob } from '../engine/job.ts'
import {
  createSharedRestore,
  PHASE_BEGIN,
  PHASE_STOP,
  RestoreState,
  type SharedRestore,
} from '../engine/restore-state.ts'
import type { Running, ThreadPool } from '../engine/thread-pool.ts'
import { createMessageBuffer } from '../message-buffer.ts'
import { libc } from '../native.ts'
import { POLLIN, POLLRDHUP } from '../unix-socket.ts'
import type { Handshake } from './handshake.ts'
import { isMemoryGone, type Peer } from './peer.ts'
import type { Poller, Watch } from './poller.ts'
import { carrierTotals, pageCounts, type VmEnd, type VmReport, type VmStatus } from './vm-report.ts'

/** For threads to prepare, and to end after they were asked to; for a VMM to end after it was killed. */
const LIMIT_MS = 30_000
/** How often it is asked whether all is installed, and, once there is a sign of it, whether the VMM has ended. */
const TICK_MS = 50
/** Time for an madvise that was under way when memory was unregistered to post its event, which must be read. */
const LAST_EVENTS_MS = 500

export interface VmSetup {
  readonly id: number
  /** The connection; the VM's to close, as is what follows. */
  readonly socket: number
  readonly peer: Peer
  readonly handshake: Handshake
  readonly layout: Layout
  readonly policy: Policy
  /** What all its threads are told; what they share and the handler's role come here. */
  readonly job: Omit<CarrierJob, 'role' | 'shared' | 'descriptor' | 'owner'>
  readonly pool: ThreadPool
  readonly poller: Poller
  readonly onFailure: 'kill' | 'leave'
  /** Told when it needs this process no more: before its connection is closed, its report made and its recording written. */
  readonly onReleased: () => void
  /** Told at once of what goes wrong, in one line. */
  readonly onNote: (note: string) => void
}

export class Vm {
  readonly #setup: VmSetup
  readonly #shared: SharedRestore
  readonly #state: RestoreState
  readonly #carriers: Running<CarrierOutcome>[] = []
  readonly #watches: Watch[] = []
  readonly #end: Promise<VmEnd>
  #resolveEnd: (end: VmEnd) => void = () => {}
  #reason: string | null = null
  #isKilled = false
  #threadsEnded: Promise<void> = Promise.resolve()
  #mayHaveEnded = false
  /** Of the host pages before it nothing is missing. */
  #complete = 0
  #residentNs: number | null = null

  constructor(setup: VmSetup) {
    const { layout, policy } = setup
    const { workers } = policy.mechanism
    this.#setup = setup
    this.#shared = createSharedRestore(layout.hostPageCount, this.#hasBegin ? workers : 0, 0)
    this.#state = new RestoreState(this.#shared)
    this.#end = new Promise(resolve => {
      this.#resolveEnd = resolve
    })
  }

  /** Serves it to its end. What it recorded is empty unless the job says how much to record. */
  async serve(): Promise<{ readonly report: VmReport; readonly faults: RecordedFaults }> {
    this.#state.start()
    this.#watchPeer()
    const tick = setInterval(() => this.#tick(), TICK_MS)
    try {
      this.#startThreads()
      const end = await this.#end
      const outcomes = await this.#stopThreads()
      const letGo = end === 'complete' ? await this.#letGo() : end
      const handlers = outcomes.flatMap(({ faults }) => (faults === null ? [] : [faults]))
      const lost = handlers.reduce((sum, { lost }) => sum + lost, 0)
      if (lost > 0) this.#setup.onNote(`recording: ${lost} faults are not in it, for want of room`)
      const report = {
        ...this.status,
        end: letGo,
        reason: this.#reason,
        residentNs: this.#residentNs,
        ...carrierTotals(outcomes),
      }
      return { report, faults: mergeFaults(handlers, this.#state.startNs) }
    } finally {
      clearInterval(tick)
      this.#setup.onReleased()
      this.#free()
    }
  }

  get status(): VmStatus {
    const { id, peer, policy, layout } = this.#setup
    return {
      vm: id,
      pid: peer.pid,
      policy: policy.name,
      memoryBytes: layout.byteLength,
      ...pageCounts(layout, this.#shared),
      servedNs: Math.round(monotonicNs() - this.#state.startNs),
    }
  }

  /** Installs what is left, whatever the policy says, so that it ends as 'complete'. */
  drain(): void {
    this.#state.drain()
  }

  /** Its memory cannot be served any more, for the reason given: it is killed, or left. */
  abandon(reason: string): void {
    this.#fail(reason)
    if (this.#setup.onFailure === 'leave') this.#resolveEnd('left')
  }

  get #hasBegin(): boolean {
    const { begin, mechanism } = this.#setup.policy
    return begin !== undefined && mechanism.workers > 0
  }

  #startThreads(): void {
    const { job, handshake, peer, policy, pool } = this.#setup
    const { userfaultfd, events } = handshake
    const owner = { pid: peer.pid, events }
    const { handlers, workers } = policy.mechanism
    for (const [role, count] of [
      ['handler', handlers],
      ['worker', workers],
    ] as const) {
      for (let i = 0; i < count; i++) {
        const shared = this.#shared
        const { descriptor } = userfaultfd
        const running = pool.run({ ...job, role, shared, descriptor, owner }, reason => this.#fail(reason))
        this.#carriers.push(running)
        if (role === 'handler')
          running.outcome.then(
            () => this.#handlerEnded(),
            error => this.#died(error),
          )
        else running.outcome.catch(error => this.#died(error))
      }
    }
    within(LIMIT_MS, 'threads to prepare', Promise.all(this.#carriers.map(({ ready }) => ready))).then(
      () => {
        if (this.#state.phase === PHASE_STOP) return
        this.#state.enter(PHASE_BEGIN)
        if (!this.#hasBegin) this.#state.resume()
      },
      error => this.#died(error),
    )
  }

  async #stopThreads(): Promise<readonly CarrierOutcome[]> {
    this.#state.enter(PHASE_STOP)
    const ended = Promise.allSettled(this.#carriers.map(({ outcome }) => outcome))
    this.#threadsEnded = ended.then(() => {})
    try {
      const results = await within(LIMIT_MS, 'threads to end', ended)
      return results.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
    } catch (error) {
      this.#setup.onNote((error as Error).message)
      return []
    }
  }

  #watchPeer(): void {
    const { poller, socket, peer } = this.#setup
    const onSign = (watch: () => Watch) => () => {
      watch().close()
      this.#mayHaveEnded = true
      this.#tick()
    }
    const hangUp: Watch = poller.watch(
      socket,
      POLLRDHUP,
      onSign(() => hangUp),
    )
    this.#watches.push(hangUp)
    if (peer.pidfd < 0) return
    const exit: Watch = poller.watch(
      peer.pidfd,
      POLLIN,
      onSign(() => exit),
    )
    this.#watches.push(exit)
  }

  #tick(): void {
    const { handshake, layout } = this.#setup
    if (this.#mayHaveEnded && isMemoryGone(handshake.userfaultfd, handshake.regions)) {
      this.#resolveEnd(this.#isKilled ? 'killed' : 'ended')
      return
    }
    const { installed, removed } = this.#shared
    const { hostPageCount } = layout
    let page = this.#complete
    for (let before = -1; page !== before; ) {
      before = page
      page = nextClearBit(installed, page, hostPageCount)
      page = nextClearBit(removed, page, hostPageCount)
      // Zero pages are the kernel's, once it has the memory back.
      page = nextSetBit(layout.hasData, page, hostPageCount)
    }
    this.#complete = page
    if (page < hostPageCount || this.#isKilled) return
    this.#residentNs ??= Math.round(monotonicNs() - this.#state.startNs)
    this.#resolveEnd('complete')
  }

  /** By itself a handler ends when there is no memory any more. */
  #handlerEnded(): void {
    this.#mayHaveEnded = true
    this.#tick()
  }

  #died(error: Error): void {
    this.abandon(error.message)
  }

  #fail(reason: string): void {
    const { handshake, peer, onFailure, onNote } = this.#setup
    if (this.#reason !== null) return
    this.#reason = reason
    if (isMemoryGone(handshake.userfaultfd, handshake.regions)) {
      // As of a page that it was refused (UFFDIO_POISON).
      this.#mayHaveEnded = true
      return onNote(`${reason}; the VMM has ended`)
    }
    if (onFailure === 'leave') return onNote(`${reason}; the VMM is left`)
    const refusal = peer.kill()
    if (refusal !== null) {
      onNote(`${reason}; the VMM cannot be killed: ${refusal}`)
      return this.#resolveEnd('left')
    }
    onNote(`${reason}; the VMM is killed`)
    this.#isKilled = true
    this.#mayHaveEnded = true
    setTimeout(() => this.#resolveEnd('left'), LIMIT_MS).unref()
  }

  /** All is there: gives the memory back to the kernel, for which a page that was removed is a page of zeros. */
  async #letGo(): Promise<VmEnd> {
    const { handshake, poller, onNote } = this.#setup
    const { userfaultfd, regions } = handshake
    for (const { address, byteLength } of regions) {
      if (userfaultfd.unregister(address, byteLength) === 'done') continue
      const found = errnoName(userfaultfd.errno)
      if (isMemoryGone(userfaultfd, regions)) return 'ended'
      const first = this.#reason
      this.#reason = null
      this.abandon(`UFFDIO_UNREGISTER at 0x${address.toString(16)}: found ${found}, expected memory that is registered`)
      this.#reason = first ?? this.#reason
      onNote('its memory stays registered, and nobody serves it')
      return this.#isKilled ? 'killed' : 'left'
    }
    const buffer = createMessageBuffer(64)
    const readAll = (): void => {
      while (userfaultfd.read(buffer) > 0);
    }
    const watch = poller.watch(userfaultfd.descriptor, POLLIN, readAll)
    readAll()
    await new Promise(resolve => setTimeout(resolve, LAST_EVENTS_MS))
    watch.close()
    readAll()
    return 'complete'
  }

  #free(): void {
    for (const watch of this.#watches) watch.close()
    const { handshake, peer, socket } = this.#setup
    // A thread that hangs in a read still has the descriptor's number, which is nobody else's until it has ended.
    void this.#threadsEnded.then(() => handshake.userfaultfd.close())
    peer.close()
    libc().close(socket)
  }
}
