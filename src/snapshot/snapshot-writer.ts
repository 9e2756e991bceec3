/**
 * Writes a snapshot as QEMU lays it out: record, bitmap behind it, page slots at the next MiB, the next record behind the
 * slots, then the rest of the stream. Pages first, then the bitmaps, the end of the stream last, so that a file that was
 * cut short is refused by every careful reader. Slots of clear bits are never written: they stay holes.
 */
import { countBits, nextClearBit, nextSetBit } from '../core/bitmap.ts'
import { LazyRestoreError } from '../core/error.ts'
import { MIB } from '../core/units.ts'
import { type BlockRecord, blockEnd, encodeBlockRecord, placeBlock } from './block-record.ts'
import { ByteWriter } from './byte-writer.ts'
import { encodeConfiguration, ignoresShared, type RamDialect } from './configuration.ts'
import { type ByteSink, replaceFile } from './file-sink.ts'
import type { RamBlock, Snapshot } from './snapshot.ts'
import {
  ELEMENT_EOF,
  ELEMENT_SECTION_END,
  ELEMENT_SECTION_FOOTER,
  ELEMENT_SECTION_START,
  ELEMENT_VM_DESCRIPTION,
  isPageSize,
  MAX_BLOCKS,
  MAX_NAME_BYTES,
  MAX_TARGET_PAGES,
  PAGE_SIZE_RULE,
  RAM_FLAG_EOS,
  RAM_FLAG_MEM_SIZE,
  RAM_SECTION_NAME,
  RAM_SECTION_VERSION,
  STREAM_MAGIC,
  STREAM_VERSION,
} from './stream-format.ts'

/** Fills `target`, which is whole pages long, with the pages of a block from `firstPage` on; all their bits are set. */
export type FillPages = (blockIndex: number, firstPage: number, target: Uint8Array) => void | Promise<void>

/** A RAM block to be written; a `RamBlock` is one. `ignored` ones need the capability x-ignore-shared. */
export type WritableBlock = Pick<RamBlock, 'name' | 'pageSize' | 'pageCount' | 'bitmap'> & {
  readonly ignored?: boolean
}

export interface SnapshotContent {
  readonly format: RamDialect
  readonly machine: string
  readonly blocks: readonly WritableBlock[]
  readonly fillPages: FillPages
  /** As the stream lists them; only the format's own unless given. */
  readonly capabilities?: readonly string[]
  /** 1 unless given. */
  readonly ramSectionId?: number
  /** The device sections, as they stand between RAM and the EOF byte; none unless given. */
  readonly deviceState?: Uint8Array
  /** The JSON text behind the EOF byte; one that lists no device unless given. */
  readonly vmDescription?: Uint8Array
}

/** Most bytes asked for, and written, at a time. */
const BATCH_BYTES = MIB

/** Writes the file under a temporary name and renames it when it is complete. An older file of that name is replaced. */
export async function writeSnapshot(path: string, content: SnapshotContent): Promise<void> {
  await replaceFile(path, sink => writeStream(sink, content))
}

/** The same onto any sink: what a test uses, or something that is no file. */
export async function writeStream(sink: ByteSink, content: SnapshotContent): Promise<void> {
  checkContent(content)
  const start = encodeStart(content)
  const records = placeBlocks(content, start.length)
  await sink.write(0, start)
  for (const record of records) await sink.write(record.recordOffset, encodeBlockRecord(record, recordShape(content)))
  for (const [index, record] of records.entries()) await writePages(sink, content, index, record)
  for (const [index, record] of records.entries()) await writeBitmap(sink, content, index, record)
  await sink.write(records.length === 0 ? start.length : blockEnd(records[records.length - 1]), encodeEnd(content))
}

/** The pages of an open snapshot, to write it anew or in the other format. */
export function snapshotPages({ source, blocks }: Snapshot): FillPages {
  return (blockIndex, firstPage, target) => {
    const { pagesOffset, pageSize } = blocks[blockIndex]
    return source.read(pagesOffset + firstPage * pageSize, target)
  }
}

function recordShape({ format, capabilities = [] }: SnapshotContent) {
  return { dialect: format, ignoreShared: ignoresShared(capabilities) }
}

function placeBlocks(content: SnapshotContent, recordsOffset: number): BlockRecord[] {
  let recordOffset = recordsOffset
  return content.blocks.map(({ name, pageSize, pageCount, ignored = false }) => {
    const block = { name, pageSize, pageCount, ignored, usedLength: pageSize * pageCount }
    const record = placeBlock(block, recordOffset, recordShape(content))
    recordOffset = blockEnd(record)
    return record
  })
}

/** Everything in front of the first record. */
function encodeStart({
  format,
  machine,
  blocks,
  capabilities = [format],
  ramSectionId = 1,
}: SnapshotContent): Uint8Array {
  const totalBytes = blocks.reduce((sum, { pageSize, pageCount }) => sum + pageSize * pageCount, 0)
  const pageSize = blocks.length === 0 ? null : blocks[0].pageSize
  return new ByteWriter()
    .bytes(STREAM_MAGIC)
    .u32(STREAM_VERSION)
    .bytes(encodeConfiguration({ machine, capabilities, pageSize }))
    .u8(ELEMENT_SECTION_START)
    .u32(ramSectionId)
    .name(RAM_SECTION_NAME)
    .u32(0)
    .u32(RAM_SECTION_VERSION)
    .u64(totalBytes + RAM_FLAG_MEM_SIZE)
    .finish()
}

/** Everything behind the last block. In fixed-ram the one EOS is behind the records. */
function encodeEnd({ format, blocks, ramSectionId = 1, deviceState, vmDescription }: SnapshotContent): Uint8Array {
  const out = new ByteWriter().u64(RAM_FLAG_EOS).u8(ELEMENT_SECTION_FOOTER).u32(ramSectionId)
  out.u8(ELEMENT_SECTION_END).u32(ramSectionId)
  if (format === 'mapped-ram') out.u64(RAM_FLAG_EOS)
  out.u8(ELEMENT_SECTION_FOOTER).u32(ramSectionId)
  if (deviceState !== undefined) out.bytes(deviceState)
  const pageSize = blocks.length === 0 ? 0 : blocks[0].pageSize
  const emptyDescription = {
    configuration: { vmsd_name: 'configuration', version: 1, fields: [] },
    page_size: pageSize,
    devices: [],
  }
  const json = vmDescription ?? Buffer.from(JSON.stringify(emptyDescription))
  return out.u8(ELEMENT_EOF).u8(ELEMENT_VM_DESCRIPTION).u32(json.length).bytes(json).finish()
}

/** Writes the runs of set bits, in pieces of at most BATCH_BYTES. */
async function writePages(sink: ByteSink, content: SnapshotContent, index: number, record: BlockRecord): Promise<void> {
  if (record.ignored) return
  const { bitmap } = content.blocks[index]
  const { pageSize, pageCount, pagesOffset } = record
  const batchPages = Math.max(1, Math.floor(BATCH_BYTES / pageSize))
  const batch = new Uint8Array(Math.min(batchPages, pageCount) * pageSize)
  for (let page = nextSetBit(bitmap, 0, pageCount); page < pageCount; ) {
    const end = nextClearBit(bitmap, page, Math.min(pageCount, page + batchPages))
    const bytes = batch.subarray(0, (end - page) * pageSize)
    await content.fillPages(index, page, bytes)
    await sink.write(pagesOffset + page * pageSize, bytes)
    page = nextSetBit(bitmap, end, pageCount)
  }
}

async function writeBitmap(
  sink: ByteSink,
  content: SnapshotContent,
  index: number,
  record: BlockRecord,
): Promise<void> {
  if (record.ignored) return
  const words = content.blocks[index].bitmap.subarray(0, Math.ceil(record.pageCount / 32))
  await sink.write(record.bitmapOffset, new Uint8Array(words.buffer, words.byteOffset, words.byteLength))
}

function checkContent({ format, machine, blocks, capabilities = [format] }: SnapshotContent): void {
  const wrong = (what: string, found: string | number, expected: string | number) => {
    throw new LazyRestoreError('usage', `snapshot to write: ${what}: found ${found}, expected ${expected}`)
  }
  const nameRule = `1 to ${MAX_NAME_BYTES} printable ASCII characters`
  for (const name of [machine, ...capabilities, ...blocks.map(block => block.name)]) {
    if (!/^[\x20-\x7e]+$/.test(name) || name.length > MAX_NAME_BYTES) wrong('name', JSON.stringify(name), nameRule)
  }
  if (!capabilities.includes(format)) wrong('capabilities', capabilities.join(', '), `${format} among them`)
  if (blocks.length > MAX_BLOCKS) wrong('blocks', blocks.length, `at most ${MAX_BLOCKS}`)
  if (new Set(blocks.map(block => block.name)).size < blocks.length) wrong('block names', 'one twice', 'each once')
  const pages = blocks.reduce((sum, { pageCount }) => sum + pageCount, 0)
  if (!(pages <= MAX_TARGET_PAGES)) wrong('target pages', pages, `at most ${MAX_TARGET_PAGES}`)
  const bytes = blocks.reduce((sum, { pageSize, pageCount }) => sum + pageSize * pageCount, 0)
  if (bytes >= 2 ** 52) wrong('bytes of RAM', bytes, 'less than 2^52')
  for (const { name, pageSize, pageCount, bitmap, ignored } of blocks) {
    if (!isPageSize(pageSize)) wrong(`page size of ${name}`, pageSize, PAGE_SIZE_RULE)
    if (pageSize !== blocks[0].pageSize)
      wrong(`page size of ${name}`, pageSize, `${blocks[0].pageSize}, as ${blocks[0].name}`)
    if (!(pageCount >= 1 && Number.isInteger(pageCount))) wrong(`pages of ${name}`, pageCount, 'at least 1')
    if (bitmap.length * 32 < pageCount)
      wrong(`bitmap of ${name}`, `${bitmap.length} words`, `bits for ${pageCount} pages`)
    const past = countBits(bitmap, pageCount, bitmap.length * 32 - pageCount)
    if (past > 0) wrong(`bitmap of ${name}`, `${past} bits set past page ${pageCount}`, 'none')
    const mayIgnore = format === 'mapped-ram' && ignoresShared(capabilities)
    if (ignored && !mayIgnore) wrong(`block ${name}`, 'ignored', 'mapped-ram with x-ignore-shared in the capabilities')
  }
}
