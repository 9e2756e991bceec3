/**
 * A group of pages on its way from the file to the destination: runs of target pages in the order in which they are sent, and
 * the reads that bring their bytes into the group's buffer. Pages that lie close to each other in the file come with one
 * read, whatever lies between them; only pages whose bit is set are ever sent from the buffer.
 *
 * The buffer has two parts: in front room for a piece of the stream, behind it what was read. Records are put together by
 * moving bytes from the back to the front, which needs no object a page (src/qemu/piece-encoder.ts).
 */
import { nextClearBit, nextSetBit } from '../core/bitmap.ts'
import { MIB } from '../core/units.ts'
import type { LayoutBlock } from '../destination/layout.ts'
import { alignedBuffer } from './aligned-buffer.ts'

/** Bytes that a group reads at most, gaps included; one target page may be larger. */
export const GROUP_BYTES = MIB / 2
const MAX_RUNS = 256
const MAX_READS = 256
/** Reading on over a gap of so many bytes costs less than another read. */
const MAX_GAP_BYTES = 64 * 1024
/** Room in front of what is read: a piece, and the record that goes beyond it. */
export const PIECE_AREA_BYTES = 256 * 1024
const MIN_BYTES = 64 * 1024
const NO_BUFFER = Buffer.alloc(0)

/** Target pages `[first, first + count)` of a block, whole host pages or a part of one. */
export interface PageRun {
  block: LayoutBlock
  first: number
  count: number
  /** Where, behind the piece area of the group's buffer, the bytes of target page `first` are, or would be if it had any. */
  at: number
}

/** Brings bytes of a file into a buffer: at once, and then returns null, or later. */
export type ReadBytes = (offset: number, target: Uint8Array, at: number, length: number) => Promise<void> | null

export class PageGroup {
  readonly runs: PageRun[] = []
  runCount = 0
  /** All reads are done. */
  ready = false
  /** Its bytes come from the working-set file. */
  isOfWorkingSetFile = false
  /** Its reads, while they are under way. */
  reading: Promise<void> | null = null
  /** What the encoder has taken: runs, and target pages of the next one. */
  sentRuns = 0
  sentPages = 0
  buffer: Buffer = NO_BUFFER
  view: DataView = new DataView(NO_BUFFER.buffer, 0, 0)
  #bytes = 0
  #readCount = 0
  #readLimit = GROUP_BYTES
  readonly #readOffset = new Float64Array(MAX_READS)
  readonly #readAt = new Float64Array(MAX_READS)
  readonly #readLength = new Float64Array(MAX_READS)

  /** Empties it for use. @param readLimit bytes of its largest read */
  reset(readLimit: number): void {
    this.runCount = 0
    this.ready = false
    this.reading = null
    this.isOfWorkingSetFile = false
    this.sentRuns = 0
    this.sentPages = 0
    this.#bytes = 0
    this.#readCount = 0
    this.#readLimit = readLimit
  }

  get isEmpty(): boolean {
    return this.runCount === 0
  }

  get allSent(): boolean {
    return this.sentRuns === this.runCount
  }

  /** Zero pages of a block, which need no bytes. Returns how many were taken: all, or none when the group is full. */
  addZeros(block: LayoutBlock, first: number, count: number): number {
    if (this.runCount >= MAX_RUNS) return 0
    this.#addRun(block, first, count, this.#bytes)
    return count
  }

  /**
   * Pages of a block, some of which have bytes in the snapshot. Returns how many were taken, from the first on: as many as
   * the group has room for, 0 when it is full.
   */
  addPages(block: LayoutBlock, first: number, count: number): number {
    const { bitmap, pageSize, pagesOffset } = block.block
    if (this.runCount >= MAX_RUNS) return 0
    const start = nextSetBit(bitmap, first, first + count)
    if (start === first + count) return this.addZeros(block, first, count)
    const startAt = this.#placeFor(pagesOffset + start * pageSize)
    const room = Math.floor((GROUP_BYTES - startAt) / pageSize)
    if (room < 1 && this.#bytes > 0) return 0
    // What stands before the first page with bytes is sent as zeros and takes no room.
    const most = Math.min(count, start - first + Math.max(1, room))
    const at = startAt - (start - first) * pageSize
    const taken = this.#addReads(block, first, most, at)
    if (taken > 0) this.#addRun(block, first, taken, at)
    return taken
  }

  /** Pages whose bytes lie at `at` of the read that {@link addFileRead} adds. */
  addFilePages(block: LayoutBlock, first: number, count: number, at: number): void {
    this.#addRun(block, first, count, at)
  }

  /** One read of the working-set file, for a group that reads nothing else. */
  addFileRead(offset: number, length: number): void {
    this.isOfWorkingSetFile = true
    this.#readOffset[0] = offset
    this.#readAt[0] = 0
    this.#readLength[0] = length
    this.#readCount = 1
    this.#bytes = length
  }

  #addRun(block: LayoutBlock, first: number, count: number, at: number): void {
    if (this.runCount === this.runs.length) this.runs.push({ block, first, count, at })
    else Object.assign(this.runs[this.runCount], { block, first, count, at })
    this.runCount++
  }

  /** Where in its buffer the bytes of target pages `[first, first + count)` are, or will be; -1 when it does not have them all. */
  placeOf(block: LayoutBlock, first: number, count: number): number {
    for (let i = 0; i < this.runCount; i++) {
      const run = this.runs[i]
      if (run.block !== block || first < run.first || first + count > run.first + run.count) continue
      return PIECE_AREA_BYTES + run.at + (first - run.first) * block.block.pageSize
    }
    return -1
  }

  /** Takes the last `count` pages back out of the last run. */
  giveBack(count: number): void {
    const run = this.runs[this.runCount - 1]
    run.count -= count
    if (run.count === 0) this.runCount--
  }

  /** Where bytes at `offset` of the file go: on in the read before where that is close, else behind it. */
  #placeFor(offset: number): number {
    return this.#bytes + Math.max(0, this.#gapTo(offset))
  }

  /** Bytes between the end of the last read and `offset`; -1 when it is not worth reading on. */
  #gapTo(offset: number): number {
    if (this.#readCount === 0) return -1
    const last = this.#readCount - 1
    const gap = offset - (this.#readOffset[last] + this.#readLength[last])
    return gap >= 0 && gap <= MAX_GAP_BYTES ? gap : -1
  }

  /** Adds the reads for pages `[first, first + count)`, whose bytes go to `at`; returns for how many there was room. */
  #addReads({ block }: LayoutBlock, first: number, count: number, at: number): number {
    const { bitmap, pageSize, pagesOffset } = block
    const end = first + count
    for (let page = nextSetBit(bitmap, first, end); page < end; ) {
      const past = nextClearBit(bitmap, page, end)
      const place = at + (page - first) * pageSize
      if (!this.#addRead(pagesOffset + page * pageSize, place, (past - page) * pageSize)) return page - first
      page = nextSetBit(bitmap, past, end)
    }
    return count
  }

  #addRead(offset: number, at: number, length: number): boolean {
    const gap = this.#gapTo(offset)
    const last = this.#readCount - 1
    if (gap >= 0 && this.#readLength[last] + gap + length <= this.#readLimit) {
      this.#readLength[last] += gap + length
    } else {
      if (this.#readCount === MAX_READS) return false
      this.#readOffset[this.#readCount] = offset
      this.#readAt[this.#readCount] = at
      this.#readLength[this.#readCount] = length
      this.#readCount++
    }
    this.#bytes = at + length
    return true
  }

  /** Reads what the pages need, one read after the other: at once, and then returns null, or later. */
  read(bytes: ReadBytes): Promise<void> | null {
    const needed = PIECE_AREA_BYTES + Math.max(this.#bytes, MIN_BYTES)
    if (this.buffer.length < needed) {
      this.buffer = alignedBuffer(needed)
      this.view = new DataView(this.buffer.buffer)
    }
    return this.#readFrom(0, bytes)
  }

  #readFrom(first: number, bytes: ReadBytes): Promise<void> | null {
    for (let i = first; i < this.#readCount; i++) {
      const at = PIECE_AREA_BYTES + this.#readAt[i]
      const later = bytes(this.#readOffset[i], this.buffer, at, this.#readLength[i])
      if (later !== null) return later.then(() => this.#readFrom(i + 1, bytes) ?? undefined)
    }
    this.ready = true
    return null
  }

  /** Reads the bytes of every run from their places in the snapshot, when the working-set file cannot be read. */
  async readFromSnapshot(bytes: ReadBytes): Promise<void> {
    for (const { block, first, count, at } of this.runs.slice(0, this.runCount)) {
      const { bitmap, pageSize, pagesOffset } = block.block
      const end = first + count
      for (let page = nextSetBit(bitmap, first, end); page < end; ) {
        const past = nextClearBit(bitmap, page, end)
        const place = PIECE_AREA_BYTES + at + (page - first) * pageSize
        await bytes(pagesOffset + page * pageSize, this.buffer, place, (past - page) * pageSize)
        page = nextSetBit(bitmap, past, end)
      }
    }
    this.ready = true
  }
}
