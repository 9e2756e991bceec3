/** What is said of a break-even that was found, and of none. */
import { describe, expect, it } from 'vitest'
import { searchBreakEven } from '../../src/experiment/break-even/search.ts'
import { checkRange } from '../../src/experiment/sweep/range.ts'
import { breakEvenSentences } from '../../src/report/break-even-figure.ts'

const range = checkRange({ from: '10MiB', to: '1000MiB' }, 'size')
const MS = 1e6

async function sentences(first: (value: number) => number, second: (value: number) => number): Promise<string[]> {
  const result = await searchBreakEven({
    range,
    seeds: [1, 2, 3],
    points: 3,
    tolerance: 0.001,
    measure: async probes => probes.map(({ value, policy }) => (policy === 0 ? first(value) : second(value))),
  })
  return breakEvenSentences({ parameter: 'size', range, policies: ['a', 'b'], metric: 'work done', seeds: 3, result })
}

describe('break-even sentences', () => {
  it('name who is first over the whole range, with the times at its ends', async () => {
    expect(
      await sentences(
        value => value,
        value => value + MS,
      ),
    ).toEqual([
      'a has its work done first from size 10 MiB (10.5 ms against 11.5 ms) to 1000 MiB (1.05 s against 1.05 s): no break-even between.',
    ])
  })

  it('say that two policies are equal, and name no first', async () => {
    expect(
      await sentences(
        value => value,
        value => value,
      ),
    ).toEqual(['a and b are equal in work done from size 10 MiB to 1000 MiB: no break-even between.'])
  })

  it('say that the parameter has no effect', async () => {
    expect(
      await sentences(
        () => 37 * MS,
        () => 37 * MS,
      ),
    ).toEqual([
      'a and b are equal in work done from size 10 MiB to 1000 MiB: no break-even between. size has no effect on either.',
    ])
    expect(
      await sentences(
        () => 38 * MS,
        () => 37 * MS,
      ),
    ).toEqual([
      'b has its work done first from size 10 MiB (37.0 ms against 38.0 ms) to 1000 MiB (37.0 ms against 38.0 ms): no break-even between. size has no effect on either.',
    ])
  })
})
