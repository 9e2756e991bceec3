/** What readers of plain memory images share: blocks whose data is where the file has no hole, and the snapshot around them. */

import { type Bitmap, countBits, createBitmap, setBits } from '../core/bitmap.ts'
import { LazyRestoreError } from '../core/error.ts'
import type { ByteSource } from './byte-source.ts'
import { formatError } from './format-error.ts'
import { snapshotIdentity } from './identity.ts'
import { placesOfBlock } from './page-places.ts'
import { ScatteredSource } from './scattered-source.ts'
import type { ByteRange, RamBlock, Snapshot, SnapshotFormat } from './snapshot.ts'
import { ramBlock } from './snapshot.ts'
import type { StoredFile, Subject } from './stored-file.ts'
import { isPageSize, MAX_TARGET_PAGES, PAGE_SIZE_RULE } from './stream-format.ts'

/** Target page size where a format does not say. */
export const PAGE_BYTES = 4096

/** A range of guest memory and where its bytes lie in a file, in order. */
export interface Region {
  readonly name: string
  readonly address: number | null
  readonly length: number
  readonly pagesOffset: number
}

/** `ram@0x100000000`. */
export function regionName(address: number): string {
  return `ram@0x${address.toString(16)}`
}

/**
 * The file or the folder that a reader is for. @throws LazyRestoreError `usage`
 */
export function expectFile({ file, path }: Subject, what: string): StoredFile {
  if (file !== null) return file
  throw new LazyRestoreError('io', `${path}: found a directory, expected ${what}`)
}

/** @throws LazyRestoreError `usage` */
export function checkPageSize(pageSize: number): void {
  if (isPageSize(pageSize)) return
  throw new LazyRestoreError('usage', `page size: found ${pageSize}, expected ${PAGE_SIZE_RULE}`)
}

/** The length of a headerless file of whole pages. @throws LazyRestoreError `format` */
export function checkLength({ name, byteLength }: ByteSource, unit: number): void {
  if (byteLength % unit === 0) return
  const found = `${byteLength} bytes`
  throw formatError({ name, offset: byteLength, field: 'end of the file', found, expected: `a multiple of ${unit}` })
}

/** @param limit most pages; a bitmap of them is made. @throws LazyRestoreError `limit` */
export function checkPageCount(name: string, offset: number, pages: number, limit = MAX_TARGET_PAGES): void {
  if (pages <= limit) return
  throw formatError({
    name,
    offset,
    field: 'length of memory',
    found: `${pages} pages`,
    expected: `at most ${limit}`,
    code: 'limit',
  })
}

/** Blocks of one file. Pages with at least one byte outside of the file's holes have data. */
export function imageBlocks(regions: readonly Region[], runs: readonly ByteRange[], pageSize: number): RamBlock[] {
  return regions.map(({ name, address, length, pagesOffset }) => {
    const pageCount = length / pageSize
    const bitmap = createBitmap(pageCount)
    markRuns(bitmap, runs, pagesOffset, length, pageSize)
    return imageBlock({ name, address, length, pagesOffset }, pageSize, bitmap)
  })
}

export function imageBlock({ name, address, length, pagesOffset }: Region, pageSize: number, bitmap: Bitmap): RamBlock {
  const pageCount = length / pageSize
  return ramBlock({
    name,
    usedLength: length,
    pageSize,
    pageCount,
    bitmap,
    setBits: countBits(bitmap, 0, pageCount),
    bitmapOffset: null,
    pagesOffset,
    ignored: false,
    address,
  })
}

/** Sets the bits of the pages that runs of the file touch, of those in `length` bytes from `start` on. */
export function markRuns(
  bitmap: Bitmap,
  runs: readonly ByteRange[],
  start: number,
  length: number,
  pageSize: number,
): void {
  const end = start + length
  for (let i = firstRunBehind(runs, start); i < runs.length && runs[i].offset < end; i++) {
    const from = Math.max(start, runs[i].offset) - start
    const to = Math.min(end, runs[i].offset + runs[i].length) - start
    const firstPage = Math.floor(from / pageSize)
    setBits(bitmap, firstPage, Math.ceil(to / pageSize) - firstPage)
  }
}

/** Index of the first run that ends behind `offset`. */
function firstRunBehind(runs: readonly ByteRange[], offset: number): number {
  let low = 0
  let high = runs.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (runs[middle].offset + runs[middle].length > offset) high = middle
    else low = middle + 1
  }
  return low
}

/** A snapshot of memory alone: no device state, no configuration. Of a scattered source the blocks get their places. */
export function imageSnapshot(
  format: SnapshotFormat,
  name: string,
  source: ByteSource,
  blocks: readonly RamBlock[],
  more: Partial<Snapshot> = {},
): Snapshot {
  return {
    format,
    name,
    machine: null,
    capabilities: [],
    blocks: source instanceof ScatteredSource ? blocks.map(block => withPlaces(block, source)) : blocks,
    deviceState: null,
    ramSectionId: null,
    identity: snapshotIdentity(format, blocks),
    source,
    close: async () => {},
    ...more,
  }
}

function withPlaces(block: RamBlock, { places, base }: ScatteredSource): RamBlock {
  return ramBlock({ ...block, places: placesOfBlock(places, base, block.pagesOffset / block.pageSize) })
}
