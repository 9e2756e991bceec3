/** What the reader threads and their master share. */
import { MIB } from '../../core/units.ts'

export interface ReaderJob {
  readonly index: number
  /** Opened with O_DIRECT. */
  readonly file: number
  readonly fileBytes: number
  readonly control: Int32Array
  readonly latenciesNs: Float64Array
  /** Reads, and ns of CPU, of the last phase. */
  readonly totals: Float64Array
}

/** Words of `control`. A new generation starts a phase; END_GENERATION ends the threads. */
export const GENERATION = 0
export const END_GENERATION = -1
/** How many of the threads take part, how much each reads at a time, how, and for how long. */
export const THREADS = 1
export const READ_BYTES = 2
export const MODE = 3
export const RANDOM = 0
export const SEQUENTIAL = 1
export const MILLISECONDS = 4
/** Where the threads are, when they read one file together from its start. */
export const NEXT_SLOT = 5
/** Threads that are through with the phase. */
export const DONE = 6
export const CONTROL_WORDS = 7

export const MOST_READ_BYTES = MIB
/** Of one thread in one phase. */
export const MOST_READS = 50_000
