/**
 * A VMM's regions laid over a snapshot. Regions are cut where blocks of the snapshot end, and blocks where regions do; the
 * pieces are the blocks of a layout of its own, so that resolver, policies and carriers see nothing new:
 *
 *     offsets   0 ────────────────────────────────────────────▶ length of the memory file
 *     blocks    [ ram@0x0                ][ ram@0x100000000   ]
 *     regions   [ region                 ][ region            ]     each somewhere in the VMM's address space
 *
 * The pieces stand in the order of offsets and leave nothing out, so the pages of this layout, host and target, have the same
 * numbers as in a layout of the snapshot: recordings and working sets are the same for both.
 */
import { countBits } from '../../core/bitmap.ts'
import { LazyRestoreError } from '../../core/error.ts'
import { sharedPart } from '../../core/shared-bitmap.ts'
import { formatBytes } from '../../core/units.ts'
import type { BlockMemory, HostPageChoice } from '../../destination/host-pages.ts'
import { createLayout, type Layout } from '../../destination/layout.ts'
import type { RamBlock, Snapshot } from '../../snapshot/snapshot.ts'
import type { GuestRegion } from './guest-regions.ts'

export interface RegionLayout {
  readonly layout: Layout
  /** Of each block of the layout, where it is in the VMM's address space. */
  blockAddresses(regions: readonly GuestRegion[]): readonly number[]
}

/** The blocks whose bytes, one behind the other, are what regions' offsets count in. */
export interface OffsetSpace {
  readonly snapshot: Snapshot
  readonly blocks: readonly RamBlock[]
  readonly byteLength: number
  /** Of the space's first target page, in the snapshot's dense index. */
  readonly firstTargetPage: number
}

/**
 * All blocks of the snapshot, or one of them.
 * @throws LazyRestoreError `usage` for a block that is not there, or has no bytes in the file
 */
export function offsetSpaceOf(snapshot: Snapshot, blockName: string | null): OffsetSpace {
  const restored = snapshot.blocks.filter(({ ignored }) => !ignored)
  const at = restored.findIndex(({ name }) => name === blockName)
  if (blockName !== null && at < 0) {
    const known = restored.map(({ name }) => name).join(', ')
    throw new LazyRestoreError('usage', `--block: found "${blockName}", expected one of ${known}`)
  }
  const blocks = blockName === null ? restored : [restored[at]]
  return {
    snapshot,
    blocks,
    byteLength: blocks.reduce((sum, { usedLength }) => sum + usedLength, 0),
    firstTargetPage: restored.slice(0, Math.max(0, at)).reduce((sum, { pageCount }) => sum + pageCount, 0),
  }
}

interface Piece {
  readonly block: RamBlock
  readonly memory: BlockMemory
  readonly region: number
  /** Of its first byte, from the region's. */
  readonly offsetInRegion: number
}

/**
 * @param regions by their offsets, apart from each other
 * @throws LazyRestoreError `mismatch` when they do not cover the space exactly, or cannot be cut where its blocks end
 */
export function layRegions(space: OffsetSpace, regions: readonly GuestRegion[]): RegionLayout {
  checkCovered(space, regions)
  const pieces = cut(space, regions)
  const byName = new Map(pieces.map(({ block, memory }) => [block.name, memory]))
  const choice: HostPageChoice = { forBlock: ({ name }) => byName.get(name)!, checkAllUsed: () => {} }
  const layout = createLayout({ ...space.snapshot, blocks: pieces.map(({ block }) => block) }, choice)
  return {
    layout,
    blockAddresses: regions => pieces.map(({ region, offsetInRegion }) => regions[region].address + offsetInRegion),
  }
}

/** Equal for regions that have the same layout, wherever they are in memory. */
export function layoutKey(regions: readonly GuestRegion[]): string {
  return regions.map(({ offset, byteLength, pageSize }) => `${offset}+${byteLength}/${pageSize}`).join(' ')
}

function checkCovered({ snapshot, byteLength, blocks }: OffsetSpace, regions: readonly GuestRegion[]): void {
  let end = 0
  for (const region of regions) {
    if (region.offset !== end) {
      refuse(`offset: found ${region.offset} behind regions of ${end} bytes, expected no gap in the memory file`)
    }
    end += region.byteLength
    if (end > byteLength) {
      refuse(`offset ${region.offset}: found an end at ${end}, expected at most ${byteLength}: ${describe()}`)
    }
  }
  if (end < byteLength) refuse(`found ${formatBytes(end)} of memory (${end} bytes), expected ${describe()}`)

  function describe(): string {
    const names = blocks.length <= 4 ? blocks.map(({ name }) => name).join(', ') : `${blocks.length} blocks`
    const hint = blocks.length > 1 && snapshot.format.endsWith('-ram') ? '; --block takes one of them' : ''
    return `the ${formatBytes(byteLength)} (${byteLength} bytes) of ${snapshot.name} (${names})${hint}`
  }
}

function cut({ blocks }: OffsetSpace, regions: readonly GuestRegion[]): Piece[] {
  const pieces: Piece[] = []
  let start = 0
  for (const block of blocks) {
    const end = start + block.usedLength
    for (const [r, { offset, byteLength, pageSize }] of regions.entries()) {
      const from = Math.max(start, offset)
      const past = Math.min(end, offset + byteLength)
      if (from >= past) continue
      for (const edge of [from, past]) {
        if ((edge - offset) % pageSize !== 0 || (edge - start) % block.pageSize !== 0) {
          const unit = formatBytes(Math.max(pageSize, block.pageSize))
          refuse(`found block ${block.name} and a region meet at ${edge}, expected a multiple of ${unit}`)
        }
      }
      const memory: BlockMemory = { kind: pageSize > 4096 ? 'hugetlb' : 'anon', hostPageSize: pageSize }
      const piece = pieceOf(block, (from - start) / block.pageSize, (past - from) / block.pageSize)
      pieces.push({ block: piece, memory, region: r, offsetInRegion: from - offset })
    }
    start = end
  }
  return pieces
}

/** Pages `[first, first + count)` of a block as a block. */
function pieceOf(block: RamBlock, first: number, count: number): RamBlock {
  const { name, pageSize, pagesOffset, places = null, address = null } = block
  // In shared memory: threads of all VMs read it.
  const bitmap = sharedPart(block.bitmap, first, count)
  const offset = first * pageSize
  return {
    ...block,
    name: count === block.pageCount ? name : `${name}+0x${offset.toString(16)}`,
    usedLength: count * pageSize,
    pageCount: count,
    bitmap,
    setBits: countBits(bitmap, 0, count),
    pagesOffset: pagesOffset + offset,
    address: address === null ? null : address + offset,
    places: places && { ...places, firstPage: places.firstPage + first },
  }
}

function refuse(what: string): never {
  throw new LazyRestoreError('mismatch', `memory regions: ${what}`)
}
