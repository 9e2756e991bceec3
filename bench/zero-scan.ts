/**
 * Finding zero pages in an image that is in the page cache, beside reading it by the same reads and looking at nothing: a scan
 * that keeps up with that is as fast as any disk. Half of the pages are zero; one with data begins with zeros, as some do.
 */
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GIB, MIB } from '../src/core/units.ts'
import { openSnapshot } from '../src/snapshot/open-snapshot.ts'
import type { Snapshot } from '../src/snapshot/snapshot.ts'
import { scanZeros } from '../src/snapshot/zero-scan.ts'
import { type Bench, recordOf } from './record.ts'

const IMAGE_BYTES = 512 * MIB
const PAGE = 4096
const ROUNDS = 9
const READERS = 4

export const zeroScan: Bench = {
  name: 'zero-scan',
  summary: 'finding zero pages in an image in the page cache, beside reading it',
  run: async function* () {
    const folder = await mkdtemp(join(tmpdir(), 'lazyrestore-bench-'))
    try {
      const path = join(folder, 'image')
      await writeImage(path)
      const snapshot = await openSnapshot(`raw:${path}`)
      const scans: number[] = []
      const reads: number[] = []
      for (let round = 0; round <= ROUNDS; round++) {
        const read = await rate(() => readAll(snapshot))
        const scan = await rate(() => scanZeros(snapshot))
        // The first round brings the file into the page cache.
        if (round === 0) continue
        reads.push(read)
        scans.push(scan)
      }
      await snapshot.close()
      yield recordOf('read an image', 'GiB/s', reads)
      yield recordOf('find its zero pages', 'GiB/s', scans, { yardstick: { name: 'reading', values: reads } })
    } finally {
      await rm(folder, { recursive: true })
    }
  },
}

async function rate(run: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now()
  await run()
  return IMAGE_BYTES / GIB / ((performance.now() - startMs) / 1000)
}

async function readAll({ source }: Snapshot): Promise<void> {
  let next = 0
  const readers = Array.from({ length: READERS }, async () => {
    const buffer = Buffer.allocUnsafeSlow(MIB)
    while (next < source.byteLength) {
      const offset = next
      next += MIB
      await source.read(offset, buffer)
    }
  })
  await Promise.all(readers)
}

async function writeImage(path: string): Promise<void> {
  const piece = Buffer.alloc(MIB)
  for (let page = 0; page < MIB / PAGE; page += 2) piece.fill(0x5a, page * PAGE + 64, (page + 1) * PAGE)
  const file = await open(path, 'w')
  try {
    for (let offset = 0; offset < IMAGE_BYTES; offset += MIB) await file.write(piece, 0, MIB, offset)
  } finally {
    await file.close()
  }
}
