import { crc32 } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { LazyRestoreError } from '../../src/core/error.ts'
import { createRandom, nextUint32, type RandomState } from '../../src/core/random.ts'
import { checkWorkload } from '../../src/workload/check.ts'
import { memoryOfSize } from '../../src/workload/memory.ts'
import { createWorkload } from '../../src/workload/registry.ts'
import { encodeBinaryTrace } from '../../src/workload/trace-binary.ts'
import { decodeTrace } from '../../src/workload/trace-file.ts'
import { encodeNdjsonTrace } from '../../src/workload/trace-ndjson.ts'
import { collect, MemorySource } from './support.ts'

const workload = createWorkload('working-set:pages=60,reuse=2,vcpus=3', memoryOfSize(900, 4096), 1)
const binary = collect(encodeBinaryTrace(workload))
const ndjson = collect(encodeNdjsonTrace(workload))

function pick(random: RandomState, count: number): number {
  return nextUint32(random) % count
}

/** Values that lengths, counts and MessagePack tokens go wrong with. */
const EVIL_BYTES = [
  0, 1, 0x7f, 0x80, 0x90, 0x91, 0xc1, 0xc7, 0xc9, 0xd4, 0xd9, 0xdd, 0xdf, 0xfe, 0xff, 0x72, 0x74, 0x78,
]

/** One to four changes: a bit, a byte, a word, a cut, a piece doubled, left out or moved. */
function mutate(original: Buffer, random: RandomState): Buffer {
  let bytes = Buffer.from(original)
  for (let changes = 1 + pick(random, 4); changes > 0; changes--) {
    // Half of the changes hit the head, where the structure is.
    const reach = pick(random, 2) === 0 ? Math.min(bytes.length, 300) : bytes.length
    const at = pick(random, Math.max(1, reach))
    const length = Math.min(1 + pick(random, 16), bytes.length - at)
    switch (pick(random, 7)) {
      case 0:
        bytes[at] ^= 1 << pick(random, 8)
        break
      case 1:
        bytes[at] = EVIL_BYTES[pick(random, EVIL_BYTES.length)]
        break
      case 2:
        if (at + 4 <= bytes.length) bytes.writeUInt32LE(nextUint32(random) >>> pick(random, 32), at)
        break
      case 3:
        bytes = bytes.subarray(0, at)
        break
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at, at + length), bytes.subarray(at)])
        break
      case 5:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)])
        break
      case 6:
        bytes = Buffer.concat([bytes.subarray(at), bytes.subarray(0, at)])
        break
    }
  }
  return bytes
}

/** Makes lengths as they are carry right CRCs, so that what is behind the CRC is reached. */
function repairCrcs(bytes: Buffer): Buffer {
  if (bytes.length < 20) return bytes
  let at = 16 + bytes.readUInt32LE(12)
  if (at + 4 > bytes.length) return bytes
  let crc = crc32(bytes.subarray(0, at))
  bytes.writeUInt32LE(crc, at)
  at += 4
  while (at + 8 <= bytes.length) {
    const end = Math.min(at + 8 + bytes.readUInt32LE(at), bytes.length)
    crc = crc32(bytes.subarray(at + 8, end), crc)
    bytes.writeUInt32LE(crc, at + 4)
    at = end
  }
  return bytes
}

/** Decodes; `accepted`, or the error's code. Anything but a valid workload or a LazyRestoreError fails the test. */
async function outcome(bytes: Buffer, what: string): Promise<string> {
  const started = performance.now()
  const before = process.memoryUsage().arrayBuffers
  try {
    checkWorkload(await decodeTrace(new MemorySource(bytes)), 'decoded')
    return 'accepted'
  } catch (error) {
    if (!(error instanceof LazyRestoreError)) throw new Error(`${what}: ${error}`, { cause: error })
    return error.code
  } finally {
    expect(performance.now() - started, what).toBeLessThan(2000)
    expect(process.memoryUsage().arrayBuffers - before, what).toBeLessThan(2 ** 26)
  }
}

async function fuzz(rounds: number, make: (random: RandomState) => Buffer): Promise<Record<string, number>> {
  const outcomes: Record<string, number> = {}
  for (let round = 0; round < rounds; round++) {
    const result = await outcome(make(createRandom(round)), `round ${round}`)
    outcomes[result] = (outcomes[result] ?? 0) + 1
  }
  return outcomes
}

describe('a mutated trace ends in a LazyRestoreError or a valid workload, in bounded time and memory', () => {
  test('binary as it is: no change goes unseen', async () => {
    let same = 0
    const outcomes = await fuzz(3000, random => {
      const bytes = mutate(binary, random)
      if (bytes.equals(binary)) same++
      return bytes
    })
    expect(outcomes.accepted ?? 0).toBe(same)
    expect(same).toBeLessThan(100)
    expect(outcomes.format).toBeGreaterThan(2500)
  })

  test('binary with its CRCs made right again, so that MessagePack and columns are reached', async () => {
    const outcomes = await fuzz(6000, random => repairCrcs(mutate(binary, random)))
    expect(outcomes.format).toBeGreaterThan(2000)
    // Changes within the columns, or the name, are valid when the CRC is.
    expect(outcomes.accepted).toBeGreaterThan(100)
  })

  test('NDJSON', async () => {
    const outcomes = await fuzz(3000, random => mutate(ndjson, random))
    expect(outcomes.format).toBeGreaterThan(2000)
    expect(outcomes.io ?? 0).toBe(0)
  })

  test('bytes at random behind a valid beginning', async () => {
    const outcomes = await fuzz(2000, random => {
      const start = pick(random, 2) === 0 ? binary.subarray(0, 12) : ndjson.subarray(0, 1 + pick(random, 200))
      const noise = Buffer.from(Uint8Array.from({ length: pick(random, 2000) }, () => nextUint32(random) >>> 24))
      return Buffer.concat([start, noise])
    })
    expect(outcomes.accepted ?? 0).toBe(0)
  })
})
