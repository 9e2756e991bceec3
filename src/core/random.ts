/**
 * A small seeded generator for the hot loop: xorshift32 (Marsaglia, "Xorshift RNGs", J. Stat. Soft. 8(14), 2003).
 * The state is one word of a typed array, so that a C twin can follow it bit for bit. Where speed does not matter, as in
 * the workload generators, pure-rand is used.
 */

export type RandomState = Uint32Array

/** A non-zero state that differs well between near seeds (one round of the murmur3 finaliser). */
export function createRandom(seed: number): RandomState {
  let h = (seed ^ 0x9e3779b9) >>> 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  h = (h ^ (h >>> 16)) >>> 0
  return new Uint32Array([h === 0 ? 1 : h])
}

/** The next 32 random bits, 1..2^32-1. */
export function nextUint32(state: RandomState): number {
  let x = state[0]
  x ^= x << 13
  x ^= x >>> 17
  x ^= x << 5
  state[0] = x
  return x >>> 0
}

/** Uniform in [0, 1). */
export function nextFloat(state: RandomState): number {
  return nextUint32(state) / 0x1_0000_0000
}
