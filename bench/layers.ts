/**
 * A chain of 1,000 diffs over a sparse base of 16 GiB: how long it takes to open, and what a page costs to find in it, beside
 * the same memory in one file. To find a page is to resolve it: in which file, and where, its bytes are.
 */
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nextClearBit, nextSetBit } from '../src/core/bitmap.ts'
import { createRandom, nextUint32 } from '../src/core/random.ts'
import { GIB } from '../src/core/units.ts'
import { parseHostPages } from '../src/destination/host-pages.ts'
import { createLayout, type Layout } from '../src/destination/layout.ts'
import { createResolution, resolve } from '../src/resolver/resolver.ts'
import { openSnapshot } from '../src/snapshot/open-snapshot.ts'
import type { Snapshot } from '../src/snapshot/snapshot.ts'
import { type Bench, recordOf } from './record.ts'
import { measureSideBySide } from './side-by-side.ts'

const SEED = 1
const PAGE = 4096
const MEMORY = 16 * GIB
const DIFFS = 1000
const BASE_RUNS = 16_384
const DIFF_RUNS = 64
const OPENS = 5
/** More than fit in a processor's nearer caches, index lines included. */
const LOOKUPS = 65_536
const READ_BYTES = Number.MAX_SAFE_INTEGER

export const layers: Bench = {
  name: 'layers',
  summary: 'a chain of 1,000 diffs over 16 GiB: opening it, and finding a page in it beside one file',
  run: async function* () {
    const folder = await mkdtemp(join(tmpdir(), 'lazyrestore-bench-'))
    try {
      const list = await writeChain(folder)
      const openMs: number[] = []
      for (let round = 0; round < OPENS; round++) {
        const startMs = performance.now()
        const snapshot = await openSnapshot(list)
        openMs.push(performance.now() - startMs)
        await snapshot.close()
      }
      yield recordOf(`open ${DIFFS} diffs over 16 GiB`, 'ms', openMs, { seed: SEED })
      const chain = await openSnapshot(list)
      const flat = await openSnapshot(`raw:${join(folder, 'base')}`)
      try {
        yield* measureLookups(chain, flat)
      } finally {
        await chain.close()
        await flat.close()
      }
    } finally {
      await rm(folder, { recursive: true })
    }
  },
}

async function* measureLookups(chain: Snapshot, flat: Snapshot) {
  const layered = createLayout(chain, parseHostPages('4K'))
  // The same bits, in one file.
  const blocks = chain.blocks.map(block => ({ ...block, places: null }))
  const single = createLayout({ ...chain, blocks, source: flat.source }, parseHostPages('4K'))
  const random = dataPages(layered)
  for (const [order, pages] of [
    ['at random', random],
    ['in order', random.toSorted()],
  ] as const) {
    yield await measureSideBySide({
      name: `find a page of 1,001 layers, ${order}`,
      operations: pages.length,
      run: finder(layered, pages),
      yardstick: { name: 'of one file', run: finder(single, pages) },
      seed: SEED,
    })
  }
}

/** Resolves every page of the list, to the file, the offset and the length of what is to be read. */
function finder(layout: Layout, pages: Uint32Array): () => void {
  const resolution = createResolution(layout, 1, READ_BYTES)
  return () => {
    let bytes = 0
    let origins = 0
    for (let i = 0; i < pages.length; i++) {
      const { runCount, origin, length } = resolve(layout, pages[i], 1, READ_BYTES, resolution)
      for (let run = 0; run < runCount; run++) {
        bytes += length[run]
        origins += origin[run]
      }
    }
    if (bytes !== pages.length * PAGE) throw new Error(`found ${bytes} bytes, expected a page for each lookup`)
    if (origins > 0 !== Boolean(layout.blocks[0].block.places))
      throw new Error(`found origins that add up to ${origins}`)
  }
}

/** Pages with data, in random order. */
function dataPages({ blocks: [{ block }] }: Layout): Uint32Array {
  const random = createRandom(SEED)
  const all: number[] = []
  for (let page = nextSetBit(block.bitmap, 0, block.pageCount); page < block.pageCount; ) {
    const past = nextClearBit(block.bitmap, page, block.pageCount)
    for (; page < past; page++) all.push(page)
    page = nextSetBit(block.bitmap, past, block.pageCount)
  }
  return Uint32Array.from({ length: LOOKUPS }, () => all[nextUint32(random) % all.length])
}

async function writeChain(folder: string): Promise<string> {
  const random = createRandom(SEED)
  const names = ['raw:base']
  await writeRuns(join(folder, 'base'), BASE_RUNS, random)
  for (let i = 1; i <= DIFFS; i++) {
    await writeRuns(join(folder, `diff${i}`), DIFF_RUNS, random)
    names.push(`diff${i}`)
  }
  const list = join(folder, 'list')
  await writeFile(list, `lazyrestore layers 1\n${names.join('\n')}\n`)
  return list
}

/** A sparse file as long as the memory, with so many pages of data. */
async function writeRuns(path: string, runs: number, random: ReturnType<typeof createRandom>): Promise<void> {
  const page = Buffer.alloc(PAGE, 0x5a)
  const file = await open(path, 'w')
  try {
    await file.truncate(MEMORY)
    for (let i = 0; i < runs; i++) await file.write(page, 0, PAGE, (nextUint32(random) % (MEMORY / PAGE)) * PAGE)
  } finally {
    await file.close()
  }
}
