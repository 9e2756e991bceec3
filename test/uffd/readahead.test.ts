/**
 * The page cache of the simulator against the kernel's: the same reads of a real file, and how much of it is cached after
 * them. Without the windows that a random reader gets where somebody has read before, the model had a quarter of it.
 */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { folderFacts } from '../../src/calibrate/host-facts.ts'
import { countBits } from '../../src/core/bitmap.ts'
import { createRandom, nextUint32 } from '../../src/core/random.ts'
import { CachedFile, PageCache } from '../../src/sim/page-cache.ts'
import { parseStorage } from '../../src/storage/device.ts'
import { DeviceQueue } from '../../src/storage/device-queue.ts'
import { nativeReason } from '../../src/uffd/native.ts'
import { evictFile, residentBytes } from '../../src/uffd/page-cache-control.ts'
import { layoutOfBits } from '../destination/layout-of-bits.ts'
import { requireForEach } from '../support/availability.ts'

const PAGE = 4096
const PAGES = 16_384
const TMPFS_MAGIC = 0x01021994

requireForEach(nativeReason)
requireForEach(() =>
  statfsSync(tmpdir()).type === TMPFS_MAGIC ? `${tmpdir()} is a tmpfs, which reads nothing ahead` : null,
)

let folder = ''
let path = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lazyrestore-'))
  path = join(folder, 'file')
  const bytes = new Uint32Array((PAGES * PAGE) / 4)
  writeFileSync(path, bytes.fill(0x5eed))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** First pages of runs, anywhere in the file but at its start. */
function randomStarts(count: number, seed: number): number[] {
  const random = createRandom(seed)
  return Array.from({ length: count }, () => 200 + (nextUint32(random) % (PAGES - 600)))
}

const runsOf = (pages: number, seed: number): number[] =>
  randomStarts(Math.floor(2000 / pages), seed).flatMap(start => Array.from({ length: pages }, (_, i) => start + i))

describe('what the kernel has read of a file, and the model', () => {
  test.each([
    ['single pages at random', randomStarts(2000, 1), 1],
    ['runs of two pages', runsOf(2, 2), 1],
    ['runs of four pages', runsOf(4, 3), 1],
    ['runs of sixteen pages', runsOf(16, 4), 1],
    ['every second page of runs', runsOf(20, 5).filter(page => page % 2 === 0), 1],
    ['a scan', Array.from({ length: 600 }, (_, i) => i * 16), 16],
    ['reads of 16 pages at random', randomStarts(300, 6), 16],
  ])('%s', async (_, pages, count) => {
    const most = folderFacts(folder).readaheadPages!
    const layout = layoutOfBits({ bits: '1'.repeat(PAGES) })
    const modelled = new CachedFile(PAGES, false)
    const cache = new PageCache(new DeviceQueue(parseStorage('nvme').device, 1), modelled, most * PAGE)
    const reader = cache.addReaders(1)
    const fd = openSync(path, 'r')
    try {
      evictFile(fd)
      const buffer = new Uint8Array(count * PAGE)
      for (const [index, page] of pages.entries()) {
        cache.read(reader, layout.blocks[0], page, page + count, index * 1e9)
        readSync(fd, buffer, 0, buffer.length, page * PAGE)
      }
      await settled()
    } finally {
      closeSync(fd)
    }
    const ratio = countBits(modelled.cached!, 0, PAGES) / (residentBytes(path) / PAGE)
    expect(ratio).toBeGreaterThan(0.75)
    expect(ratio).toBeLessThan(1.33)
  })
})

/** Waits until what was read in the background has arrived. */
async function settled(): Promise<void> {
  let before = -1
  for (let tries = 0; tries < 100; tries++) {
    const now = residentBytes(path)
    if (now === before) return
    before = now
    await setTimeout(20)
  }
}
