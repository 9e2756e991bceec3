/**
 * Room for the store's file before it is needed. LMDB writes pages behind the end of its file, and a write that the disk
 * refuses in the middle of a transaction leaves the library's memory damaged. So the file is made longer in advance, by
 * zeros of our own, and a transaction starts only when what it can need is there: a full disk is found here, where nothing
 * breaks. LMDB does not look at what lies behind its last page.
 */
import { closeSync, fstatSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { HttpError } from '../http/errors.ts'

const KIB = 1024
const PAGE_BYTES = 4 * KIB
/** The file grows by this much at a time. */
const STEP_BYTES = 8 * 1024 * KIB
const ZEROS = Buffer.alloc(256 * KIB)
/** What a transaction may need beside its records: the tree's pages from root to leaf, the list of free pages. */
const OVERHEAD_BYTES = 256 * KIB
const OVERHEAD_PER_RECORD = 8 * PAGE_BYTES
/** Kept back from puts when the disk is full, so that removing, which makes room, still works. */
const REMOVAL_BYTES = 1024 * KIB

interface TreeStatistics {
  readonly treeBranchPageCount: number
  readonly treeLeafPageCount: number
  readonly overflowPages: number
}

/** Of lmdb's getStats(). */
export interface FileStatistics extends TreeStatistics {
  readonly pageSize: number
  readonly lastPageNumber: number
  readonly free: TreeStatistics
}

export class SpaceReserve {
  readonly #file: string
  readonly #statistics: () => FileStatistics

  constructor(file: string, statistics: () => FileStatistics) {
    this.#file = file
    this.#statistics = statistics
  }

  /** Bytes up to the last page that LMDB uses. */
  get usedBytes(): number {
    const { lastPageNumber, pageSize } = this.#statistics()
    return (lastPageNumber + 1) * pageSize
  }

  /**
   * Makes sure that records of these sizes can be put; none: that something can be removed.
   * @throws HttpError `full`
   */
  makeRoom(recordBytes: readonly number[]): void {
    const need = recordBytes.reduce((sum, bytes) => sum + bytes + OVERHEAD_PER_RECORD, OVERHEAD_BYTES)
    const keep = recordBytes.length === 0 ? 0 : REMOVAL_BYTES
    const missing = need + keep - this.#roomBehind()
    if (missing <= 0) return
    if (this.#grow(missing)) return
    // What was removed is used again, but in pieces, so much of it is needed; what finds no piece goes behind the end.
    if (this.#freeBytes() > 4 * need && this.#roomBehind() > Math.min(need, REMOVAL_BYTES / 2)) return
    throw new HttpError('full', 'the data directory has no space left; delete experiments, sessions or traces')
  }

  #roomBehind(): number {
    const descriptor = openSync(this.#file, 'r')
    try {
      return fstatSync(descriptor).size - this.usedBytes
    } finally {
      closeSync(descriptor)
    }
  }

  #freeBytes(): number {
    const { lastPageNumber, pageSize, free, ...records } = this.#statistics()
    return Math.max(0, lastPageNumber - 1 - pagesOf(records) - pagesOf(free)) * pageSize
  }

  /** Writes zeros behind the end; false when the disk is full. */
  #grow(missing: number): boolean {
    const descriptor = openSync(this.#file, 'r+')
    try {
      const { size } = fstatSync(descriptor)
      const wanted = size + Math.max(missing, STEP_BYTES)
      for (let at = Math.max(size, this.usedBytes); at < wanted; ) {
        at += writeSync(descriptor, ZEROS, 0, Math.min(ZEROS.length, wanted - at), at)
      }
      fsyncSync(descriptor)
      return true
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error
      // What could be written is there, and may be enough.
      return this.#roomBehind() >= missing
    } finally {
      closeSync(descriptor)
    }
  }
}

function pagesOf({ treeBranchPageCount, treeLeafPageCount, overflowPages }: TreeStatistics): number {
  return treeBranchPageCount + treeLeafPageCount + overflowPages
}
