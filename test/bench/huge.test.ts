/** A terabyte's lazy restore stays small. Its time is for `npm run bench -- huge` to say: machines differ too much. */
import { expect, test } from 'vitest'
import { PEAK_LIMIT_MIB, restoreHuge } from '../../bench/huge.ts'
import { TIB } from '../../src/core/units.ts'

test(`1 TiB restores lazily under 10 million accesses in less than ${PEAK_LIMIT_MIB} MiB`, {
  timeout: 180_000,
}, async () => {
  const { result, peakMib } = await restoreHuge()
  expect(result.snapshot.bytes).toBe(TIB)
  expect(result.workload.accesses).toBe(10_000_000)
  expect(result.copies + result.zeropages).toBe(1_000_000)
  expect(peakMib).toBeLessThan(PEAK_LIMIT_MIB)
})
