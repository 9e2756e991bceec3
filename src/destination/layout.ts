/**
 * The destination's memory: each RAM block of the snapshot laid over host pages of a size and kind of its own. Host pages
 * of all blocks share one dense index, in snapshot order, so that all state about them is flat typed arrays.
 *
 * A host page covers `hostPageSize / pageSize` target pages. It is *zero* (no bit set), *data* (all set) or *mixed*,
 * answered in O(1) from two bitmaps that are built once by popcount.
 */
import {
  addBits,
  type Bitmap,
  countBits,
  createBitmap,
  nextClearBit,
  nextSetBit,
  setBit,
  testBit,
} from '../core/bitmap.ts'
import { LazyRestoreError } from '../core/error.ts'
import { formatBytes } from '../core/units.ts'
import type { RamBlock, Snapshot } from '../snapshot/snapshot.ts'
import { type BlockMemory, describeBlockMemory, type HostPageChoice } from './host-pages.ts'

/** What a host page's target pages hold. */
export const PAGE_ZERO = 0
export const PAGE_DATA = 1
export const PAGE_MIXED = 2
export type PageContent = typeof PAGE_ZERO | typeof PAGE_DATA | typeof PAGE_MIXED

/** One RAM block at the destination. */
export interface LayoutBlock extends BlockMemory {
  readonly block: RamBlock
  readonly index: number
  /** Dense index of the block's first host page, and one past its last. */
  readonly firstHostPage: number
  readonly endHostPage: number
  /** Dense index, over all blocks, of the block's first target page. */
  readonly firstTargetPage: number
  /** log2 of target pages per host page. */
  readonly pageShift: number
}

export interface Layout {
  readonly snapshot: Snapshot
  /** Blocks that are restored; x-ignore-shared ones are left out. */
  readonly blocks: readonly LayoutBlock[]
  readonly hostPageCount: number
  readonly targetPageCount: number
  readonly byteLength: number
  /** Bit h: host page h has at least one target page with data. */
  readonly hasData: Bitmap
  /** Bit h: host page h has target pages of both sorts. Null when host pages are target pages, and none can be mixed. */
  readonly mixed: Bitmap | null
  /** For people: `anon 4 KiB`, or `m0: hugetlb 2 MiB, others: anon 4 KiB`. */
  readonly description: string
}

/** Lays a snapshot's blocks over host pages. `choice` says which; see host-pages.ts. */
export function createLayout(snapshot: Snapshot, choice: HostPageChoice): Layout {
  const blocks: LayoutBlock[] = []
  let hostPages = 0
  let targetPages = 0
  for (const block of snapshot.blocks) {
    if (block.ignored) continue
    const memory = choice.forBlock(block)
    const hostPageCount = Math.ceil(block.usedLength / memory.hostPageSize)
    blocks.push({
      kind: memory.kind,
      hostPageSize: memory.hostPageSize,
      block,
      index: blocks.length,
      firstHostPage: hostPages,
      endHostPage: hostPages + hostPageCount,
      firstTargetPage: targetPages,
      pageShift: Math.log2(memory.hostPageSize / block.pageSize),
    })
    hostPages += hostPageCount
    targetPages += block.pageCount
  }
  if (blocks.length === 0) {
    throw new LazyRestoreError('mismatch', `${snapshot.name}: found no RAM block to restore, expected at least one`)
  }
  choice.checkAllUsed(snapshot)
  return {
    snapshot,
    blocks,
    hostPageCount: hostPages,
    targetPageCount: targetPages,
    byteLength: blocks.reduce((sum, { block }) => sum + block.usedLength, 0),
    ...summarise(blocks, hostPages),
    description: describeLayout(blocks),
  }
}

function summarise(blocks: readonly LayoutBlock[], hostPageCount: number): Pick<Layout, 'hasData' | 'mixed'> {
  const only = blocks.length === 1 ? blocks[0] : null
  if (only !== null && only.pageShift === 0) return { hasData: only.block.bitmap, mixed: null }
  const hasData = createBitmap(hostPageCount)
  const mixed = blocks.some(({ pageShift }) => pageShift > 0) ? createBitmap(hostPageCount) : null
  for (const { block, firstHostPage, endHostPage, pageShift } of blocks) {
    if (pageShift === 0) {
      addBits(block.bitmap, block.pageCount, hasData, firstHostPage)
      continue
    }
    for (let hostPage = firstHostPage; hostPage < endHostPage; hostPage++) {
      const first = (hostPage - firstHostPage) * 2 ** pageShift
      const pages = Math.min(2 ** pageShift, block.pageCount - first)
      const set = countBits(block.bitmap, first, pages)
      if (set > 0) setBit(hasData, hostPage)
      if (set > 0 && set < pages) setBit(mixed!, hostPage)
    }
  }
  return { hasData, mixed }
}

/** What host page `hostPage` holds, in O(1). */
export function pageContent(layout: Layout, hostPage: number): PageContent {
  if (!testBit(layout.hasData, hostPage)) return PAGE_ZERO
  return layout.mixed !== null && testBit(layout.mixed, hostPage) ? PAGE_MIXED : PAGE_DATA
}

/** A virtual machine has fewer blocks than this, so a scan is the shortest way; a process may have thousands. */
const FEW_BLOCKS = 16

/** The block that host page `hostPage` lies in. */
export function blockOfHostPage(layout: Layout, hostPage: number): LayoutBlock {
  const { blocks } = layout
  const from = blocks.length > FEW_BLOCKS ? firstBlockBehind(blocks, hostPage) : 0
  for (let i = from; i < blocks.length; i++) if (hostPage < blocks[i].endHostPage) return blocks[i]
  throw new LazyRestoreError('mismatch', `host page: found ${hostPage}, expected 0..${layout.hostPageCount - 1}`)
}

/** Index of the first block that ends behind `hostPage`. */
function firstBlockBehind(blocks: readonly LayoutBlock[], hostPage: number): number {
  let low = 0
  let high = blocks.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (blocks[middle].endHostPage > hostPage) high = middle
    else low = middle + 1
  }
  return low
}

/** The host page over each target page of `targetPages`; the same array where both indices are one. */
export function hostPagesOf(layout: Layout, targetPages: Uint32Array): Uint32Array {
  if (layout.blocks.every(({ pageShift }) => pageShift === 0)) return targetPages
  const hostPages = new Uint32Array(targetPages.length)
  for (let i = 0; i < targetPages.length; i++) hostPages[i] = hostPageOf(layout, targetPages[i])
  return hostPages
}

/** The host page over target page `page`, which the layout must have. */
export function hostPageOf({ blocks }: Layout, page: number): number {
  let b = blocks.length - 1
  while (blocks[b].firstTargetPage > page) b--
  const { firstHostPage, firstTargetPage, pageShift } = blocks[b]
  return firstHostPage + ((page - firstTargetPage) >>> pageShift)
}

/** Bytes under host pages `[first, first + count)` of `block`; its tail may be short of a whole host page. */
export function runBytes(block: LayoutBlock, first: number, count: number): number {
  const end = (first + count - block.firstHostPage) * block.hostPageSize
  return Math.min(end, block.block.usedLength) - (first - block.firstHostPage) * block.hostPageSize
}

/** Bytes under the host pages that have data: what an eager load fills. */
export function dataBytes(layout: Layout, blocks = layout.blocks): number {
  let bytes = 0
  for (const block of blocks) {
    const { firstHostPage, endHostPage, hostPageSize } = block
    bytes += countBits(layout.hasData, firstHostPage, endHostPage - firstHostPage) * hostPageSize
    if (testBit(layout.hasData, endHostPage - 1)) bytes += runBytes(block, endHostPage - 1, 1) - hostPageSize
  }
  return bytes
}

/** Number of maximal runs of host pages with data. */
export function dataRunCount({ blocks, hasData }: Layout): number {
  let runs = 0
  for (const { firstHostPage, endHostPage } of blocks) {
    for (let page = nextSetBit(hasData, firstHostPage, endHostPage); page < endHostPage; runs++) {
      page = nextSetBit(hasData, nextClearBit(hasData, page, endHostPage), endHostPage)
    }
  }
  return runs
}

function describeLayout(blocks: readonly LayoutBlock[]): string {
  const groups = new Map<string, LayoutBlock[]>()
  for (const block of blocks) {
    const key = describeBlockMemory(block)
    groups.set(key, [...(groups.get(key) ?? []), block])
  }
  if (groups.size === 1) return [...groups.keys()][0]
  const bySize = [...groups].sort((a, b) => totalLength(b[1]) - totalLength(a[1]))
  return bySize
    .map(([memory, members], i) => `${i > 0 && i === bySize.length - 1 ? 'others' : names(members)}: ${memory}`)
    .join(', ')
}

function names(blocks: readonly LayoutBlock[]): string {
  return blocks.length <= 3
    ? blocks.map(({ block }) => block.name).join(' + ')
    : `${blocks.length} blocks of ${formatBytes(totalLength(blocks))}`
}

function totalLength(blocks: readonly LayoutBlock[]): number {
  return blocks.reduce((sum, { block }) => sum + block.usedLength, 0)
}
