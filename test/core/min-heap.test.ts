/** The heap gives what sorting would, whatever is pushed, popped and rekeyed. */
import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'
import { MinHeap } from '../../src/core/min-heap.ts'

const anyStep = fc.oneof(
  fc.record({ step: fc.constant('push' as const), key: fc.nat(20), value: fc.nat(1000) }),
  fc.record({ step: fc.constant('pop' as const) }),
  fc.record({ step: fc.constant('rekey' as const), key: fc.nat(20) }),
)

property.prop([fc.array(anyStep, { maxLength: 200 })])('the top is the least key, then the least value', steps => {
  const heap = new MinHeap()
  let naive: [key: number, value: number][] = []
  const sort = () => naive.sort((a, b) => a[0] - b[0] || a[1] - b[1])
  for (const given of steps) {
    if (given.step === 'push') {
      heap.push(given.key, given.value)
      naive.push([given.key, given.value])
    } else if (naive.length === 0) continue
    else if (given.step === 'pop') {
      heap.pop()
      naive = naive.slice(1)
    } else {
      heap.rekeyTop(given.key)
      naive[0][0] = given.key
    }
    sort()
    expect(heap.size).toBe(naive.length)
    expect(heap.topKey).toBe(naive[0]?.[0] ?? Number.POSITIVE_INFINITY)
    if (naive.length > 0) expect(heap.top).toBe(naive[0][1])
  }
})

test('it grows', () => {
  const heap = new MinHeap()
  for (let i = 1000; i > 0; i--) heap.push(i, i)
  for (let i = 1; i <= 1000; i++) {
    expect([heap.topKey, heap.top]).toEqual([i, i])
    heap.pop()
  }
  expect(heap.topKey).toBe(Number.POSITIVE_INFINITY)
})
