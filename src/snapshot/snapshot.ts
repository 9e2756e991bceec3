/**
 * What every reader yields and everything else stands on: RAM blocks, each with a bitmap that says which of its target
 * pages have bytes in the file. A page whose bit is clear is zero; bytes that the file may hold in its place are stale
 * and are never read.
 */
import type { Bitmap } from '../core/bitmap.ts'
import type { ByteSource } from './byte-source.ts'
import type { BlockPlaces } from './page-places.ts'

export type SnapshotFormat =
  | 'mapped-ram'
  | 'fixed-ram'
  | 'firecracker'
  | 'cloud-hypervisor'
  | 'criu'
  | 'elf-core'
  | 'e2b'
  | 'layers'
  | 'raw'
  | 'synthetic'

export interface RamBlock {
  readonly name: string
  /** Bytes of RAM in the block; a multiple of `pageSize`. */
  readonly usedLength: number
  /** Target (guest) page size in bytes: what one bit of the bitmap stands for. A power of two. */
  readonly pageSize: number
  /** `usedLength / pageSize`. */
  readonly pageCount: number
  /** Bit p set: page p's bytes are in the source, at `pagesOffset + p * pageSize`. Bits past `pageCount` are clear. */
  readonly bitmap: Bitmap
  readonly setBits: number
  /** Absolute file offset of the bitmap; null where the format has none (synthetic). */
  readonly bitmapOffset: number | null
  /** Offset of page slot 0 in the snapshot's source: of the file, where the snapshot is one file. */
  readonly pagesOffset: number
  /** x-ignore-shared: the block's memory is shared and named, and is not in the file (no page may be asked for). */
  readonly ignored: boolean
  /** Where the block's memory was: guest physical, or virtual in a process. Null or absent where the format does not say. */
  readonly address?: number | null
  /**
   * Where each page with data is, for who reads the files themselves; null or absent: in one file, as in the source. The source
   * has it at `pagesOffset` on in any case.
   */
  readonly places?: BlockPlaces | null
}

/**
 * The block as an object of the one hidden class for all, as readers make them: V8 makes a class for each spread, and code that
 * has seen a few of them looks every property up. Of a sweep's time that was a tenth.
 */
export function ramBlock(block: RamBlock): RamBlock {
  return {
    name: block.name,
    usedLength: block.usedLength,
    pageSize: block.pageSize,
    pageCount: block.pageCount,
    bitmap: block.bitmap,
    setBits: block.setBits,
    bitmapOffset: block.bitmapOffset,
    pagesOffset: block.pagesOffset,
    ignored: block.ignored,
    address: block.address ?? null,
    places: block.places ?? null,
  }
}

/** A range of bytes in the file. */
export interface ByteRange {
  readonly offset: number
  readonly length: number
}

/** One of the files or folders that the pages of a snapshot are taken from. */
export interface SnapshotLayer {
  readonly name: string
  /** Pages that it has, those among them that a newer layer covers included. */
  readonly storedPages: number
  /** Pages that the snapshot takes from it. */
  readonly usedPages: number
}

export interface Snapshot {
  readonly format: SnapshotFormat
  /** The file's path, or the spec string of a synthetic snapshot. */
  readonly name: string
  /** Machine type of the VM that was saved; null where the format does not say. */
  readonly machine: string | null
  readonly capabilities: readonly string[]
  /** In file order. Order carries no meaning; names are unique. */
  readonly blocks: readonly RamBlock[]
  /**
   * The stream's configuration section without the capabilities, in one range or two: what a migration of this machine opens
   * with; absent or null where the format has none.
   */
  readonly configuration?: readonly ByteRange[] | null
  /** Everything behind RAM up to, not including, the stream's EOF byte; null where the format has none. */
  readonly deviceState: ByteRange | null
  /** The JSON text behind the EOF byte that describes the device state, where there is one. */
  readonly vmDescription?: ByteRange | null
  /** RAM's section id in the stream; null where the format has none. */
  readonly ramSectionId: number | null
  /** The chain that the pages come from, base first; null or absent where all are of one file. */
  readonly layers?: readonly SnapshotLayer[] | null
  /**
   * Hex digest over format, block names, lengths, page sizes and bitmaps: equal for two copies of one snapshot. Page
   * contents are not read for it, so two saves that wrote the same pages share it. Traces and working sets carry it.
   */
  readonly identity: string
  /** The bytes behind the page slots. Only slots of set bits may be read. */
  readonly source: ByteSource
  /** Paths of all files that were opened for it, lists and tables included; absent: it is in none. */
  readonly files?: readonly string[]
  close(): Promise<void>
}
