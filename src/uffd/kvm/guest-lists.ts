/**
 * Lists that the guest works through: entries of 16 bytes, little endian, in memory of their own that is not registered with
 * userfaultfd. The guest puts the result of an entry in its place.
 *
 *     walk  in   u64 guest address, ENTRY_WRITE and ENTRY_IDLE in its top bits · u32 think time in ns · u32 zero
 *           out  u64 TSC before the access · u64 TSC after it
 *     fold  in   u64 guest address · u64 length in bytes, a multiple of 4
 *           out  u32 fold of the words there · the rest is undefined
 */
import { ACCESS_IDLE, ACCESS_WRITE, type Workload } from '../../workload/workload.ts'
import type { GuestClock } from './guest-clock.ts'
import { FOLD_BASIS, FOLD_FACTOR } from './machine-code.ts'

export const ENTRY_BYTES = 16
/** 32-bit words of an entry. */
export const ENTRY_WORDS = 4
/** Bits 63 and 62 of the address, in its upper word. */
const ENTRY_WRITE = 0x8000_0000
const ENTRY_IDLE = 0x4000_0000
const WORD_RANGE = 2 ** 32

export interface GuestRange {
  readonly address: number
  /** A multiple of 4. */
  readonly byteLength: number
}

/** When each access of a vCPU happened, by CLOCK_MONOTONIC of the host. */
export interface AccessTimes {
  /** Before the access; see GuestClock for how exact these are. */
  readonly startNs: Float64Array
  /** Of the access alone, exact to some ns. */
  readonly latencyNs: Float64Array
}

/** Writes accesses `[first, end)` of a workload from the start of `list` on. @param addressOf guest address of a target page */
export function writeAccesses(
  list: Uint32Array,
  { page, thinkNs, flags }: Pick<Workload, 'page' | 'thinkNs' | 'flags'>,
  first: number,
  end: number,
  addressOf: (page: number) => number,
): void {
  for (let access = first, at = 0; access < end; access++, at += ENTRY_WORDS) {
    const address = addressOf(page[access])
    const write = flags[access] & ACCESS_WRITE ? ENTRY_WRITE : 0
    const idle = flags[access] & ACCESS_IDLE ? ENTRY_IDLE : 0
    list[at] = address // its lower 32 bits
    list[at + 1] = Math.floor(address / WORD_RANGE) + write + idle
    list[at + 2] = thinkNs[access]
    list[at + 3] = 0
  }
}

/** Reads what `walk` left of the first `count` entries. */
export function readTimes(list: Uint32Array, count: number, clock: GuestClock): AccessTimes {
  const startNs = new Float64Array(count)
  const latencyNs = new Float64Array(count)
  for (let access = 0, at = 0; access < count; access++, at += ENTRY_WORDS) {
    const before = list[at] + list[at + 1] * WORD_RANGE
    const ticks = list[at + 2] - list[at] + (list[at + 3] - list[at + 1]) * WORD_RANGE
    startNs[access] = clock.nsOf(before)
    latencyNs[access] = ticks / clock.ticksPerNs
  }
  return { startNs, latencyNs }
}

/** Writes ranges to be folded from the start of `list` on. */
export function writeRanges(list: Uint32Array, ranges: readonly GuestRange[]): void {
  for (const [index, { address, byteLength }] of ranges.entries()) {
    const words = [address, Math.floor(address / WORD_RANGE), byteLength, Math.floor(byteLength / WORD_RANGE)]
    list.set(words, index * ENTRY_WORDS)
  }
}

/** Reads what `fold` left of the first `count` entries. */
export function readFolds(list: Uint32Array, count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, index) => list[index * ENTRY_WORDS])
}

/**
 * A checksum of 32-bit words (little endian): for each word h := (rotate h left by 5, xor word) · FOLD_FACTOR mod 2^32,
 * from FOLD_BASIS on. Each step is one to one in the word and in h: a single wrong word always shows, and so does an order.
 */
export function foldWords(words: Uint32Array): number {
  let fold = FOLD_BASIS | 0
  for (let i = 0; i < words.length; i++) fold = Math.imul(((fold << 5) | (fold >>> 27)) ^ words[i], FOLD_FACTOR)
  return fold >>> 0
}
