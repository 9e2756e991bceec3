/**
 * A seeded permutation of `[0, count)` that needs no memory: an unbalanced Feistel network over the fewest bits that hold
 * `count`, walked again while it leaves the range (cycle walking; Black & Rogaway, "Ciphers with Arbitrary Finite
 * Domains", CT-RSA 2002). The domain is under twice the range, so that fewer than two walks are needed on the mean.
 * It scatters, it does not protect: four rounds of a 32-bit mix.
 */
import type { RandomStream } from './random-stream.ts'

const ROUNDS = 4

export interface Permutation {
  readonly count: number
  /** Bits of the half that a round changes; the halves change roles, so that it is this in even rounds and the other in odd. */
  readonly evenBits: number
  readonly oddBits: number
  readonly keys: Int32Array
}

/** `count` is 1..2^32. */
export function createPermutation(count: number, stream: RandomStream): Permutation {
  const bits = count <= 2 ? 1 : 32 - Math.clz32(count - 1)
  const keys = Int32Array.from({ length: ROUNDS }, () => stream.next())
  return { count, evenBits: bits >>> 1, oddBits: bits - (bits >>> 1), keys }
}

/** Where `index` goes. */
export function permute(permutation: Permutation, index: number): number {
  let value = index
  do value = feistel(permutation, value)
  while (value >= permutation.count)
  return value
}

/** Splits the value into `left` (evenBits, high) and `right` (oddBits, low); rounds change the one by a mix of the other. */
function feistel({ evenBits, oddBits, keys }: Permutation, value: number): number {
  const evenMask = (1 << evenBits) - 1
  const oddMask = (1 << oddBits) - 1
  let left = value >>> oddBits
  let right = value & oddMask
  for (let round = 0; round < ROUNDS; round += 2) {
    left ^= mix(right ^ keys[round]) & evenMask
    right ^= mix(left ^ keys[round + 1]) & oddMask
  }
  return ((left << oddBits) | right) >>> 0
}

/** The murmur3 finaliser. */
function mix(word: number): number {
  let h = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}
