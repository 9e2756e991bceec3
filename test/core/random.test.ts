/** The generator of the hot loop. */
import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { createRandom, nextFloat, nextUint32 } from '../../src/core/random.ts'

describe('xorshift32', () => {
  test('gives the known numbers from state 1', () => {
    const state = Uint32Array.of(1)
    expect(Array.from({ length: 4 }, () => nextUint32(state))).toEqual([270369, 67634689, 2647435461, 307599695])
  })

  property.prop([fc.integer({ min: 0, max: 2 ** 32 - 1 })], { numRuns: 500 })(
    'starts from any seed, never at 0',
    seed => {
      const state = createRandom(seed)
      expect(state[0]).not.toBe(0)
      expect(createRandom(seed)).toEqual(state)
      expect(createRandom((seed + 1) % 2 ** 32)).not.toEqual(state)
      const value = nextFloat(state)
      expect(value).toBeGreaterThanOrEqual(0)
      expect(value).toBeLessThan(1)
    },
  )

  test('starts from the one seed whose hash is 0', () => {
    expect(createRandom(0x9e3779b9)).toEqual(Uint32Array.of(1))
  })
})
