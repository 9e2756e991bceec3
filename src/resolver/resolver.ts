/**
 * The resolver answers a missing host page, or a run of them, with what to do: which userfaultfd operation, and for a COPY
 * which runs of file bytes to read into which place of a bounce buffer. It is pure: it reads bitmaps, writes into a
 * preallocated `Resolution` and touches neither file nor kernel. Every engine uses it.
 *
 * ZEROPAGE is EINVAL on hugetlb (Linux mm/userfaultfd.c, ioctl_userfaultfd(2)), so a zero host page there is a COPY from a
 * zero buffer, the *fake copy*. A mixed host page is one COPY of read runs with zeros between them. Bytes under a clear bit
 * are never asked for.
 */
import { nextClearBit, nextSetBit, testBit } from '../core/bitmap.ts'
import { LazyRestoreError } from '../core/error.ts'
import { blockOfHostPage, type Layout, type LayoutBlock, runBytes } from '../destination/layout.ts'
import { type BlockPlaces, placedRunLength, placeOffset, rankOf } from '../snapshot/page-places.ts'

/** UFFDIO_COPY of bytes from the snapshot. */
export const OP_COPY = 0
/** UFFDIO_ZEROPAGE. */
export const OP_ZEROPAGE = 1
/** UFFDIO_COPY from a buffer of zeros, where the kernel knows no ZEROPAGE. */
export const OP_ZERO_COPY = 2
export type Operation = typeof OP_COPY | typeof OP_ZEROPAGE | typeof OP_ZERO_COPY

export const OPERATION_NAMES = ['copy', 'zeropage', 'zero-copy'] as const

/** What to do about host pages `[hostPage, hostPage + pageCount)`, all of one block. Reused from call to call. */
export interface Resolution {
  op: Operation
  hostPage: number
  pageCount: number
  block: LayoutBlock
  /** Bytes to install; less than a whole number of host pages only at a block's tail. */
  byteLength: number
  /** Runs to read, the first `runCount` entries of the three arrays; none for a zero operation. */
  runCount: number
  /** Which of the snapshot's files: 0 for the source itself, else the number of an origin (src/snapshot/page-places.ts). */
  readonly origin: Uint16Array
  readonly fileOffset: Float64Array
  readonly bufferOffset: Float64Array
  readonly length: Float64Array
}

/** The operation that installs host page `hostPage`, in O(1). */
export function operationOf(layout: Layout, hostPage: number, block: LayoutBlock): Operation {
  return testBit(layout.hasData, hostPage) ? OP_COPY : zeroOperationOf(block)
}

/** The operation that installs zeros. */
export function zeroOperationOf({ kind }: LayoutBlock): Operation {
  return kind === 'hugetlb' ? OP_ZERO_COPY : OP_ZEROPAGE
}

/** A Resolution with room for any `maxPages` host pages of the layout. Reads are cut at `maxReadBytes`. */
export function createResolution(layout: Layout, maxPages: number, maxReadBytes: number): Resolution {
  let runs = 1
  for (const { block, hostPageSize } of layout.blocks) {
    const targetPages = Math.min((maxPages * hostPageSize) / block.pageSize, block.pageCount)
    const cut = Math.ceil((targetPages * block.pageSize) / Math.max(maxReadBytes, block.pageSize))
    // Scattered pages may be a run each.
    const most = block.places ? targetPages : Math.ceil(targetPages / 2)
    runs = Math.max(runs, most + cut)
  }
  return {
    op: OP_ZEROPAGE,
    hostPage: 0,
    pageCount: 0,
    block: layout.blocks[0],
    byteLength: 0,
    runCount: 0,
    origin: new Uint16Array(runs),
    fileOffset: new Float64Array(runs),
    bufferOffset: new Float64Array(runs),
    length: new Float64Array(runs),
  }
}

/**
 * Resolves `pageCount` host pages from `hostPage` on, all of one block and of one operation, into `into`.
 * @throws LazyRestoreError `mismatch` when the pages lie outside the layout or span blocks or operations; `limit` when
 * `into` was made for fewer pages.
 */
export function resolve(
  layout: Layout,
  hostPage: number,
  pageCount: number,
  maxReadBytes: number,
  into: Resolution,
): Resolution {
  const block = blockOfHostPage(layout, hostPage)
  const end = hostPage + pageCount
  if (pageCount < 1 || end > block.endHostPage) {
    throw new LazyRestoreError(
      'mismatch',
      `block ${block.block.name}: found host pages [${hostPage}, ${end}), expected a run inside [${block.firstHostPage}, ${block.endHostPage})`,
    )
  }
  into.op = operationOf(layout, hostPage, block)
  const uniformEnd =
    into.op === OP_COPY ? nextClearBit(layout.hasData, hostPage, end) : nextSetBit(layout.hasData, hostPage, end)
  if (uniformEnd < end) {
    throw new LazyRestoreError(
      'mismatch',
      `host page ${uniformEnd}: found another operation than at host page ${hostPage}`,
    )
  }
  into.hostPage = hostPage
  into.pageCount = pageCount
  into.block = block
  into.byteLength = runBytes(block, hostPage, pageCount)
  into.runCount = 0
  if (into.op === OP_COPY) {
    const { places = null } = block.block
    if (places === null) addSourceRuns(block, hostPage, maxReadBytes, into)
    else addPlacedRuns(block, places, hostPage, maxReadBytes, into)
  }
  return into
}

/**
 * Where in the snapshot's file the bytes of host pages from `hostPage` on lie, all of which have data, if that is one piece for
 * sure: -1 where host pages are larger than the snapshot's, or these are scattered. In O(1).
 */
export function solePieceOffset({ block, pageShift, firstHostPage }: LayoutBlock, hostPage: number): number {
  if (pageShift > 0 || block.places) return -1
  return block.pagesOffset + (hostPage - firstHostPage) * block.pageSize
}

function addSourceRuns(
  { block, firstHostPage, hostPageSize }: LayoutBlock,
  hostPage: number,
  maxReadBytes: number,
  into: Resolution,
): void {
  const { bitmap, pageSize, pagesOffset } = block
  const maxPages = Math.max(1, Math.floor(maxReadBytes / pageSize))
  const firstPage = (hostPage - firstHostPage) * (hostPageSize / block.pageSize)
  const endPage = firstPage + into.byteLength / pageSize
  for (let page = nextSetBit(bitmap, firstPage, endPage); page < endPage; ) {
    const past = nextClearBit(bitmap, page, Math.min(endPage, page + maxPages))
    addRun(into, 0, pagesOffset + page * pageSize, (page - firstPage) * pageSize, (past - page) * pageSize)
    page = nextSetBit(bitmap, past, endPage)
  }
}

/** The same where pages are scattered over files: a run ends where the next page is not behind it. */
function addPlacedRuns(
  { block, firstHostPage, hostPageSize }: LayoutBlock,
  places: BlockPlaces,
  hostPage: number,
  maxReadBytes: number,
  into: Resolution,
): void {
  const { bitmap, pageSize } = block
  const maxPages = Math.max(1, Math.floor(maxReadBytes / pageSize))
  const firstPage = (hostPage - firstHostPage) * (hostPageSize / block.pageSize)
  const endPage = firstPage + into.byteLength / pageSize
  for (let page = nextSetBit(bitmap, firstPage, endPage); page < endPage; ) {
    const rank = rankOf(places, places.firstPage + page)
    let past = page + 1
    // Most faults ask for one page.
    if (past < endPage && maxPages > 1) {
      const most = nextClearBit(bitmap, past, Math.min(endPage, page + maxPages)) - page
      past = page + placedRunLength(places, rank, most)
    }
    const offset = placeOffset(places, rank, page, pageSize)
    addRun(into, places.origin[rank], offset, (page - firstPage) * pageSize, (past - page) * pageSize)
    page = nextSetBit(bitmap, past, endPage)
  }
}

function addRun(into: Resolution, origin: number, fileOffset: number, bufferOffset: number, length: number): void {
  const run = into.runCount
  if (run === into.length.length) {
    throw new LazyRestoreError(
      'limit',
      `host pages [${into.hostPage}, ${into.hostPage + into.pageCount}): found more than ${run} runs to read, expected a resolution with room for all`,
    )
  }
  into.origin[run] = origin
  into.fileOffset[run] = fileOffset
  into.bufferOffset[run] = bufferOffset
  into.length[run] = length
  into.runCount = run + 1
}
