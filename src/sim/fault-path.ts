/**
 * What faults of several vCPUs do to each other on their way through userfaultfd: each userfaultfd has one lock, under which a
 * fault is queued, a message is read, and whoever waits for a page is looked up and woken (Linux fs/userfaultfd.c:
 * fault_pending_wqh.lock in handle_userfault, userfaultfd_ctx_read and __wake_userfault). The last walks the list of all who
 * wait on that userfaultfd. So a lock's holder keeps it the longer the more vCPUs wait, and throughput rises with the vCPUs
 * until the lock is always taken, and then falls.
 */
import { LazyRestoreError } from '../core/error.ts'
import { option, parseSpec, resolveOptions } from '../core/spec-string.ts'

export interface FaultPath {
  /** As written. */
  readonly name: string
  /** userfaultfds, each over an equal part of the host pages. Handlers are shared out among them. */
  readonly uffds: number
  /** CPU under the lock, ns: to queue a fault, to read a message, to begin a wake-up. */
  readonly lockNs: number
  /**
   * What more it takes behind somebody who waits already, ns: the first in line spins on the lock itself, the next ones on nodes
   * of their own, which are handed on from core to core (Linux kernel/locking/qspinlock.c).
   */
  readonly handoverNs: number
  /** For each fault that waits on the userfaultfd, ns of a wake-up's walk. */
  readonly scanNs: number
}

/** No lock: faults do not meet, but for the cores that they share. */
export const FREE_FAULT_PATH: FaultPath = { name: 'free', uffds: 1, lockNs: 0, handoverNs: 0, scanNs: 0 }

/**
 * `locked`: fitted on demand_paging_test -u MINOR on 256 cores (A. Moorthy, cover letter of KVM_CAP_MEM_FAULT_NOWAIT): scan and
 * handover on its rows of 16 and 256 vCPUs, with 0.2 µs of lock assumed. docs/model.md has the whole curve.
 */
const PRESETS: readonly FaultPath[] = [
  FREE_FAULT_PATH,
  { name: 'locked', uffds: 1, lockNs: 200, handoverNs: 1700, scanNs: 84 },
]

const MAX_UFFDS = 1024

const OPTIONS = {
  uffds: option('count', 1, 'userfaultfds, each over an equal part of the memory', 1, MAX_UFFDS),
  lock: option('durationNs', -1, 'under the lock to queue, to read or to wake'),
  handover: option('durationNs', -1, 'more behind somebody who waits for the lock already'),
  scan: option('durationNs', -1, 'for each waiting fault that a wake-up passes'),
}

/** `free`, `locked`, `locked:uffds=4,scan=20ns`. @throws LazyRestoreError `usage` */
export function parseFaultPath(text: string): FaultPath {
  const spec = parseSpec(text)
  const preset = PRESETS.find(({ name }) => name === spec.name)
  if (preset === undefined || spec.positional !== null) {
    const known = PRESETS.map(({ name }) => name).join(', ')
    throw new LazyRestoreError('usage', `fault path: found "${text}", expected one of ${known}, with key=value options`)
  }
  const { uffds, lock, handover, scan } = resolveOptions(spec, OPTIONS)
  return {
    name: text,
    uffds,
    lockNs: lock < 0 ? preset.lockNs : lock,
    handoverNs: handover < 0 ? preset.handoverNs : handover,
    scanNs: scan < 0 ? preset.scanNs : scan,
  }
}

/** The userfaultfds' locks in virtual time, and how many faults wait on each. Who comes first gets a lock first, and spins. */
export class UffdLocks {
  /** Whether there is anything to wait for. */
  readonly contended: boolean
  readonly uffds: number
  readonly #path: FaultPath
  readonly #pages: number
  /** When whoever took each last has it, and is done with it. */
  readonly #startNs: Float64Array
  readonly #freeNs: Float64Array
  /** Faults that wait on each, read or unread. */
  readonly #waiting: Int32Array

  constructor(path: FaultPath, hostPages: number) {
    this.contended = path.lockNs + path.handoverNs + path.scanNs > 0
    this.uffds = path.uffds
    this.#path = path
    this.#pages = hostPages
    this.#startNs = new Float64Array(path.uffds)
    this.#freeNs = new Float64Array(path.uffds)
    this.#waiting = new Int32Array(path.uffds)
  }

  /** The userfaultfd that a page is registered with. */
  uffdOf(page: number): number {
    return this.uffds === 1 ? 0 : Math.floor((page * this.uffds) / this.#pages)
  }

  /** CPU ns from `now` to the end of a hold of the lock, for whoever takes it to queue or read a fault. */
  take(uffd: number, now: number): number {
    return this.#hold(uffd, now, 0)
  }

  /** The same for a wake-up that takes `wakeNs` under the lock beside the walk over all who wait. */
  wake(uffd: number, now: number, wakeNs: number): number {
    return this.#hold(uffd, now, this.#waiting[uffd] * this.#path.scanNs + wakeNs)
  }

  /** So many faults more wait on it, or fewer. */
  addWaiting(uffd: number, faults: number): void {
    if (this.contended) this.#waiting[uffd] += faults
  }

  anyWaiting(uffd: number): boolean {
    return this.#waiting[uffd] > 0
  }

  #hold(uffd: number, now: number, moreNs: number): number {
    const { lockNs, handoverNs } = this.#path
    const lined = this.#startNs[uffd] > now
    const start = Math.max(now, this.#freeNs[uffd])
    const end = start + lockNs + moreNs + (lined ? handoverNs : 0)
    this.#startNs[uffd] = start
    this.#freeNs[uffd] = end
    return end - now
  }
}
