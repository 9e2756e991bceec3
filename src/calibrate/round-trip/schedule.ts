/**
 * What the two threads of the round trips agree on. One touches pages, the other one answers; they go through *blocks* of
 * faults together, and what is special about a block follows from its number. Blocks of all kinds take turns. Both threads are
 * bound to a CPU, as the engine's are.
 *
 *     local          both threads on one CPU: who wakes whom runs next to it
 *     chained        as local, but the handler asks the kernel by its chain of calls, as in a restore; what it does with
 *                    each of them cannot be timed, so elsewhere it asks step by step
 *     hot            as local, but with hardly any computing between faults
 *     remote         on two CPUs, each of which is idle when the other thread wakes its own
 *     busy           as remote, but where the handler wakes, a third thread computes
 *     together       on one CPU; after some faults the handler may move: does it stay, though another CPU is idle?
 *     pending        on one CPU; the handler waits until the message lies there, so what it does with one is timed alone
 *     spinning       on two CPUs; the handler never sleeps, so a message is seen when it is there
 *     guest local    as local and remote, but the thread that touches runs a vCPU of a KVM guest, which touches
 *     guest remote
 */
import type { SharedRestore } from '../../uffd/engine/restore-state.ts'

export type BlockKind =
  | 'local'
  | 'chained'
  | 'hot'
  | 'remote'
  | 'busy'
  | 'together'
  | 'pending'
  | 'spinning'
  | 'guest local'
  | 'guest remote'

const LOCAL: readonly BlockKind[] = ['local', 'chained', 'hot', 'together', 'pending', 'guest local']

export const FAULTS_PER_BLOCK = 50
/** How long is computed between faults: in turns; of the kind `hot`. What is idle longer wakes more slowly, and finds its caches colder. */
export const THINK_NS = [5000, 20_000, 10_000, 50_000]
export const HOT_THINK_NS = 1000

/** Before the n-th fault of a block. */
export function thinkNsOf(kind: BlockKind, n: number): number {
  return kind === 'hot' ? HOT_THINK_NS : THINK_NS[n % THINK_NS.length]
}
/**
 * Faults of a block of the kind `together` before the handler may move: until then it was on one CPU alone, or the kernel
 * would have it on the one that it was on before (Linux recent_used_cpu).
 */
export const BOUND_FAULTS = 10

export interface RoundTripJob {
  readonly descriptor: number
  readonly address: number
  readonly pageCount: number
  /** Where the pages' bytes are: a file in the page cache, page by page. */
  readonly file: number
  readonly shared: SharedRestore
  readonly kinds: readonly BlockKind[]
  /** CPU of the thread that touches, and of the other one if that is on another; null: leave both where they are. */
  readonly cpus: readonly [number, number] | null
  /** STOP, READY, BLOCKS_DONE, ENDED and OCCUPIED. */
  readonly control: Int32Array
  /** A fault has the same place in every column: times by CLOCK_MONOTONIC. */
  readonly columns: RoundTripColumns
}

export interface RoundTripColumns {
  /** The access starts, and is done; of a guest, 0 and its latency. */
  readonly touchNs: Float64Array
  readonly runNs: Float64Array
  /** The message is there: seen by who looks all the time (spinning), or has been there for a while (pending). */
  readonly foundNs: Float64Array
  /** The install call starts, and ends. */
  readonly installNs: Float64Array
  readonly installedNs: Float64Array
  /** The handler is through with the fault, and waits for the next message; 0 after the last one of a block. */
  readonly restNs: Float64Array
  /** CPU of the thread that touches when its access is done, and of the other one after the call; of the kind `together`. */
  readonly touchCpu: Float64Array
  readonly answerCpu: Float64Array
}

/** Words of `control`. Set by the main thread: start no further block. */
export const STOP = 0
/** Set by the thread that answers: blocks that it is ready for. */
export const READY = 1
/** Set by the thread that touches: blocks that it is through with, and that there will be no more; the latter by the main thread too, on a failure. */
export const BLOCKS_DONE = 2
export const ENDED = 3
/** Set by the thread that answers: the third thread computes. */
export const OCCUPIED = 4
export const CONTROL_WORDS = 5

export function kindOf({ kinds }: Pick<RoundTripJob, 'kinds'>, block: number): BlockKind {
  return kinds[block % kinds.length]
}

/** Both threads share the first CPU, or start there. */
export function isLocal(kind: BlockKind): boolean {
  return LOCAL.includes(kind)
}

export function isGuest(kind: BlockKind): boolean {
  return kind === 'guest local' || kind === 'guest remote'
}
