/**
 * Writes memory as a flat image: the blocks one after the other, pages without data left as holes. It is a raw image, and
 * Firecracker's memory file where the blocks are its regions. With a base it is a diff: only pages whose content is another
 * one than the base's are written, zeros where the base had data too, so that base and diff as layers are the snapshot.
 */
import { nextClearBit, nextSetBit, testBit } from '../core/bitmap.ts'
import { LazyRestoreError } from '../core/error.ts'
import { MIB } from '../core/units.ts'
import type { ByteSource } from './byte-source.ts'
import { replaceFile } from './file-sink.ts'
import { regionsByRule } from './formats/firecracker.ts'
import type { RamBlock, Snapshot } from './snapshot.ts'

const PIECE_BYTES = MIB

export interface FlatImage {
  readonly snapshot: Snapshot
  /** Those of the snapshot that are written, in this order. */
  readonly blocks: readonly RamBlock[]
  /** What the image is a diff of; its blocks one after the other are as long. */
  readonly base?: Snapshot
  /** Told of each block and how many of its pages are done. */
  onPages?(block: RamBlock, done: number): void
}

/** @throws LazyRestoreError `io`; `mismatch` for a base of another length */
export async function writeFlat(path: string, image: FlatImage): Promise<void> {
  const { snapshot, blocks, base, onPages } = image
  const length = blocks.reduce((sum, { usedLength }) => sum + usedLength, 0)
  const below = base === undefined ? null : flatBase(base, blocks)
  await replaceFile(path, async sink => {
    let start = 0
    for (const block of blocks) {
      const { pageCount, pageSize } = block
      const most = Math.max(1, Math.floor(PIECE_BYTES / pageSize))
      for (let page = 0; page < pageCount; page += most) {
        const count = Math.min(most, pageCount - page)
        const offset = start + page * pageSize
        const bytes = await memoryOf(snapshot.source, block, page, count)
        const before = below === null ? null : await below(offset, count * pageSize)
        for (const [first, past] of runsToWrite(block, page, count, bytes, before)) {
          await sink.write(offset + first * pageSize, bytes.subarray(first * pageSize, past * pageSize))
        }
        onPages?.(block, page + count)
      }
      start += block.usedLength
    }
    await sink.setLength(length)
  })
}

/** @throws LazyRestoreError `mismatch` when Firecracker would look for this memory elsewhere */
export function checkFirecrackerRegions({ name }: Snapshot, blocks: readonly RamBlock[]): void {
  const length = blocks.reduce((sum, { usedLength }) => sum + usedLength, 0)
  const isPlaced = blocks.some(({ address }) => address !== undefined && address !== null)
  const fits = (['x86_64', 'aarch64'] as const).some(architecture => {
    const regions = regionsByRule(architecture, length)
    return (
      regions.length === blocks.length &&
      regions.every((region, i) => region.address === blocks[i].address && region.length === blocks[i].usedLength)
    )
  })
  // A block without an address is cut by the rule when it is read.
  if (length % MIB === 0 && (fits || (!isPlaced && blocks.length === 1))) return
  const found = blocks.map(block => `${block.name} of ${block.usedLength} bytes`).join(', ')
  throw new LazyRestoreError(
    'mismatch',
    `${name}: found ${found}, expected Firecracker's regions: whole MiB from 0 to 3 GiB and from 4 GiB on (x86_64) or from 2 GiB on (aarch64); choose blocks with --block`,
  )
}

/** Reads pages as they are after a load. */
async function memoryOf(source: ByteSource, block: RamBlock, page: number, count: number): Promise<Buffer> {
  const { bitmap, pageSize, pagesOffset } = block
  const bytes = Buffer.alloc(count * pageSize)
  const end = page + count
  for (let first = nextSetBit(bitmap, page, end); first < end; ) {
    const past = nextClearBit(bitmap, first, end)
    const target = bytes.subarray((first - page) * pageSize, (past - page) * pageSize)
    await source.read(pagesOffset + first * pageSize, target)
    first = nextSetBit(bitmap, past, end)
  }
  return bytes
}

/** Runs of pages, from the piece's first one on, that must be in the file. */
function* runsToWrite(
  { bitmap, pageSize }: RamBlock,
  page: number,
  count: number,
  bytes: Buffer,
  before: Buffer | null,
): Generator<[first: number, past: number]> {
  const isWritten = (i: number) =>
    before === null
      ? testBit(bitmap, page + i)
      : bytes.compare(before, i * pageSize, (i + 1) * pageSize, i * pageSize, (i + 1) * pageSize) !== 0
  for (let i = 0; i < count; i++) {
    if (!isWritten(i)) continue
    const first = i
    while (i + 1 < count && isWritten(i + 1)) i++
    yield [first, i + 1]
  }
}

type ReadFlat = (offset: number, length: number) => Promise<Buffer>

/** The base's memory by flat offset. */
function flatBase(base: Snapshot, blocks: readonly RamBlock[]): ReadFlat {
  const baseBlocks = base.blocks.filter(({ ignored }) => !ignored)
  const lengths = (of: readonly RamBlock[]) =>
    of.map(({ usedLength, pageSize }) => `${usedLength}/${pageSize}`).join(' ')
  if (lengths(baseBlocks) !== lengths(blocks)) {
    throw new LazyRestoreError(
      'mismatch',
      `${base.name}: found blocks of ${lengths(baseBlocks)} bytes and page size, expected those of the snapshot, ${lengths(blocks)}`,
    )
  }
  let start = 0
  const starts = baseBlocks.map(({ usedLength }) => {
    start += usedLength
    return start - usedLength
  })
  return async (offset, count) => {
    const index = starts.findLastIndex(at => at <= offset)
    const block = baseBlocks[index]
    return memoryOf(base.source, block, (offset - starts[index]) / block.pageSize, count / block.pageSize)
  }
}
