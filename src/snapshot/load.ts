/**
 * A snapshot's memory as an eager load leaves it: the file's bytes where bits are set, zeros elsewhere. This is what every
 * lazy restore must end up with. Slots of clear bits are never read, since they may hold stale bytes.
 */
import { createHash } from 'node:crypto'
import { nextClearBit, nextSetBit } from '../core/bitmap.ts'
import { LazyRestoreError } from '../core/error.ts'
import { formatBytes, GIB, MIB } from '../core/units.ts'
import type { RamBlock, Snapshot } from './snapshot.ts'

/** Largest read and largest piece, as QEMU's own load. */
const PIECE_BYTES = MIB

/** Consecutive pages of one kind. */
export interface LoadedPiece {
  readonly firstPage: number
  /** Only valid until the next piece is asked for. */
  readonly bytes: Uint8Array
  /** From the file; otherwise zeros. */
  readonly stored: boolean
}

/** Yields all of the block, in order, in pieces of at most 1 MiB (or one page). */
export async function* loadPages({ source, name }: Snapshot, block: RamBlock): AsyncGenerator<LoadedPiece> {
  if (block.ignored) {
    throw new LazyRestoreError('mismatch', `${name}: block ${block.name}: its memory is shared and not in the file`)
  }
  const { bitmap, pageSize, pageCount, pagesOffset } = block
  const piecePages = Math.max(1, Math.floor(PIECE_BYTES / pageSize))
  const zeros = new Uint8Array(Math.min(piecePages, pageCount) * pageSize)
  const buffer = new Uint8Array(zeros.length)
  for (let page = 0; page < pageCount; ) {
    const most = Math.min(pageCount, page + piecePages)
    const stored = nextSetBit(bitmap, page, most) === page
    const end = stored ? nextClearBit(bitmap, page, most) : nextSetBit(bitmap, page, most)
    const bytes = (stored ? buffer : zeros).subarray(0, (end - page) * pageSize)
    if (stored) await source.read(pagesOffset + page * pageSize, bytes)
    yield { firstPage: page, bytes, stored }
    page = end
  }
}

export interface BlockHash {
  /** Of all the block's bytes after a load. */
  readonly sha256: string
  /** Target pages that are all zero after a load, whether or not their bit is set. */
  readonly zeroPages: number
}

/** @param onPage told how many of the block's pages are done, from time to time */
export async function hashBlock(
  snapshot: Snapshot,
  block: RamBlock,
  onPage: (pagesDone: number) => void = () => {},
): Promise<BlockHash> {
  const hash = createHash('sha256')
  const zeroPage = new Uint8Array(block.pageSize)
  let zeroPages = 0
  for await (const { firstPage, bytes, stored } of loadPages(snapshot, block)) {
    onPage(firstPage)
    hash.update(bytes)
    for (let at = 0; at < bytes.length; at += block.pageSize) {
      if (!stored || Buffer.compare(bytes.subarray(at, at + block.pageSize), zeroPage) === 0) zeroPages++
    }
  }
  return { sha256: hash.digest('hex'), zeroPages }
}

/** The whole memory, one array a block, empty for an ignored one: the oracle of tests on small snapshots. */
export async function eagerLoad(snapshot: Snapshot): Promise<Uint8Array[]> {
  const total = snapshot.blocks.reduce((sum, { usedLength }) => sum + usedLength, 0)
  if (total > GIB) {
    throw new LazyRestoreError('limit', `${snapshot.name}: found ${formatBytes(total)} of RAM, expected at most 1 GiB`)
  }
  const memory: Uint8Array[] = []
  for (const block of snapshot.blocks) {
    const content = new Uint8Array(block.ignored ? 0 : block.usedLength)
    memory.push(content)
    if (block.ignored) continue
    for await (const { firstPage, bytes } of loadPages(snapshot, block)) content.set(bytes, firstPage * block.pageSize)
  }
  return memory
}
