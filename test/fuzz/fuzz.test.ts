/** The fuzzer, with few inputs; `npm run fuzz` has many. */
import { describe, expect, test } from 'vitest'
import { fuzz } from './check.ts'
import { fuzzedReaders } from './readers.ts'

const RUNS = 400

describe('mutated inputs', async () => {
  test.each(await fuzzedReaders())('of $name are read or refused with a place', async reader => {
    const { read, refused, slowestMs } = await fuzz(reader, RUNS, 1)
    expect(read + refused).toBe(RUNS)
    expect(refused).toBeGreaterThan(reader.name === 'raw' || reader.name === 'firecracker' ? 1 : RUNS / 10)
    expect(slowestMs).toBeLessThan(1000)
  })
})
