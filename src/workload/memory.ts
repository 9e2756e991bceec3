/**
 * The memory that a workload is made for: how many target pages it has, and which of them the snapshot has bytes of. The
 * pages of all restored blocks share one dense index, in snapshot order, as in the destination's layout; blocks that the
 * snapshot leaves out (x-ignore-shared) have none.
 */
import { addBits, type Bitmap, createBitmap } from '../core/bitmap.ts'
import { LazyRestoreError } from '../core/error.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { MAX_PAGES } from './workload.ts'

export interface WorkloadMemory {
  readonly pageCount: number
  /** Target page size in bytes; a power of two. */
  readonly pageSize: number
  /** Bit p: the snapshot has bytes of page p. Null when only the size is known; then all pages count as alike. */
  readonly present: Bitmap | null
  readonly snapshotIdentity: string | null
  /** Most accesses that a workload for it may have; as many as the columns hold when not given. */
  readonly maxAccesses?: number
}

/** A memory of which only the size is known. */
export function memoryOfSize(pageCount: number, pageSize: number): WorkloadMemory {
  return { pageCount, pageSize, present: null, snapshotIdentity: null }
}

/** The memory of a snapshot, its blocks' bitmaps laid one behind the other. */
export function memoryOfSnapshot(snapshot: Snapshot): WorkloadMemory {
  const blocks = snapshot.blocks.filter(({ ignored }) => !ignored)
  if (blocks.length === 0) {
    throw new LazyRestoreError('mismatch', `${snapshot.name}: found no RAM block to restore, expected at least one`)
  }
  const { name, pageSize } = blocks[0]
  let pageCount = 0
  for (const block of blocks) {
    if (block.pageSize !== pageSize) {
      throw new LazyRestoreError(
        'unsupported',
        `${snapshot.name}: block ${block.name}: found target pages of ${block.pageSize} bytes, expected ${pageSize} as in block ${name}`,
      )
    }
    pageCount += block.pageCount
  }
  checkMemory({ pageCount, pageSize, present: null, snapshotIdentity: null })
  const snapshotIdentity = snapshot.identity
  if (blocks.length === 1) return { pageCount, pageSize, present: blocks[0].bitmap, snapshotIdentity }
  const present = createBitmap(pageCount)
  let first = 0
  for (const block of blocks) {
    addBits(block.bitmap, block.pageCount, present, first)
    first += block.pageCount
  }
  return { pageCount, pageSize, present, snapshotIdentity }
}

/** @throws LazyRestoreError `usage` when the memory is not one that a workload can be made for */
export function checkMemory({ pageCount, pageSize, present }: WorkloadMemory): void {
  if (!Number.isSafeInteger(pageCount) || pageCount < 1 || pageCount > MAX_PAGES) {
    throw new LazyRestoreError('usage', `memory: found ${pageCount} pages, expected 1 to ${MAX_PAGES}`)
  }
  if (!isPageSize(pageSize)) {
    throw new LazyRestoreError('usage', `memory: found a page size of ${pageSize}, expected a power of two`)
  }
  if (present !== null && present.length < Math.ceil(pageCount / 32)) {
    throw new LazyRestoreError(
      'usage',
      `memory: found a bitmap of ${present.length * 32} bits, expected at least one a page, ${pageCount}`,
    )
  }
}

/** A power of two from 512 bytes to 1 GiB. */
export function isPageSize(pageSize: number): boolean {
  return Number.isInteger(pageSize) && pageSize >= 512 && pageSize <= 2 ** 30 && (pageSize & (pageSize - 1)) === 0
}
