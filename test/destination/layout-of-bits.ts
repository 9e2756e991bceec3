/** Small layouts, written out: each block's bitmap as text of ones and zeros, blanks between them for the eye. */
import { createBitmap, setBit } from '../../src/core/bitmap.ts'
import type { MemoryKind } from '../../src/destination/host-pages.ts'
import { createLayout, type Layout } from '../../src/destination/layout.ts'
import { memorySource } from '../../src/snapshot/byte-source.ts'
import type { RamBlock, Snapshot } from '../../src/snapshot/snapshot.ts'

export interface BlockOfBits {
  readonly bits: string
  readonly name?: string
  readonly kind?: MemoryKind
  readonly hostPageSize?: number
  readonly pageSize?: number
  readonly ignored?: boolean
}

/** Slots of a block's pages lie behind those of the block before, from byte 1,000,000 on. */
export function snapshotOfBits(blocks: readonly BlockOfBits[]): Snapshot {
  let pagesOffset = 1_000_000
  const ramBlocks = blocks.map((given, i): RamBlock => {
    const bits = given.bits.replaceAll(' ', '')
    const pageSize = given.pageSize ?? 4096
    const bitmap = createBitmap(bits.length)
    for (const [page, bit] of [...bits].entries()) if (bit === '1') setBit(bitmap, page)
    const block = {
      name: given.name ?? `block${i}`,
      usedLength: bits.length * pageSize,
      pageSize,
      pageCount: bits.length,
      bitmap,
      setBits: bits.replaceAll('0', '').length,
      bitmapOffset: null,
      pagesOffset,
      ignored: given.ignored ?? false,
    }
    pagesOffset += block.usedLength
    return block
  })
  return {
    format: 'mapped-ram',
    name: 'bits',
    machine: null,
    capabilities: [],
    blocks: ramBlocks,
    deviceState: null,
    ramSectionId: null,
    identity: 'bits',
    source: memorySource(new Uint8Array(0), 'bits'),
    close: async () => {},
  }
}

/** 4 KiB anon pages unless a block says otherwise. */
export function layoutOfBits(...blocks: BlockOfBits[]): Layout {
  const snapshot = snapshotOfBits(blocks)
  return createLayout(snapshot, {
    forBlock: block => {
      const { kind = 'anon', hostPageSize = 4096 } = blocks[snapshot.blocks.indexOf(block)]
      return { kind, hostPageSize }
    },
    checkAllUsed: () => {},
  })
}
