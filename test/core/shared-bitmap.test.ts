/** Shared bitmaps: as a naive model of booleans, and, where threads compete, each bit claimed by exactly one. */
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Bitmap, countBits, testBit } from '../../src/core/bitmap.ts'
import { claimSharedBits, createSharedBitmap, setSharedBits } from '../../src/core/shared-bitmap.ts'

const BITS = 200

interface Step {
  readonly claims: boolean
  readonly first: number
  readonly count: number
}

const steps = fc.array(
  fc
    .record({ claims: fc.boolean(), first: fc.nat({ max: BITS - 1 }), length: fc.nat({ max: BITS }) })
    .map(({ claims, first, length }): Step => ({ claims, first, count: Math.min(length, BITS - first) })),
  { maxLength: 20 },
)

function bitsOf(bitmap: Bitmap): boolean[] {
  return Array.from({ length: BITS }, (_, bit) => testBit(bitmap, bit))
}

describe('one thread', () => {
  it('sets and claims as a list of booleans would', () => {
    fc.assert(
      fc.property(steps, steps => {
        const bitmap = createSharedBitmap(BITS)
        const naive = new Array<boolean>(BITS).fill(false)
        for (const { claims, first, count } of steps) {
          let free = first
          while (free < first + count && !(claims && naive[free])) naive[free++] = true
          if (claims) expect(claimSharedBits(bitmap, first, count)).toBe(free - first)
          else setSharedBits(bitmap, first, count)
          expect(bitsOf(bitmap)).toEqual(naive)
        }
      }),
    )
  })

  it.each([
    [0, 32],
    [31, 1],
    [31, 2],
    [5, 123],
    [64, 0],
  ])('claims bits from %i on, %i of them, and none beside them', (first, count) => {
    const bitmap = createSharedBitmap(BITS)
    expect(claimSharedBits(bitmap, first, count)).toBe(count)
    expect([countBits(bitmap, 0, BITS), countBits(bitmap, first, count)]).toEqual([count, count])
    expect(count === 0 || claimSharedBits(bitmap, first, count) === 0).toBe(true)
  })

  it('is shared, not copied, by whoever gets it posted', () => {
    expect(createSharedBitmap(1).buffer).toBeInstanceOf(SharedArrayBuffer)
  })
})

/** Claims what is free next, most often a few bits, as all others do at the same place; answers the bits that it got. */
const RACER = `
import { parentPort, workerData } from 'node:worker_threads'
const { bitmap, bits, gate, racers, seed, modules } = workerData
const { claimSharedBits } = await import(modules + 'shared-bitmap.js')
const { nextClearBit } = await import(modules + 'bitmap.js')
const own = new Uint32Array(bitmap.length)
let random = seed
Atomics.add(gate, 0, 1)
Atomics.notify(gate, 0)
while (Atomics.load(gate, 0) < racers) Atomics.wait(gate, 0, Atomics.load(gate, 0), 10)
let total = 0
for (let at = 0; at < bits; at = nextClearBit(bitmap, at, bits)) {
  random = (Math.imul(random, 1664525) + 1013904223) >>> 0
  const most = random < 2 ** 28 ? 70 : 3
  const count = Math.min(bits - at, 1 + (random >>> 8) % most)
  const got = claimSharedBits(bitmap, at, count)
  for (let bit = at; bit < at + got; bit++) own[bit >>> 5] |= 1 << (bit & 31)
  total += got
}
parentPort.postMessage({ own, total })
`

it('of threads that compete for all bits, each bit goes to exactly one', async () => {
  const bits = 1_000_000
  const racers = 3
  const bitmap = createSharedBitmap(bits)
  const gate = new Int32Array(new SharedArrayBuffer(4))
  // Node runs no TypeScript in workers: they take the built modules.
  const modules = new URL('../../dist/core/', import.meta.url).href
  const entry = new URL(`data:text/javascript,${encodeURIComponent(RACER)}`)
  const won = await Promise.all(
    Array.from({ length: racers }, (_, seed) => {
      const worker = new Worker(entry, { workerData: { modules, bitmap, bits, gate, racers, seed } })
      return new Promise<{ own: Uint32Array; total: number }>((resolve, reject) => {
        worker.once('message', resolve)
        worker.once('error', reject)
      })
    }),
  )
  for (let word = 0; word < bitmap.length; word++) {
    const sum = won.reduce((all, { own }) => all + own[word], 0)
    if (sum !== bitmap[word]) throw new Error(`word ${word}: found a bit that nobody or two have claimed`)
  }
  expect(countBits(bitmap, 0, bits)).toBe(bits)
  expect(won.reduce((all, { total }) => all + total, 0)).toBe(bits)
})
