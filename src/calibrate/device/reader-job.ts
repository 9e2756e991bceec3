/** What the reader threads and their master share. */
import { MIB } from '../../core/units.ts'

export interface ReaderJob {
  readonly index: number
  /** The same file, opened with O_DIRECT and without. */
  readonly direct: number
  readonly buffered: number
  readonly fileBytes: number
  readonly control: Int32Array
  readonly latenciesNs: Float64Array
  /** Of the last phase: reads, ns of CPU and ns of time. */
  readonly totals: Float64Array
}

/** Words of `control`. A new generation starts a phase; END_GENERATION ends the threads. */
export const GENERATION = 0
export const END_GENERATION = -1
/** How many of the threads take part, how much each reads at a time, how (a place in `WAYS`), and for how long. */
export const THREADS = 1
export const READ_BYTES = 2
export const WAY = 3
export const MILLISECONDS = 4
/** Reads through the page cache that have begun: each is of another place. */
export const NEXT_PLACE = 5
/** Threads that are through with the phase. */
export const DONE = 6
export const CONTROL_WORDS = 7

/** Past the page cache, at random; the same into memory that has no pages yet; the same with computing in between; into the page cache, at scattered places that the kernel reads alone; into it in order, so that it reads ahead; what was just read so, again. */
export const WAYS = ['direct', 'fresh', 'spaced', 'alone', 'ahead', 'again'] as const
export type Way = (typeof WAYS)[number]

/** Computing before a spaced read: so many reads in a row with each, of which the first ones find what those before have left. */
export const SPACES_NS: readonly number[] = [10_000, 400_000]
export const READS_PER_SPACE = 40
export const UNCOUNTED_PER_SPACE = 10

/** A place in `SPACES_NS`. */
export function spaceOf(read: number): number {
  return Math.floor(read / READS_PER_SPACE) % SPACES_NS.length
}

export const MOST_READ_BYTES = MIB
/** Of one thread in one phase. */
export const MOST_READS = 50_000
