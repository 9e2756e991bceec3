import { describe, expect, it } from 'vitest'
import { mergeResidency } from '../../../src/uffd/engine/residency.ts'

describe('residency of several threads', () => {
  it('never falls: a point goes whose thread looked at the clock late', () => {
    const merged = mergeResidency(
      [
        [
          [110, 1],
          [150, 2], // the third page was there at 140 already
        ],
        [[140, 3]],
      ],
      100,
      10,
    )
    expect(merged).toEqual([
      { timeNs: 0, bytes: 10 },
      { timeNs: 10, bytes: 11 },
      { timeNs: 40, bytes: 13 },
    ])
  })

  it('is of bounded length, and ends with the last point', () => {
    const series = Array.from({ length: 5000 }, (_, i): [number, number] => [i, i])
    const merged = mergeResidency([series], 0, 0)
    expect(merged.length).toBeLessThanOrEqual(514)
    expect(merged.at(-1)).toEqual({ timeNs: 4999, bytes: 4999 })
  })
})
