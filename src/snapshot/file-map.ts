/**
 * The map of a file: which bytes are headers, bitmaps, page slots, device state. No two may overlap, or a page could be
 * read as a header, or the pages of one block as another's. QEMU does not check this.
 */
import { type BlockRecord, blockEnd } from './block-record.ts'
import { formatError, hexRange } from './format-error.ts'
import { bitmapByteLength } from './stream-format.ts'

export interface FileRange {
  readonly offset: number
  readonly length: number
  /** `pages of pc.ram`. */
  readonly what: string
}

/** What the records claim of a file whose stream runs up to the first record and goes on behind the last block. */
export function fileMap(records: readonly BlockRecord[], recordsOffset: number, fileBytes: number): FileRange[] {
  const blocksEnd = records.length === 0 ? recordsOffset : blockEnd(records[records.length - 1])
  const map: FileRange[] = [
    { offset: 0, length: recordsOffset, what: 'the start of the stream' },
    { offset: blocksEnd, length: fileBytes - blocksEnd, what: 'the stream behind the last block' },
  ]
  for (const { name, recordOffset, recordEnd, ...record } of records) {
    map.push({ offset: recordOffset, length: recordEnd - recordOffset, what: `record of ${name}` })
    if (record.ignored) continue
    map.push({ offset: record.bitmapOffset, length: bitmapByteLength(record.pageCount), what: `bitmap of ${name}` })
    map.push({ offset: record.pagesOffset, length: record.usedLength, what: `pages of ${name}` })
  }
  return map
}

/** @throws LazyRestoreError `format` naming two ranges that share bytes. Ranges of no bytes share none. */
export function checkDisjoint(fileName: string, map: readonly FileRange[]): void {
  const sorted = map.filter(({ length }) => length > 0).sort((a, b) => a.offset - b.offset)
  for (let i = 1; i < sorted.length; i++) {
    const before = sorted[i - 1]
    const { offset, length, what } = sorted[i]
    if (before.offset + before.length <= offset) continue
    throw formatError({
      name: fileName,
      offset,
      field: what,
      found: `${hexRange(offset, length)} inside ${hexRange(before.offset, before.length)}, ${before.what}`,
      expected: 'bytes of its own',
    })
  }
}
