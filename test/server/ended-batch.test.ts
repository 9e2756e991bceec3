import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, it } from 'vitest'
import { decodeBatch, encodeBatch, packBatch, unpackBatch } from '../../server/jobs/ended-batch.ts'
import type { EndedCellBytes } from '../../server/jobs/job.ts'

const bytes = fc.uint8Array({ maxLength: 40 })
const cell: fc.Arbitrary<EndedCellBytes> = fc.record({
  state: fc.constantFrom('done', 'failed'),
  tookMs: fc.double({ min: 0, max: 1e6, noNaN: true }),
  ended: bytes,
  result: fc.option(bytes),
})

const plain = (cells: readonly EndedCellBytes[]) =>
  cells.map(({ ended, result, ...rest }) => ({ ...rest, ended: [...ended], result: result && [...result] }))

describe('a batch that has ended', () => {
  property.prop([fc.array(fc.tuple(fc.nat(), cell), { maxLength: 20 })])(
    'is the same in one piece of memory, and as one value',
    pairs => {
      const indexes = pairs.map(([index]) => index)
      const cells = pairs.map(([, cell]) => cell)
      const batch = packBatch(cells)
      expect(plain(unpackBatch(batch))).toEqual(plain(cells))
      const [indexesAgain, again] = decodeBatch(encodeBatch(indexes, batch))
      expect(indexesAgain).toEqual(indexes)
      expect(plain(again)).toEqual(plain(cells))
    },
  )

  it('is refused when it is cut short', () => {
    expect(() => decodeBatch(Buffer.alloc(2))).toThrow(/found 2 bytes, expected the description/)
    expect(() => decodeBatch(Buffer.of(9, 0, 0, 0, 1))).toThrow(/found 5 bytes, expected the description/)
  })
})
