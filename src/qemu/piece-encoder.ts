/**
 * Puts the pages of a group into pieces of the migration stream. A piece is what is handed to the socket at a time; between
 * two pieces a requested page can go first. On the main channel a piece is a RAM section, on the urgent one bare records
 * (QEMU migration/ram.c, ram_load_postcopy):
 *
 *   u64 offset | flags, [u8 length, name of the block unless CONTINUE], then with PAGE the page's bytes, with ZERO one byte 0
 *
 * All target pages of a host page go in a row, in order.
 */
import { testBit } from '../core/bitmap.ts'
import type { LayoutBlock } from '../destination/layout.ts'
import { ELEMENT_SECTION_FOOTER, ELEMENT_SECTION_PART, RAM_FLAG_EOS } from '../snapshot/stream-format.ts'
import { type PageGroup, PIECE_AREA_BYTES } from './page-group.ts'
import type { PageLedger } from './page-ledger.ts'

const FLAG_ZERO = 0x02
const FLAG_PAGE = 0x08
const FLAG_CONTINUE = 0x20

/** A piece ends behind the record that reaches this. What is handed to the socket delays a request by as much. */
const PIECE_BYTES = 128 * 1024
/** A target page, its offset and its block's name fit behind that, and the section's end. */
export const MAX_TARGET_PAGE_BYTES = 64 * 1024

export class PieceEncoder {
  readonly #ledger: PageLedger
  /** Of the RAM section; null: bare records. */
  readonly #sectionId: number | null
  /** The piece ends inside a host page: the next one must go on with it. */
  isInHostPage = false
  /** The requests that the last piece answers: their entries in the log. */
  readonly answers: number[] = []
  /** The host pages that the last piece completes, as runs: first and count in turn. */
  readonly completed: number[] = []
  /** A host page that was sent by another way while a part of it was read here. */
  #skipped = -1
  #at = 0

  constructor(ledger: PageLedger, sectionId: number | null) {
    this.#ledger = ledger
    this.#sectionId = sectionId
  }

  /** The next piece of a group that is read, in the front of the group's buffer; null when all of it is sent already. */
  encode(group: PageGroup): Uint8Array | null {
    this.answers.length = 0
    this.completed.length = 0
    this.#at = 0
    if (this.#sectionId !== null) this.#putMark(group, ELEMENT_SECTION_PART, this.#sectionId)
    const recordsAt = this.#at
    let block: LayoutBlock | null = null
    while (!group.allSent && this.#at < PIECE_BYTES) {
      const run = group.runs[group.sentRuns]
      const page = run.first + group.sentPages
      const hostPage = run.block.firstHostPage + Math.floor(page / 2 ** run.block.pageShift)
      if (this.#mayBegin(run.block, page, hostPage)) {
        const from = PIECE_AREA_BYTES + run.at + group.sentPages * run.block.block.pageSize
        this.#putRecord(group, run.block, page, from, block === run.block)
        block = run.block
        this.#endRecord(run.block, page, hostPage)
      }
      if (++group.sentPages < run.count) continue
      group.sentRuns++
      group.sentPages = 0
    }
    if (this.#at === recordsAt) return null
    if (this.#sectionId !== null) {
      this.#putU64(group, RAM_FLAG_EOS)
      this.#putMark(group, ELEMENT_SECTION_FOOTER, this.#sectionId)
    }
    return group.buffer.subarray(0, this.#at)
  }

  /** Whether the record of a target page is to be written: at a host page's first one, whether that is still to be sent. */
  #mayBegin({ pageShift }: LayoutBlock, page: number, hostPage: number): boolean {
    if (page % 2 ** pageShift !== 0) return this.#skipped !== hostPage
    if (this.#ledger.take(hostPage)) return true
    this.#skipped = hostPage
    return false
  }

  #endRecord({ pageShift, block }: LayoutBlock, page: number, hostPage: number): void {
    this.isInHostPage = (page + 1) % 2 ** pageShift !== 0 && page + 1 < block.pageCount
    if (this.isInHostPage) return
    this.#addCompleted(hostPage)
    const entry = this.#ledger.finish(hostPage)
    if (entry >= 0) this.answers.push(entry)
  }

  #addCompleted(hostPage: number): void {
    const { completed } = this
    const last = completed.length - 2
    if (last >= 0 && completed[last] + completed[last + 1] === hostPage) completed[last + 1]++
    else completed.push(hostPage, 1)
  }

  #putRecord(group: PageGroup, { block }: LayoutBlock, page: number, from: number, sameBlock: boolean): void {
    const { name, pageSize, bitmap } = block
    const hasData = testBit(bitmap, page)
    const flags = (hasData ? FLAG_PAGE : FLAG_ZERO) | (sameBlock ? FLAG_CONTINUE : 0)
    this.#putU64(group, page * pageSize + flags)
    if (!sameBlock) {
      group.buffer[this.#at++] = name.length
      this.#at += group.buffer.write(name, this.#at, 'latin1')
    }
    if (hasData) {
      group.buffer.copyWithin(this.#at, from, from + pageSize)
      this.#at += pageSize
      this.#ledger.dataPages++
    } else {
      group.buffer[this.#at++] = 0
      this.#ledger.zeroPages++
    }
  }

  #putMark({ buffer, view }: PageGroup, type: number, sectionId: number): void {
    buffer[this.#at] = type
    view.setUint32(this.#at + 1, sectionId)
    this.#at += 5
  }

  #putU64({ view }: PageGroup, value: number): void {
    view.setUint32(this.#at, value / 2 ** 32)
    view.setUint32(this.#at + 4, value % 2 ** 32)
    this.#at += 8
  }
}
