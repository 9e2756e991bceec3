/**
 * How much the kernel reads for a mapping whose pages are touched here and there. Measured once by the real engine (`compare
 * --engine uffd --cold --policies mmap`) on Linux 6.18, ext4, read_ahead_kb 128: faults that waited for the disk, and bytes of
 * the file in the page cache afterwards. Each page that fault-around maps counts as a hit there; without that the model gave up
 * reading around after some hundred faults, and had 1,706 faults and 20 MB for the first of these.
 */
import { describe, expect, test } from 'vitest'
import { parseSpec } from '../../src/core/spec-string.ts'
import { parseHostPages } from '../../src/destination/host-pages.ts'
import { createLayout } from '../../src/destination/layout.ts'
import { createSimEngine } from '../../src/sim/sim-engine.ts'
import { openSnapshot } from '../../src/snapshot/open-snapshot.ts'
import { parseStorage } from '../../src/storage/device.ts'
import { memoryOfSnapshot } from '../../src/workload/memory.ts'
import { createWorkload } from '../../src/workload/registry.ts'

describe('a mapping touched at 1,967 pages in short runs', () => {
  test.each([
    ['synthetic:256MiB,zero=0%,seed=1', 835, 103.7e6],
    ['synthetic:256MiB,zero=42%,runs=1000,seed=1', 726, 86.3e6],
  ])('is read around as the kernel does: %s', async (text, faults, bytes) => {
    const snapshot = await openSnapshot(text)
    const workload = createWorkload(
      'working-set:pages=1967,run=1.9,data=100%,reuse=0,vcpus=1,think=508ns,write=0%',
      memoryOfSnapshot(snapshot),
      1,
    )
    const result = await createSimEngine().restore({
      layout: createLayout(snapshot, parseHostPages('4K')),
      policy: parseSpec('mmap'),
      workload,
      storage: parseStorage('nvme'),
      workingSet: null,
      seed: 1,
      fixedNs: 0,
    })
    expect(Math.abs(result.faults / faults - 1)).toBeLessThan(0.03)
    expect(Math.abs(result.deviceBytesRead / bytes - 1)).toBeLessThan(0.03)
  })
})
