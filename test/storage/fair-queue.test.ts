/** Sharing by start-time fair queueing, by hand, and what it promises whatever comes. */
import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, it } from 'vitest'
import type { DeviceParameters } from '../../src/storage/device.ts'
import { DeviceQueue } from '../../src/storage/device-queue.ts'
import { FairQueue } from '../../src/storage/fair-queue.ts'

/** 1 ns a byte at the gate, 10 µs after it, one request at a time at the gate and 100 under way. */
const DEVICE: DeviceParameters = {
  latencyNs: 10_000,
  latencyP99Ns: 10_000,
  bandwidthBytesPerS: 1e9,
  iopsLimit: 1e12,
  queueDepth: 100,
  haltPollNs: 0,
  idleWakeNs: 0,
  cpuPerReadNs: 0,
  cpuPerRead4kNs: 0,
}

/** Sends reads [restore, bytes] at 0 and tells when each is done. */
function ends(reads: readonly (readonly [number, number])[]): number[] {
  const queue = new FairQueue(new DeviceQueue(DEVICE, 1), DEVICE, 10)
  const done = reads.map(() => 0)
  for (const [index, [restore, bytes]] of reads.entries()) {
    done[index] = queue.submit(restore, 0, bytes, 0)
    queue.pending?.whenKnown(readyNs => {
      done[index] = readyNs
    })
  }
  while (queue.nextNs < Number.POSITIVE_INFINITY) queue.sendNext()
  return done
}

describe('a fair queue', () => {
  it('serves one restore in order, as the medium alone would', () => {
    expect(
      ends([
        [0, 1000],
        [0, 2000],
        [0, 3000],
      ]),
    ).toEqual([11_000, 13_000, 16_000])
  })

  it('lets a small read of one restore go before the backlog of another', () => {
    // Restore 0 has virtual starts 0, 100 µs, 200 µs; restore 1 begins at 0.
    expect(
      ends([
        [0, 100_000],
        [0, 100_000],
        [0, 100_000],
        [1, 1000],
        [1, 1000],
      ]),
    ).toEqual([110_000, 112_000 + 100_000, 212_000 + 100_000, 111_000, 112_000])
  })

  it('gives those that have a backlog equal parts, whatever the size of their reads', () => {
    const large = Array.from({ length: 20 }, () => [0, 8000] as const)
    const small = Array.from({ length: 80 }, () => [1, 1000] as const)
    const done = ends([...large, ...small])
    const bytesBy = (restore: number, ns: number) =>
      [...large, ...small].reduce((sum, [of, bytes], i) => sum + (of === restore && done[i] <= ns ? bytes : 0), 0)
    // At any time they are no further apart than two of the largest reads.
    for (let ns = 20_000; ns < 170_000; ns += 10_000) {
      expect(Math.abs(bytesBy(0, ns) - bytesBy(1, ns))).toBeLessThanOrEqual(16_000)
    }
  })

  property.prop([fc.array(fc.tuple(fc.nat(9), fc.integer({ min: 1, max: 50_000 })), { minLength: 1, maxLength: 60 })])(
    'is never idle while a read waits, and loses none',
    reads => {
      const done = ends(reads)
      const bytes = reads.reduce((sum, [, size]) => sum + size, 0)
      expect(Math.max(...done)).toBe(bytes + 10_000)
      expect(new Set(done).size).toBe(reads.length)
    },
  )
})
