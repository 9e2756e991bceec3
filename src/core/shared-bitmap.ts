/**
 * Bitmaps (bitmap.ts) that several threads change at once: over a SharedArrayBuffer, word by word with Atomics. Reads need no
 * care: a plain read sees a word as it was a moment ago, and whoever acts on it decides by an atomic change.
 */
import { type Bitmap, nextClearBit, nextSetBit, setBits } from './bitmap.ts'

/** A bitmap of `bits` zeros that can be posted to workers without being copied. */
export function createSharedBitmap(bits: number): Bitmap {
  return new Uint32Array(new SharedArrayBuffer(Math.ceil(bits / 32) * 4))
}

/** Bits `[first, first + count)` as a bitmap of their own. */
export function sharedPart(bitmap: Bitmap, first: number, count: number): Bitmap {
  const part = createSharedBitmap(count)
  const end = first + count
  for (let bit = nextSetBit(bitmap, first, end); bit < end; bit = nextSetBit(bitmap, bit, end)) {
    const past = nextClearBit(bitmap, bit, end)
    setBits(part, bit - first, past - bit)
    bit = past
  }
  return part
}

/** Sets bits `[first, first + count)`. */
export function setSharedBits(bitmap: Bitmap, first: number, count: number): void {
  forEachWord(first, count, (word, mask) => Atomics.or(bitmap, word, mask))
}

/**
 * Sets bits from `first` on, up to `count` of them or the first one that is set already; returns how many it set. Each bit is
 * set by exactly one caller: what the others see is never set and taken back.
 */
export function claimSharedBits(bitmap: Bitmap, first: number, count: number): number {
  const end = first + count
  for (let bit = first; bit < end; ) {
    const word = bit >>> 5
    const before = Atomics.load(bitmap, word)
    const wanted = maskOf(bit & 31, Math.min(32, end - word * 32))
    const taken = before & wanted
    // Below the lowest bit that is taken, all are free.
    const free = taken === 0 ? wanted : wanted & ((taken & -taken) - 1)
    if (free === 0) return bit - first
    if (Atomics.compareExchange(bitmap, word, before, before | free) !== before) continue
    if (free !== wanted) return word * 32 + (31 - Math.clz32(taken & -taken)) - first
    bit = (word + 1) * 32
  }
  return count
}

function forEachWord(first: number, count: number, visit: (word: number, mask: number) => void): void {
  const end = first + count
  for (let bit = first; bit < end; bit = ((bit >>> 5) + 1) * 32) {
    visit(bit >>> 5, maskOf(bit & 31, Math.min(32, end - (bit >>> 5) * 32)))
  }
}

/** Bits `[from, to)` of a word; `from` 0..31, `to` 1..32. */
function maskOf(from: number, to: number): number {
  return (-1 << from) & (-1 >>> (32 - to))
}
