/** Bitmaps against arrays of booleans. */
import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import {
  addBits,
  clearBit,
  countBits,
  createBitmap,
  nextClearBit,
  nextSetBit,
  popcount32,
  popcount64,
  previousClearBit,
  setBit,
  setBits,
  testBit,
} from '../../src/core/bitmap.ts'

/** Runs of equal bits, so that whole words of either sort occur. */
const anyBits = fc
  .array(fc.tuple(fc.boolean(), fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 90 }))), {
    minLength: 1,
    maxLength: 8,
  })
  .map(runs => runs.flatMap(([bit, count]) => new Array<boolean>(count).fill(bit)))

const anyBitsAndRange = anyBits.chain(bits =>
  fc.record({
    bits: fc.constant(bits),
    first: fc.integer({ min: 0, max: bits.length }),
    end: fc.integer({ min: 0, max: bits.length }),
  }),
)

function bitmapOf(bits: readonly boolean[]): Uint32Array {
  const bitmap = createBitmap(bits.length)
  bits.forEach((bit, i) => {
    if (bit) setBit(bitmap, i)
  })
  return bitmap
}

function bitsOf(bitmap: Uint32Array, count: number): boolean[] {
  return Array.from({ length: count }, (_, i) => testBit(bitmap, i))
}

describe('a bitmap', () => {
  test('is empty at first and as many words long as its bits need', () => {
    expect([0, 1, 32, 33, 64].map(bits => createBitmap(bits).length)).toEqual([0, 1, 1, 2, 2])
    expect(bitsOf(createBitmap(70), 70)).not.toContain(true)
  })

  property.prop([anyBits], { numRuns: 500 })('holds what was set, and nothing behind it', bits => {
    const bitmap = bitmapOf(bits)
    expect(bitsOf(bitmap, bits.length)).toEqual(bits)
    expect(bitsOf(bitmap, bitmap.length * 32).slice(bits.length)).not.toContain(true)
  })

  property.prop([anyBitsAndRange], { numRuns: 500 })('loses only the bit that is cleared', ({ bits, first }) => {
    fc.pre(first < bits.length)
    const bitmap = bitmapOf(bits)
    clearBit(bitmap, first)
    expect(bitsOf(bitmap, bits.length)).toEqual(bits.with(first, false))
  })

  property.prop([anyBitsAndRange], { numRuns: 1000 })('gets every bit of a range set, and no other', given => {
    const { bits, first, end } = given
    const bitmap = bitmapOf(bits)
    setBits(bitmap, first, end - first)
    expect(bitsOf(bitmap, bits.length)).toEqual(bits.map((bit, i) => bit || (i >= first && i < end)))
  })

  property.prop([anyBitsAndRange], { numRuns: 1000 })('counts and finds as a loop over booleans does', given => {
    const { bits, first, end } = given
    const bitmap = bitmapOf(bits)
    const range = bits.slice(first, end)
    const at = (index: number) => (index < 0 ? end : first + index)
    expect(countBits(bitmap, first, end - first)).toBe(range.filter(bit => bit).length)
    expect(nextSetBit(bitmap, first, end)).toBe(at(range.indexOf(true)))
    expect(nextClearBit(bitmap, first, end)).toBe(at(range.indexOf(false)))
    expect(previousClearBit(bitmap, end, first)).toBe(first + range.lastIndexOf(false))
  })

  property.prop([anyBits, anyBits, fc.integer({ min: 0, max: 100 })])(
    'gets the bits of another one, at any place',
    (bits, present, gap) => {
      const place = present.length + gap
      const bitmap = createBitmap(place + bits.length)
      addBits(bitmapOf(present), present.length, bitmap, 0)
      addBits(bitmapOf(bits), bits.length, bitmap, place)
      expect(bitsOf(bitmap, place + bits.length)).toEqual([...present, ...new Array<boolean>(gap).fill(false), ...bits])
    },
  )

  test('finds nothing beyond the end of the range, though the word goes on', () => {
    const bitmap = bitmapOf([false, false, false, true])
    expect(nextSetBit(bitmap, 0, 3)).toBe(3)
    expect(nextSetBit(bitmap, 0, 2)).toBe(2)
    expect(nextClearBit(Uint32Array.of(0xffffffff, 0xffffffff), 5, 40)).toBe(40)
  })

  test('reaches beyond index 2^31', () => {
    const base = 2 ** 31
    const bitmap = createBitmap(base + 64)
    setBits(bitmap, base - 2, 5)
    expect(nextSetBit(bitmap, base - 40, base + 64)).toBe(base - 2)
    expect(nextClearBit(bitmap, base - 2, base + 64)).toBe(base + 3)
    expect(countBits(bitmap, base - 40, 104)).toBe(5)
    expect([base - 3, base + 2, base + 3].map(index => testBit(bitmap, index))).toEqual([false, true, false])
  })
})

describe('popcount32', () => {
  property.prop([fc.integer({ min: 0, max: 0xffffffff })], { numRuns: 1000 })('counts the ones of any word', word => {
    const ones = [...word.toString(2)].filter(digit => digit === '1').length
    expect(popcount32(word)).toBe(ones)
    expect(popcount32(word | 0)).toBe(ones)
  })
})

describe('popcount64', () => {
  const word = fc.oneof(fc.integer({ min: 0, max: 0xffffffff }), fc.constantFrom(0, -1))
  property.prop([word, word], { numRuns: 1000 })('counts the ones of any two words', (low, high) => {
    expect(popcount64(low, high)).toBe(popcount32(low) + popcount32(high))
  })
})
