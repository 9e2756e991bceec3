/**
 * Bitmaps over `Uint32Array` words: bit `i` is bit `i & 31` of word `i >>> 5`. Indices run to 2^32 - 1. Shifts take their
 * count modulo 32 by themselves. Plain functions over typed arrays, because they stand in the simulator's hot loop.
 */

export type Bitmap = Uint32Array

/** A bitmap of `bits` zeros. The memory is touched, and so becomes resident, only where bits are set. */
export function createBitmap(bits: number): Bitmap {
  return new Uint32Array(Math.ceil(bits / 32))
}

/** A bitmap of so many bits in which those at `indices` are set. */
export function bitmapOf(indices: Uint32Array, bits: number): Bitmap {
  const bitmap = createBitmap(bits)
  for (let i = 0; i < indices.length; i++) setBit(bitmap, indices[i])
  return bitmap
}

export function testBit(bitmap: Bitmap, index: number): boolean {
  return (bitmap[index >>> 5] & (1 << index)) !== 0
}

export function setBit(bitmap: Bitmap, index: number): void {
  bitmap[index >>> 5] |= 1 << index
}

export function clearBit(bitmap: Bitmap, index: number): void {
  bitmap[index >>> 5] &= ~(1 << index)
}

/** Sets bits `[first, first + count)`. */
export function setBits(bitmap: Bitmap, first: number, count: number): void {
  if (count === 1) setBit(bitmap, first)
  else if (count > 1) setRun(bitmap, first, count)
}

function setRun(bitmap: Bitmap, first: number, count: number): void {
  const last = first + count - 1
  const firstWord = first >>> 5
  const lastWord = last >>> 5
  const head = -1 << (first & 31)
  const tail = -1 >>> (31 - (last & 31))
  if (firstWord === lastWord) {
    bitmap[firstWord] |= head & tail
    return
  }
  bitmap[firstWord] |= head
  for (let word = firstWord + 1; word < lastWord; word++) bitmap[word] = 0xffffffff
  bitmap[lastWord] |= tail
}

/** Adds bits `[0, count)` of `from` to `to`, from bit `first` on. Bits of `from` past `count` must be clear. */
export function addBits(from: Bitmap, count: number, to: Bitmap, first: number): void {
  const words = Math.ceil(count / 32)
  const base = first >>> 5
  const shift = first & 31
  for (let word = 0; word < words; word++) {
    to[base + word] |= from[word] << shift
    if (shift > 0 && base + word + 1 < to.length) to[base + word + 1] |= from[word] >>> (32 - shift)
  }
}

/** Number of set bits in a 32-bit word (Hacker's Delight, 2nd edition, figure 5-2). */
export function popcount32(word: number): number {
  let v = word - ((word >>> 1) & 0x55555555)
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333)
  return Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

/** Number of set bits in two words; the halves are added as soon as their sums fit. */
export function popcount64(low: number, high: number): number {
  let l = low - ((low >>> 1) & 0x55555555)
  let h = high - ((high >>> 1) & 0x55555555)
  l = (l & 0x33333333) + ((l >>> 2) & 0x33333333)
  h = (h & 0x33333333) + ((h >>> 2) & 0x33333333)
  const v = l + h
  return Math.imul((v & 0x0f0f0f0f) + ((v >>> 4) & 0x0f0f0f0f), 0x01010101) >>> 24
}

/** Mask of the bits of a word that lie in `[from, to)`; `from` 0..31, `to` 1..32. */
function wordMask(from: number, to: number): number {
  return (-1 << from) & (-1 >>> (32 - to))
}

/** Number of set bits in `[first, first + count)`. */
export function countBits(bitmap: Bitmap, first: number, count: number): number {
  if (count <= 0) return 0
  const end = first + count
  const firstWord = first >>> 5
  const lastWord = (end - 1) >>> 5
  if (firstWord === lastWord) return popcount32(bitmap[firstWord] & wordMask(first & 31, ((end - 1) & 31) + 1))
  let total = popcount32(bitmap[firstWord] & wordMask(first & 31, 32))
  for (let word = firstWord + 1; word < lastWord; word++) total += popcount32(bitmap[word])
  return total + popcount32(bitmap[lastWord] & wordMask(0, ((end - 1) & 31) + 1))
}

/** The first set bit in `[from, end)`, or `end` when there is none. */
export function nextSetBit(bitmap: Bitmap, from: number, end: number): number {
  return scan(bitmap, from, end, 0)
}

/** The first clear bit in `[from, end)`, or `end` when there is none. */
export function nextClearBit(bitmap: Bitmap, from: number, end: number): number {
  return scan(bitmap, from, end, -1)
}

/** The last clear bit in `[from, end)`, or `from - 1` when there is none. */
export function previousClearBit(bitmap: Bitmap, end: number, from: number): number {
  if (from >= end) return from - 1
  let word = (end - 1) >>> 5
  const firstWord = from >>> 5
  let bits = ~bitmap[word] & wordMask(0, ((end - 1) & 31) + 1)
  while (bits === 0) {
    if (--word < firstWord) return from - 1
    bits = ~bitmap[word]
  }
  const index = word * 32 + (31 - Math.clz32(bits))
  return Math.max(index, from - 1)
}

function scan(bitmap: Bitmap, from: number, end: number, flip: number): number {
  if (from >= end) return end
  let word = from >>> 5
  const lastWord = (end - 1) >>> 5
  let bits = (bitmap[word] ^ flip) & (-1 << (from & 31))
  while (bits === 0) {
    word++
    if (word > lastWord) return end
    bits = bitmap[word] ^ flip
  }
  const index = word * 32 + (31 - Math.clz32(bits & -bits))
  return index < end ? index : end
}
