/** The cell through which the policy objects of one restore tell each other of faults. */
import { describe, expect, test } from 'vitest'
import { FAULT_FEED_WORDS, FaultFeed } from '../../src/policy/policy-host.ts'

describe('the fault feed', () => {
  test('counts what is published, and has the page of the last one, up to the last page there can be', () => {
    const feed = new FaultFeed()
    expect(feed.count).toBe(0)
    for (const [i, page] of [7, 0, 2 ** 32 - 1, 2 ** 31].entries()) {
      feed.publish(page)
      expect([feed.count, feed.lastPage]).toEqual([i + 1, page])
    }
  })

  test('is one over shared memory, whoever publishes', () => {
    const words = new Int32Array(new SharedArrayBuffer(4 * FAULT_FEED_WORDS))
    const [handler, other, worker] = [new FaultFeed(words), new FaultFeed(words), new FaultFeed(words)]
    handler.publish(3)
    other.publish(5)
    expect([worker.count, worker.lastPage]).toEqual([2, 5])
  })

  test('goes on counting past the largest word', () => {
    const words = Int32Array.of(2 ** 31 - 1, 0)
    const feed = new FaultFeed(words)
    const before = feed.count
    feed.publish(1)
    expect(feed.count).not.toBe(before)
  })
})
