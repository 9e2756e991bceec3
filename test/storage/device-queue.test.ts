/** The storage device in virtual time. */
import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import type { DeviceParameters } from '../../src/storage/device.ts'
import { DeviceQueue, latencyTable } from '../../src/storage/device-queue.ts'
import { NaiveDevice } from '../sim/naive/disk.ts'
import { anyDevice } from './random-storage.ts'

/** 100 µs always; a gate of 10 µs for 4 KiB: 5,904 ns a read and 1 ns a byte; two slots. */
const CONSTANT: DeviceParameters = {
  latencyNs: 100_000,
  latencyP99Ns: 100_000,
  bandwidthBytesPerS: 1e9,
  iopsLimit: 100_000,
  queueDepth: 2,
  haltPollNs: 0,
  idleWakeNs: 0,
  cpuPerReadNs: 0,
  cpuPerRead4kNs: 0,
}
const DEEP: DeviceParameters = { ...CONSTANT, queueDepth: 1000 }

describe('the table of latencies', () => {
  test('has the median in its middle and the 99th percentile where 99 % lie below', () => {
    const table = latencyTable({ ...CONSTANT, latencyNs: 80_000, latencyP99Ns: 320_000 })
    expect(table.length).toBe(4096)
    expect(table[2047]).toBeLessThanOrEqual(80_000)
    expect(table[2048]).toBeGreaterThanOrEqual(80_000)
    // The middle of share 4,054 is at 98.99 %, that of share 4,055 at 99.01 %.
    expect(table[4054]).toBeLessThanOrEqual(320_000)
    expect(table[4055]).toBeGreaterThanOrEqual(320_000)
    expect([...table]).toEqual([...table].sort((a, b) => a - b))
    expect([...table].every(Number.isInteger)).toBe(true)
  })

  test('is symmetric in the logarithm', () => {
    const table = latencyTable({ ...CONSTANT, latencyNs: 80_000_000, latencyP99Ns: 320_000_000 })
    for (const i of [0, 40, 1000]) expect((table[i] * table[4095 - i]) / 80_000_000 ** 2).toBeCloseTo(1, 5)
  })

  test('is constant where the 99th percentile is the median', () => {
    expect(new Set(latencyTable(CONSTANT))).toEqual(new Set([100_000]))
  })
})

describe('a device', () => {
  test('takes one small read after the gate and the latency', () => {
    const device = new DeviceQueue(CONSTANT, 1)
    expect(device.submit(5000, 4096)).toBe(5000 + 10_000 + 100_000)
    expect(device.bytesDelivered).toBe(4096)
  })

  test('takes longer where the CPU that is told had halted for longer than it is waited for, which is learnt', () => {
    const device = new DeviceQueue({ ...CONSTANT, haltPollNs: 200_000, idleWakeNs: 50_000 }, 1)
    let doneNs = 0
    const extraNs = (pauseNs: number): number => {
      const now = doneNs + pauseNs
      doneNs = device.submit(now, 4096)
      return doneNs - now - 110_000
    }
    // Halts of 130 µs: waited for in vain for 0, 10, 20, 40, 80 µs, and then for 160.
    expect([20_000, 20_000, 20_000, 20_000, 20_000, 20_000, 20_000].map(extraNs)).toEqual([
      50_000, 50_000, 50_000, 50_000, 50_000, 50_000, 0,
    ])
    // 210 µs are more than it may wait: half as long the next time, which is not enough.
    expect([100_000, 20_000, 20_000].map(extraNs)).toEqual([50_000, 50_000, 0])
    // Behind another read nobody halts.
    const [first, second] = [device.submit(doneNs + 20_000, 4096), device.submit(doneNs + 21_000, 4096)]
    expect(second - first).toBe(10_000)
  })

  test('lets small reads through the gate at the IOPS limit', () => {
    const device = new DeviceQueue(DEEP, 1)
    expect([0, 0, 0, 200_000].map(now => device.submit(now, 4096))).toEqual([110_000, 120_000, 130_000, 310_000])
  })

  test('takes a fixed time for each read, and time for its bytes', () => {
    const device = new DeviceQueue(DEEP, 1)
    expect([1e6, 5e5, 4096, 0].map(bytes => device.submit(0, bytes))).toEqual([
      1_105_904, // 5,904 and 1,000,000 at the gate
      1_611_808,
      1_621_808,
      1_627_712,
    ])
    expect(device.bytesDelivered).toBe(1_504_096)
  })

  test('has no time but that for bytes where the bandwidth keeps 4 KiB below the ceiling', () => {
    const device = new DeviceQueue({ ...DEEP, iopsLimit: 1e6 }, 1)
    expect([4096, 8192].map(bytes => device.submit(0, bytes))).toEqual([104_096, 112_288])
  })

  test('admits no more reads than its queue is deep', () => {
    const device = new DeviceQueue(CONSTANT, 1)
    expect([0, 0, 0, 0, 0].map(now => device.submit(now, 4096))).toEqual([
      110_000, // slot 0
      120_000, // slot 1, behind the first at the gate
      220_000, // slot 0 is free at 110,000
      230_000, // slot 1 at 120,000
      330_000,
    ])
  })

  test('draws the latencies that it promises', () => {
    const device = new DeviceQueue({ ...DEEP, latencyNs: 80_000, latencyP99Ns: 320_000, iopsLimit: 1e12 }, 7)
    const latencies = Array.from({ length: 40_000 }, (_, i) => device.submit(1e9 * i, 0) - 1e9 * i).sort(
      (a, b) => a - b,
    )
    // The bounds are more than four standard errors of a quantile of 40,000 draws away.
    expect(latencies[20_000] / 80_000).toBeGreaterThan(0.98)
    expect(latencies[20_000] / 80_000).toBeLessThan(1.02)
    expect(latencies[39_600] / 320_000).toBeGreaterThan(0.95)
    expect(latencies[39_600] / 320_000).toBeLessThan(1.05)
  })

  test('is the same for the same seed, and another for another', () => {
    const draw = (seed: number) => {
      const device = new DeviceQueue({ ...CONSTANT, latencyP99Ns: 350_000 }, seed)
      return Array.from({ length: 10 }, (_, i) => device.submit(1e6 * i, 4096))
    }
    expect(draw(3)).toEqual(draw(3))
    expect(draw(3)).not.toEqual(draw(4))
  })

  property.prop([anyDevice, fc.nat(), fc.array(fc.tuple(fc.nat(300_000), fc.nat(2_000_000)), { maxLength: 60 })], {
    numRuns: 300,
  })('answers as the formulas do', (parameters, seed, reads) => {
    const device = new DeviceQueue(parameters, seed)
    const naive = new NaiveDevice(parameters, seed)
    let now = 0
    for (const [pause, bytes] of reads) {
      now += pause
      expect(device.submit(now, bytes)).toBe(naive.submit(now, bytes))
    }
    expect(device.bytesDelivered).toBe(naive.bytesDelivered)
  })
})
