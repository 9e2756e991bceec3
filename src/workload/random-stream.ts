/**
 * The generators' randomness: one xoroshiro128+ (pure-rand) for each purpose and vCPU, all from the one seed. Streams of
 * their own keep choices apart: another think time or write share leaves the pages as they were.
 */
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus'
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator'
import { LazyRestoreError } from '../core/error.ts'
import { createRandom } from '../core/random.ts'

export type RandomStream = RandomGenerator

const PURPOSES = ['pages', 'times', 'idle', 'set', 'order', 'permutation'] as const
export type StreamPurpose = (typeof PURPOSES)[number]

/** The stream of `seed` for a purpose; `index` is the vCPU where each has a stream of its own. */
export function createStream(seed: number, purpose: StreamPurpose, index = 0): RandomStream {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new LazyRestoreError('usage', `seed: found ${seed}, expected a whole number from 0 to 2^53 - 1`)
  }
  const stream = mix(Math.floor(seed / 2 ** 32) ^ mix(PURPOSES.indexOf(purpose) * 0x1_0000 + index))
  const words = [0, 1, 2, 3].map(word => mix((seed >>> 0) ^ mix(stream + word)) | 0)
  return xoroshiro128plusFromState(words)
}

/** One round of a 32-bit finaliser, never 0, so that the generator's state is never all zeros. */
function mix(word: number): number {
  return createRandom(word)[0]
}

/** Uniform in `[0, count)`, exactly; count 1..2^32. */
export function below(stream: RandomStream, count: number): number {
  return uniformInt(stream, 0, count - 1)
}

/** Uniform in [0, 1), 53 bits. */
export function unit(stream: RandomStream): number {
  return uniformFloat64(stream)
}

/** True with probability `share`; a share of 1 is always true, 0 never. One draw. */
export function chance(stream: RandomStream, share: number): boolean {
  return stream.next() >>> 0 < share * 2 ** 32
}
