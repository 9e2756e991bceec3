/**
 * The record of one RAM block, in both dialects: name, length, then where its bitmap and its page slots are.
 *
 *   mapped-ram: u8 n, name[n], u64 used_length, [u64 GPA], u32 version, u64 page_size, u64 bitmap_offset, u64 pages_offset
 *   fixed-ram:  u8 n, name[n], u64 used_length, [u64 GPA], u32 bitmap_size, u64 pages_offset, and the bitmap follows
 *
 * The GPA is there when the capability x-ignore-shared is. Offsets are absolute. QEMU checks few of these fields; here
 * each is checked before anything is read or allocated by it. QEMU docs/devel/migration/mapped-ram.rst; fixed-ram is the
 * RFC of 30 March 2023 on qemu-devel.
 */
import { ByteWriter } from './byte-writer.ts'
import type { RamDialect } from './configuration.ts'
import { hexRange } from './format-error.ts'
import {
  bitmapByteLength,
  isPageSize,
  MAPPED_RAM_HEADER_VERSION,
  MAX_TARGET_PAGES,
  PAGE_SIZE_RULE,
  PAGES_ALIGNMENT,
} from './stream-format.ts'
import type { StreamReader } from './stream-reader.ts'

export interface BlockRecord {
  readonly name: string
  readonly usedLength: number
  readonly pageSize: number
  readonly pageCount: number
  /** x-ignore-shared: neither bitmap nor pages are in the file, and both offsets are 0. */
  readonly ignored: boolean
  /** The record's own bytes: `[recordOffset, recordEnd)`. */
  readonly recordOffset: number
  readonly recordEnd: number
  readonly bitmapOffset: number
  readonly pagesOffset: number
}

/** What the stream around a record says about it. */
export interface RecordContext {
  readonly dialect: RamDialect
  readonly ignoreShared: boolean
  /** Page size of the target, where known before the first record: always in fixed-ram. */
  readonly pageSize: number | null
  /** Bytes of RAM, and target pages, that this and the following records may still have. */
  readonly bytesLeft: number
  readonly pagesLeft: number
}

/** Reads one record and checks all of it that can be checked alone. */
export async function readBlockRecord(reader: StreamReader, context: RecordContext): Promise<BlockRecord> {
  const recordOffset = reader.position
  const nameLength = await reader.u8('RAM block name length')
  if (nameLength === 0) throw reader.error(recordOffset, 'RAM block name length', 0, '1..255')
  const name = await reader.text(nameLength, 'RAM block name')
  const lengthAt = reader.position
  const usedLength = await reader.u64(`length of RAM block ${name}`)
  if (usedLength > context.bytesLeft) {
    const expected = `at most ${context.bytesLeft}, what is left of the total`
    throw reader.error(lengthAt, `length of RAM block ${name}`, usedLength, expected)
  }
  if (context.ignoreShared) await reader.skip(8, `address of RAM block ${name}`)
  const header = context.dialect === 'mapped-ram' ? readMappedHeader : readFixedHeader
  return header(reader, context, { name, usedLength, recordOffset, lengthAt })
}

type RecordStart = Pick<BlockRecord, 'name' | 'usedLength' | 'recordOffset'> & { readonly lengthAt: number }

async function readMappedHeader(
  reader: StreamReader,
  context: RecordContext,
  start: RecordStart,
): Promise<BlockRecord> {
  const { name, recordOffset, usedLength } = start
  await reader.expectU32(`mapped-ram header version of ${name}`, MAPPED_RAM_HEADER_VERSION, 'unsupported')
  const pageSizeAt = reader.position
  const pageSize = await reader.u64(`page size of ${name}`)
  if (!isPageSize(pageSize)) throw reader.error(pageSizeAt, `page size of ${name}`, pageSize, PAGE_SIZE_RULE)
  if (context.pageSize !== null && pageSize !== context.pageSize) {
    throw reader.error(pageSizeAt, `page size of ${name}`, pageSize, `${context.pageSize}, the target's`)
  }
  const pageCount = countPages(reader, context, start, pageSize)
  const offsetsAt = reader.position
  const bitmapOffset = await reader.u64(`bitmap offset of ${name}`)
  const pagesOffset = await reader.u64(`pages offset of ${name}`)
  const ignored = context.ignoreShared && bitmapOffset === 0 && pagesOffset === 0
  const recordEnd = reader.position
  const record = { name, usedLength, pageSize, pageCount, ignored, recordOffset, recordEnd, bitmapOffset, pagesOffset }
  if (!ignored) checkPlaces(reader, record, offsetsAt, offsetsAt + 8)
  return record
}

async function readFixedHeader(reader: StreamReader, context: RecordContext, start: RecordStart): Promise<BlockRecord> {
  const { name, recordOffset, usedLength } = start
  const pageSize = context.pageSize!
  const pageCount = countPages(reader, context, start, pageSize)
  await reader.expectU32(`bitmap size of ${name} (pages of ${pageSize} bytes)`, bitmapByteLength(pageCount))
  const pagesAt = reader.position
  const pagesOffset = await reader.u64(`pages offset of ${name}`)
  const recordEnd = reader.position
  const bitmapOffset = recordEnd
  const record = { name, usedLength, pageSize, pageCount, recordOffset, recordEnd, bitmapOffset, pagesOffset }
  checkPlaces(reader, { ...record, ignored: false }, pagesAt, pagesAt)
  return { ...record, ignored: false }
}

function countPages(reader: StreamReader, context: RecordContext, start: RecordStart, pageSize: number): number {
  const field = `length of RAM block ${start.name}`
  const pageCount = start.usedLength / pageSize
  if (!Number.isInteger(pageCount)) {
    throw reader.error(start.lengthAt, field, start.usedLength, `a multiple of the page size, ${pageSize}`)
  }
  if (pageCount <= context.pagesLeft) return pageCount
  const expected = `at most ${MAX_TARGET_PAGES} in all blocks`
  throw reader.error(start.lengthAt, field, `${pageCount} pages`, expected, 'limit')
}

function checkPlaces(reader: StreamReader, record: BlockRecord, bitmapAt: number, pagesAt: number): void {
  const { name, pageSize, pageCount, bitmapOffset, pagesOffset, usedLength } = record
  const fileBytes = reader.source.byteLength
  const expected = `inside the file, which ends at 0x${fileBytes.toString(16)}`
  const bitmapBytes = bitmapByteLength(pageCount)
  if (bitmapOffset + bitmapBytes > fileBytes) {
    throw reader.error(bitmapAt, `bitmap of ${name}`, hexRange(bitmapOffset, bitmapBytes), expected)
  }
  if (pagesOffset + usedLength > fileBytes) {
    throw reader.error(pagesAt, `pages of ${name}`, hexRange(pagesOffset, usedLength), expected)
  }
  if (pagesOffset % pageSize !== 0) {
    const found = `0x${pagesOffset.toString(16)}`
    throw reader.error(pagesAt, `pages offset of ${name}`, found, `a multiple of the page size, ${pageSize}`)
  }
}

/** Where the record behind this one starts, or the rest of the stream. */
export function blockEnd(record: BlockRecord): number {
  return record.ignored ? record.recordEnd : record.pagesOffset + record.usedLength
}

/** A block to be placed in a file. */
export type BlockToPlace = Pick<BlockRecord, 'name' | 'usedLength' | 'pageSize' | 'pageCount' | 'ignored'>

/**
 * Places a block whose record starts at `recordOffset`, as QEMU does: bitmap behind the record, pages at the next MiB. Pages
 * of more than a MiB, which QEMU has none of, start at a multiple of their size.
 */
export function placeBlock(
  block: BlockToPlace,
  recordOffset: number,
  { dialect, ignoreShared }: Pick<RecordContext, 'dialect' | 'ignoreShared'>,
): BlockRecord {
  const headerBytes = dialect === 'mapped-ram' ? 28 : 12
  const recordEnd = recordOffset + 1 + block.name.length + 8 + (ignoreShared ? 8 : 0) + headerBytes
  const { name, usedLength, pageSize, pageCount, ignored } = block
  const bitmapOffset = ignored ? 0 : recordEnd
  const bitmapEnd = recordEnd + bitmapByteLength(pageCount)
  const alignment = Math.max(PAGES_ALIGNMENT, pageSize)
  const pagesOffset = ignored ? 0 : Math.ceil(bitmapEnd / alignment) * alignment
  return { name, usedLength, pageSize, pageCount, ignored, recordOffset, recordEnd, bitmapOffset, pagesOffset }
}

export function encodeBlockRecord(
  record: BlockRecord,
  { dialect, ignoreShared }: Pick<RecordContext, 'dialect' | 'ignoreShared'>,
): Uint8Array {
  const out = new ByteWriter().name(record.name).u64(record.usedLength)
  if (ignoreShared) out.u64(0)
  if (dialect === 'mapped-ram') {
    out.u32(MAPPED_RAM_HEADER_VERSION).u64(record.pageSize).u64(record.bitmapOffset).u64(record.pagesOffset)
  } else out.u32(bitmapByteLength(record.pageCount)).u64(record.pagesOffset)
  return out.finish()
}
