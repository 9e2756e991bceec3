/**
 * What the two threads of the round trips agree on. One touches pages, the other one answers; they go through *blocks* of
 * faults together, and what is special about a block follows from its number. Blocks of all kinds take turns.
 *
 *     local      both threads on one CPU: who wakes whom runs next to it
 *     remote     on two CPUs, each idle while the other one works
 *     pending    on two CPUs; the answering thread waits until the message lies there, so reading it is timed alone
 *     spinning   on two CPUs; the answering thread never sleeps, so a message is seen when it is there
 */
export type BlockKind = 'local' | 'remote' | 'pending' | 'spinning'

export const FAULTS_PER_BLOCK = 50

export interface RoundTripJob {
  readonly descriptor: number
  readonly address: number
  readonly pageCount: number
  /** Bytes of one page, to copy from. */
  readonly source: number
  readonly kinds: readonly BlockKind[]
  /** CPU of the thread that touches, and of the other one; null: leave both where they are. */
  readonly cpus: readonly [number, number] | null
  /** STOP, READY and ENDED. */
  readonly control: Int32Array
  /** A fault has the same place in every column: times by CLOCK_MONOTONIC. */
  readonly columns: RoundTripColumns
}

export interface RoundTripColumns {
  /** The access starts, and is done. */
  readonly touchNs: Float64Array
  readonly runNs: Float64Array
  /** The message is there (spinning), or begins to be read (pending). */
  readonly foundNs: Float64Array
  /** The message is read, and the page is installed. */
  readonly readNs: Float64Array
  readonly installedNs: Float64Array
}

/** Words of `control`. Set by the main thread: start no further block. */
export const STOP = 0
/** Set by the thread that answers: blocks that it is ready for. */
export const READY = 1
/** Set by the thread that touches: blocks that it is through with, and that there will be no more. */
export const BLOCKS_DONE = 2
export const ENDED = 3
export const CONTROL_WORDS = 4

export function kindOf({ kinds }: Pick<RoundTripJob, 'kinds'>, block: number): BlockKind {
  return kinds[block % kinds.length]
}
