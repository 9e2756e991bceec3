/** Every storage on cases worked out by hand; what its formulas are stands in docs/storage.md. */
import { describe, expect, test } from 'vitest'
import { createStorageModel } from '../../src/storage/create.ts'
import type { DeviceParameters, Storage } from '../../src/storage/device.ts'
import type { StorageModel } from '../../src/storage/storage-model.ts'

const MS = 1e6
const KIB = 1024

/** 1 ns a byte, no fixed time, 100 µs always, and so deep that no request waits for a slot. */
const DEVICE: DeviceParameters = {
  latencyNs: 100_000,
  latencyP99Ns: 100_000,
  bandwidthBytesPerS: 1e9,
  iopsLimit: 1e12,
  queueDepth: 1000,
  haltPollNs: 0,
  idleWakeNs: 0,
  cpuPerReadNs: 0,
  cpuPerRead4kNs: 0,
}

const modelOf = (parts: Partial<Storage>): StorageModel =>
  createStorageModel({ name: 'by hand', device: DEVICE, cacheWarm: false, ...parts }, 1)

/** Ends of reads [now, bytes, place]. */
const ends = (model: StorageModel, reads: readonly (readonly [number, number, number])[]) =>
  reads.map(read => model.submit(...read))

describe('a disk', () => {
  /** 1 ms to the next track and 9 ms across 1 MB, without rotation: a seek of a quarter takes 1 + 8 · √¼ = 5 ms. */
  const disk = (revolutionNs = 0) =>
    modelOf({
      medium: { kind: 'disk', shortestSeekNs: MS, fullSeekNs: 9 * MS, revolutionNs, spanBytes: 1e6 },
      device: { ...DEVICE, bandwidthBytesPerS: 1e8 },
    })

  test('reads on where the arm is, at 10 ns a byte and 0.1 ms for the controller', () => {
    expect(
      ends(disk(), [
        [0, 4000, 0],
        [0, 4000, 4000],
      ]),
    ).toEqual([140_000, 180_000])
  })

  test('seeks by the square root of the distance, back and ahead, and across the disk at most', () => {
    expect(
      ends(disk(), [
        [0, 1000, 999_000], // passing over 999,000 bytes takes 9.99 ms, the seek 1 + 8 · √0.999 ms
        [1e9, 1000, 749_000], // back by 251,000
        [2e9, 1000, 5e6], // beyond the span
      ]),
    ).toEqual([
      Math.round(MS + 8 * MS * Math.sqrt(0.999)) + 10_000 + 100_000,
      1e9 + Math.round(MS + 8 * MS * Math.sqrt(0.251)) + 10_000 + 100_000,
      2e9 + 9 * MS + 10_000 + 100_000,
    ])
  })

  test('passes over a gap that takes less than a seek', () => {
    expect(ends(disk(), [[0, 1000, 20_000]])).toEqual([200_000 + 10_000 + 100_000])
  })

  test('waits for a part of a revolution with every seek, half of one on average', () => {
    const model = disk(8 * MS)
    let waitedNs = 0
    // Always back, by a quarter: a seek of 5 ms, 10 µs to read and 100 µs for the controller.
    for (let i = 0; i < 4000; i++) {
      model.submit(2 * i * 1e9, 1000, 251_000)
      waitedNs += model.submit((2 * i + 1) * 1e9, 1000, 2000) - (2 * i + 1) * 1e9 - 5_110_000
    }
    // 4,000 draws of a uniform part of 8 ms: four standard errors are 0.15 ms.
    expect(Math.abs(waitedNs / 4000 - 4 * MS)).toBeLessThan(0.15 * MS)
  })

  test('serves one read after the other', () => {
    expect(
      ends(disk(), [
        [0, 100_000, 0],
        [0, 1000, 0],
      ]),
    ).toEqual([1_000_000 + 100_000, 1_000_000 + Math.round(MS + 8 * MS * Math.sqrt(0.1)) + 10_000 + 100_000])
  })
})

describe('a cloud volume', () => {
  const volume = (iopsCredit: number, bytesCredit: number) =>
    modelOf({
      medium: {
        kind: 'cloud-block',
        baseIops: 1000,
        iopsCredit,
        operationBytes: 10_000,
        baseBytesPerS: 1e8,
        bytesCredit,
      },
    })

  test('lets through what it has credit for, and then at its base rate of operations', () => {
    // The bucket holds 2: the third finds it empty and goes 1 ms later, when one is there again.
    expect(
      ends(
        volume(2, 1e9),
        [0, 0, 0, 0, 0].map(now => [now, 1000, 0]),
      ),
    ).toEqual([101_000, 102_000, 103_000, 1_101_000, 2_101_000])
  })

  test('fills up again while nobody reads, to its credit and no further', () => {
    const model = volume(2, 1e9)
    ends(
      model,
      [0, 0, 0, 0].map(now => [now, 1000, 0]),
    )
    expect(
      ends(
        model,
        [1e9, 1e9, 1e9, 1e9].map(now => [now, 1000, 0]),
      ),
    ).toEqual([1e9 + 101_000, 1e9 + 102_000, 1e9 + 103_000, 1e9 + 1_101_000])
  })

  test('counts a large read as several operations, and caps bytes by themselves', () => {
    // 30,000 bytes are 3 operations: 3 ms until the next.
    expect(
      ends(volume(0, 1e9), [
        [0, 30_000, 0],
        [0, 1000, 0],
      ]),
    ).toEqual([130_000, 3_101_000])
    // 10 ns a byte without credit: 1 MB takes 10 ms.
    expect(
      ends(volume(1e9, 0), [
        [0, 1e6, 0],
        [0, 1000, 0],
      ]),
    ).toEqual([1_100_000, 10_101_000])
  })
})

describe('a file on a server', () => {
  const mount = (queueDepth: number) =>
    modelOf({ medium: { kind: 'network-file', pieceBytes: 10_000 }, device: { ...DEVICE, queueDepth } })

  test('takes a round trip and the time on the link, in pieces that are under way together', () => {
    expect(
      ends(mount(1000), [
        [0, 10_000, 0],
        [1e9, 25_000, 0],
      ]),
    ).toEqual([110_000, 1e9 + 125_000])
  })

  test('has no more pieces under way than it has slots', () => {
    // Two slots: the third piece waits for the first, at 110 µs.
    expect(ends(mount(2), [[0, 30_000, 0]])).toEqual([110_000 + 10_000 + 100_000])
  })
})

describe('an object store', () => {
  /** 100 µs to first byte, 10 ns a byte on a stream, 1 ns on the link. */
  const store = (queueDepth: number) =>
    modelOf({
      medium: { kind: 'object-store', streamBytesPerS: 1e8, partBytes: 10_000 },
      device: { ...DEVICE, queueDepth },
    })

  test('answers a request after the time to first byte, at the rate of a stream', () => {
    expect(ends(store(1), [[0, 10_000, 0]])).toEqual([100_000 + 100_000])
  })

  test('answers parts of a large read by several streams, and one after the other by one', () => {
    expect(ends(store(3), [[0, 30_000, 0]])).toEqual([200_000])
    expect(ends(store(1), [[0, 30_000, 0]])).toEqual([600_000])
  })

  test('has one link for all streams', () => {
    // 20 parts of 10,000 bytes begin at 100 µs; the link takes 10 µs for each, the stream 100 µs.
    expect(ends(store(20), [[0, 200_000, 0]])).toEqual([100_000 + 200_000])
  })
})

describe('a compressed file', () => {
  test('takes less off the medium, and CPU for what comes out', () => {
    const model = modelOf({ compression: { ratio: 2.5, decompressBytesPerS: 1e9 } })
    expect(model.submit(0, 10_000, 0)).toBe(100_000 + 4000)
    expect([model.extraCpuNs, model.bytesDelivered]).toEqual([10_000, 4000])
  })
})

describe('chunks', () => {
  const chunks = { chunkBytes: 64 * KIB }

  test('come whole, each once', () => {
    const model = modelOf({ chunks })
    const whole = 100_000 + 65_536
    expect(
      ends(model, [
        [0, 4096, 8192], // brings chunk 0
        [10, 4096, 0], // waits for it
        [1e9, 4096, 12_288], // finds it here
        [2e9, 8192, 61_440], // has a part of it, and brings chunk 1
      ]),
    ).toEqual([whole, whole, 1e9, 2e9 + whole])
    expect(model.bytesDelivered).toBe(2 * 65_536)
  })

  test('are decompressed as they come, and not again', () => {
    const model = modelOf({ chunks, compression: { ratio: 2, decompressBytesPerS: 1e9 } })
    model.submit(0, 4096, 0)
    expect(model.extraCpuNs).toBe(65_536)
    model.submit(1e9, 4096, 4096)
    expect([model.extraCpuNs, model.bytesDelivered]).toEqual([0, 32_768])
  })

  test('of a local tier are read from its device, just what is asked for', () => {
    const model = modelOf({ chunks, local: { device: { ...DEVICE, latencyNs: 7000, latencyP99Ns: 7000 }, share: 1 } })
    expect(
      ends(model, [
        [0, 4096, 0],
        [1e9, 4096, 0],
      ]),
    ).toEqual([11_096, 1e9 + 11_096])
    expect(model.bytesDelivered).toBe(8192)
  })

  test('lie in the local tier in the share that it holds, drawn by the seed', () => {
    const local = { device: DEVICE, share: 0.67 }
    const hits = (seed: number) => {
      const model = createStorageModel({ name: '', device: DEVICE, cacheWarm: false, chunks, local }, seed)
      return Array.from({ length: 3000 }, (_, chunk) => {
        const before = model.bytesDelivered
        model.submit(chunk * 1e9, 4096, chunk * 65_536)
        return model.bytesDelivered - before === 4096
      })
    }
    const first = hits(1)
    // Four standard errors of a share of 3,000 are 3.4 %.
    expect(Math.abs(first.filter(hit => hit).length / 3000 - 0.67)).toBeLessThan(0.035)
    expect(hits(1)).toEqual(first)
    expect(hits(2)).not.toEqual(first)
  })
})
