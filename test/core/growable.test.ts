import { describe, expect, it } from 'vitest'
import { withRoom } from '../../src/core/growable.ts'

describe('a column that grows', () => {
  it('stays what it is while it has room', () => {
    const column = Uint16Array.of(1, 2, 3)
    expect(withRoom(column, 3)).toBe(column)
  })

  it('keeps its entries and type, and doubles at least, so that appending costs constant time', () => {
    const column = new Float64Array(1000).fill(0.5)
    const grown = withRoom(column, 1001)
    expect(grown).toBeInstanceOf(Float64Array)
    expect(grown.length).toBe(2000)
    expect(grown.subarray(0, 1000)).toEqual(column)
  })

  it('has room for all that comes at once', () => {
    expect(withRoom(new Uint8Array(10), 5000).length).toBe(5000)
  })
})
