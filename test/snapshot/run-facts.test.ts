/** Runs and holes against a scan page by page. */
import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'
import { runFacts } from '../../src/snapshot/run-facts.ts'
import type { RamBlock } from '../../src/snapshot/snapshot.ts'
import { bitmapOf } from './support.ts'

function blockOf(name: string, bits: readonly boolean[]): RamBlock {
  const set = bits.flatMap((bit, i) => (bit ? [i] : []))
  const pageCount = bits.length
  const shape = { usedLength: pageCount * 4096, pageSize: 4096, pageCount, setBits: set.length, bitmapOffset: null }
  return { name, ...shape, bitmap: bitmapOf(pageCount, set), pagesOffset: 0, ignored: false }
}

/** Lengths of maximal runs of `value`. */
function naiveRuns(bits: readonly boolean[], value: boolean): { at: number; length: number }[] {
  const runs: { at: number; length: number }[] = []
  bits.forEach((bit, i) => {
    if (bit !== value) return
    if (i > 0 && bits[i - 1] === value) runs[runs.length - 1].length++
    else runs.push({ at: i, length: 1 })
  })
  return runs
}

const bits = fc.array(
  fc.boolean().chain(bit => fc.integer({ min: 1, max: 40 }).map(n => new Array<boolean>(n).fill(bit))),
  { minLength: 1, maxLength: 30 },
)
property.prop([fc.array(bits, { minLength: 1, maxLength: 3 })], { numRuns: 100 })('are those of a scan', given => {
  const all = given.map(pieces => pieces.flat())
  const facts = runFacts(all.map((of, i) => blockOf(`b${i}`, of)))
  for (const [name, value] of [
    ['data', true],
    ['zero', false],
  ] as const) {
    const lengths = all.flatMap(of => naiveRuns(of, value).map(({ length }) => length)).sort((a, b) => a - b)
    const pages = lengths.reduce((sum, n) => sum + n, 0)
    expect(facts[name]).toEqual({
      count: lengths.length,
      pages,
      mean: lengths.length === 0 ? 0 : pages / lengths.length,
      median: lengths[Math.ceil(lengths.length / 2) - 1] ?? 0,
      largest: lengths.at(-1) ?? 0,
    })
  }
  const holes = all
    .flatMap((of, b) =>
      naiveRuns(of, false).map(({ at, length }) => ({ block: `b${b}`, offset: at * 4096, length: length * 4096 })),
    )
    .sort((a, b) => b.length - a.length)
  expect(facts.largestHoles).toEqual(holes.slice(0, 5))
})

test('of blocks that are not in the file are none', () => {
  const ignored = { ...blockOf('shared', [false, false]), ignored: true }
  expect(runFacts([ignored])).toMatchObject({ data: { count: 0, median: 0 }, zero: { count: 0 }, largestHoles: [] })
})
