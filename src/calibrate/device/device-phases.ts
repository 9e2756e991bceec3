/**
 * The reads that a device is measured with: 4 KiB and 1 MiB from one thread to many, for its ceilings; more sizes from one
 * thread, for their CPU; large ones into memory without pages, small ones with computing in between; and the same into an empty page cache, without readahead and with it,
 * and what is in it then.
 */
import { MIB } from '../../core/units.ts'
import type { Samples } from '../estimate.ts'
import type { Phase, PhaseResult } from './device-load.ts'
import { READS_PER_SPACE, SPACES_NS, spaceOf, UNCOUNTED_PER_SPACE } from './reader-job.ts'

export const SMALL = 4096
export const LARGE = MIB
/** 4 KiB pages of one read by a thread alone: past the page cache, and into it as Linux reads alone by default. */
export const DIRECT_PAGES: readonly number[] = [1, 4, 16, 32, 256]
export const ALONE_PAGES: readonly number[] = [1, 4, 16, 32]
/** In order, with readahead. */
export const AHEAD_PAGES = 32

/** For reads with each of the spaces, of a device that takes 150 µs for one. */
const SPACED_MS = 100

/** A phase, and what it gave in each round. */
export interface PhaseRounds {
  readonly phase: Phase
  readonly results: readonly PhaseResult[]
}

export const DEVICE_PHASES: readonly Phase[] = [
  ...DIRECT_PAGES.map(pages => ({ threads: 1, readBytes: pages * SMALL, way: 'direct' as const })),
  ...[2, 4, 8, 16].map(threads => ({ threads, readBytes: SMALL, way: 'direct' as const })),
  ...[2, 4, 8].map(threads => ({ threads, readBytes: LARGE, way: 'direct' as const })),
  { threads: 1, readBytes: LARGE, way: 'fresh' },
  { threads: 1, readBytes: SMALL, way: 'spaced', leastMs: SPACED_MS },
  ...ALONE_PAGES.map(pages => ({ threads: 1, readBytes: pages * SMALL, way: 'alone' as const })),
  { threads: 1, readBytes: AHEAD_PAGES * SMALL, way: 'ahead' },
  { threads: 1, readBytes: AHEAD_PAGES * SMALL, way: 'again' },
]

/** Direct reads of one size, from one thread to many. */
export function directReads(rounds: readonly PhaseRounds[], readBytes: number): PhaseRounds[] {
  return rounds.filter(({ phase }) => phase.way === 'direct' && phase.readBytes === readBytes)
}

/** ns of each read of a thread that computes in between, by how long, in each round. */
export function spacedReads(rounds: readonly PhaseRounds[]): readonly (readonly number[])[][] {
  const { results } = rounds.find(({ phase }) => phase.way === 'spaced')!
  return results.map(({ latenciesNs }) =>
    SPACES_NS.map((_, space) =>
      [...latenciesNs].filter((_, read) => spaceOf(read) === space && read % READS_PER_SPACE >= UNCOUNTED_PER_SPACE),
    ),
  )
}

/** CPU of reads by one thread, as samples, one a round: `direct read 16`, `alone read 16` and the like, by 4 KiB pages. */
export function readSamples(rounds: readonly PhaseRounds[]): Samples {
  const single = rounds.filter(({ phase }) => phase.threads === 1)
  return new Map(
    single.map(({ phase: { way, readBytes }, results }) => [
      `${way} read ${readBytes / SMALL}`,
      results.map(({ cpuPerReadNs }) => cpuPerReadNs),
    ]),
  )
}
