/** The cells of a sweep: every combination once, the same for the same seed, neighbours alike, draws spread as they should. */
import { fc, test } from '@fast-check/vitest'
import { describe, expect, it } from 'vitest'
import { sweepCells } from '../../../src/experiment/sweep/cells.ts'
import { latinHypercubePart, randomPart } from '../../../src/experiment/sweep/design.ts'
import { parseQuantity, writeQuantity } from '../../../src/experiment/sweep/quantity.ts'
import { checkRange, valueAt } from '../../../src/experiment/sweep/range.ts'
import { checkSweepSpec } from '../../../src/experiment/sweep/spec.ts'

const spec = (value: object) => checkSweepSpec(value, 'a')
const all = (value: object) => {
  const cells = sweepCells(spec(value))
  return Array.from({ length: cells.count }, (_, index) => cells.at(index))
}

describe('the cells of a sweep', () => {
  it('are every combination, the policy fastest, the snapshot slowest', () => {
    const cells = all({
      cell: { snapshot: 'synthetic:{size}', workload: 'zipf:vcpus={vcpus}', storage: '{storage}' },
      grid: { size: ['1MiB', '2MiB'], vcpus: [1, 2], storage: ['nvme', 'sata-ssd'], policy: ['lazy', 'eager'] },
      repetitions: 2,
      seed: 5,
    })
    expect(cells).toHaveLength(32)
    expect(new Set(cells.map(cell => JSON.stringify({ ...cell, index: 0 }))).size).toBe(32)
    expect(cells.slice(0, 3).map(({ policy, storage }) => `${policy} ${storage}`)).toEqual([
      'lazy nvme',
      'eager nvme',
      'lazy sata-ssd',
    ])
    expect(cells[4]).toMatchObject({ repetition: 1, seed: 6, workload: 'zipf:vcpus=1' })
    expect(cells.slice(0, 16).every(({ snapshot }) => snapshot === 'synthetic:1MiB')).toBe(true)
    expect(cells[9].variables).toEqual({ size: '1MiB', vcpus: '2', storage: 'nvme', policy: 'eager' })
  })

  test.prop([fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 5 }), fc.integer({ min: 1, max: 4 })])(
    'are each there once, whatever the parts',
    (sizes, repetitions) => {
      const names = sizes.map((_, i) => `v${i}`)
      const grid = Object.fromEntries(names.map((name, i) => [name, Array.from({ length: sizes[i] }, (_, at) => at)]))
      const policy = names.map(name => `{${name}}`).join('-')
      const cells = all({ cell: { policy }, grid, repetitions })
      const count = sizes.reduce((product, size) => product * size, repetitions)
      expect(new Set(cells.map(cell => `${cell.policy} ${cell.repetition}`)).size).toBe(count)
      expect(cells.map(({ index }) => index)).toEqual(Array.from({ length: count }, (_, i) => i))
    },
  )

  it('are no more than a sweep may have', () => {
    const grid = { policy: Array.from({ length: 1000 }, (_, i) => i) }
    expect(() => sweepCells(spec({ grid, repetitions: 1001 }))).toThrow(/found 1001000 cells, expected at most 1000000/)
  })
})

const share = checkRange({ from: '0%', to: '100%' }, 'share')
const size = checkRange({ from: '1MiB', to: '1GiB', scale: 'log', step: '4KiB' }, 'size')

describe('draws', () => {
  test.prop([fc.integer({ min: 0, max: 1e9 }), fc.integer({ min: 1, max: 50 })])(
    'of a Latin hypercube have one point in each slice of each variable',
    (seed, points) => {
      const part = latinHypercubePart({ points, of: { a: share, b: share } }, seed)
      for (const name of ['a', 'b']) {
        const slices = part.points.map(point => Math.floor(parseQuantity(point[name])!.value * points + 1e-9))
        expect(slices.toSorted((x, y) => x - y)).toEqual(Array.from({ length: points }, (_, i) => i))
      }
    },
  )

  it('are the same for the same seed, and stay when a variable is added', () => {
    const draw = (seed: number, of: Record<string, typeof share>) => randomPart({ points: 20, of }, seed).points
    expect(draw(1, { a: share })).toEqual(draw(1, { a: share }))
    expect(draw(1, { a: share })).not.toEqual(draw(2, { a: share }))
    expect(draw(1, { size, a: share }).map(({ a }) => a)).toEqual(draw(1, { a: share }).map(({ a }) => a))
  })

  test.prop([fc.double({ min: 0, max: 1, noNaN: true })])('stay in their range and on its steps', place => {
    const value = valueAt(size, place)
    expect(value % 4096).toBe(0)
    expect(value >= 2 ** 20 && value <= 2 ** 30).toBe(true)
  })

  test.prop([fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom('share', 'ns', 'bytes', 'number' as const)])(
    'are read back as they were written',
    (value, unit) => {
      const written = writeQuantity({ value: unit === 'share' ? value : value * 1e9, unit: unit as 'share' })
      const read = parseQuantity(written)!
      expect(writeQuantity({ ...read, unit: unit as 'share' })).toBe(written)
    },
  )
})
