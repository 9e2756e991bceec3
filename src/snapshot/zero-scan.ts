/**
 * Finds the pages that have data and are all zero, and makes zero pages of them. Memory images are full of them: Firecracker
 * and dump-guest-memory write every page, CRIU writes what a process wrote, zeros too. A page that is known to be zero is
 * neither read nor copied by a restore.
 *
 * It costs one read of all data. Reads are several and large, and a page is compared by memcmp, which libc vectorises (30
 * GB/s and more of zeros; of other data the first differing bytes end it), so that the device is what it waits for.
 */

import { type Bitmap, clearBit, countBits, nextClearBit, nextSetBit } from '../core/bitmap.ts'
import { MIB } from '../core/units.ts'
import type { ByteSource } from './byte-source.ts'
import { snapshotIdentity } from './identity.ts'
import type { RamBlock, Snapshot } from './snapshot.ts'
import { ramBlock } from './snapshot.ts'

/** Bytes a read, and reads at a time: as many as there are threads for them in libuv. */
const PIECE_BYTES = MIB
const READERS = 4

export interface ZeroScan {
  /** Told how many pages have been looked at. */
  onPages?(done: number, total: number): void
}

/** Of each block a bitmap of the pages that have data and are not all zero. */
export async function scanZeros({ source, blocks }: Snapshot, { onPages }: ZeroScan = {}): Promise<Bitmap[]> {
  const total = blocks.reduce((sum, { setBits }) => sum + setBits, 0)
  let done = 0
  const bitmaps: Bitmap[] = []
  for (const block of blocks) {
    const bitmap = block.bitmap.slice()
    bitmaps.push(bitmap)
    const pieces = dataPieces(block)
    const zeros = Buffer.alloc(block.pageSize)
    const readers = Array.from({ length: READERS }, async () => {
      const buffer = Buffer.allocUnsafeSlow(Math.max(PIECE_BYTES, block.pageSize))
      for (const [first, count] of pieces) {
        await readPages(source, block, first, count, buffer)
        for (let i = 0; i < count; i++) if (isZero(buffer, i * block.pageSize, zeros)) clearBit(bitmap, first + i)
        done += count
        onPages?.(done, total)
      }
    })
    await Promise.all(readers)
  }
  return bitmaps
}

/** The snapshot with these bitmaps in place of its own; its identity is another one then, as it has other pages. */
export function withBitmaps(snapshot: Snapshot, bitmaps: readonly Bitmap[]): Snapshot {
  const blocks = snapshot.blocks.map((block, i) => {
    return ramBlock({ ...block, bitmap: bitmaps[i], setBits: countBits(bitmaps[i], 0, block.pageCount) })
  })
  if (blocks.every(({ setBits }, i) => setBits === snapshot.blocks[i].setBits)) return snapshot
  return { ...snapshot, blocks, identity: snapshotIdentity(snapshot.format, blocks) }
}

/** Runs of pages with data, each at most as long as one read. Several readers take from it in turn. */
function* dataPieces({ bitmap, pageCount, pageSize }: RamBlock): Generator<[first: number, count: number]> {
  const most = Math.max(1, Math.floor(PIECE_BYTES / pageSize))
  for (let page = nextSetBit(bitmap, 0, pageCount); page < pageCount; ) {
    const past = nextClearBit(bitmap, page, Math.min(pageCount, page + most))
    yield [page, past - page]
    page = nextSetBit(bitmap, past, pageCount)
  }
}

function readPages(source: ByteSource, block: RamBlock, first: number, count: number, into: Buffer): Promise<void> {
  const { pagesOffset, pageSize } = block
  return source.read(pagesOffset + first * pageSize, into.subarray(0, count * pageSize))
}

function isZero(bytes: Buffer, start: number, zeros: Buffer): boolean {
  // Most pages with data begin with some; the call costs more than this look.
  return bytes[start] === 0 && zeros.compare(bytes, start, start + zeros.length) === 0
}
