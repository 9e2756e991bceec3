/**
 * Reads a snapshot that QEMU wrote with mapped-ram (QEMU ≥ 9.0, also inside libvirt's sparse save image), or in the form
 * that was first proposed, fixed-ram. In order: find the stream; its configuration; the records of the RAM blocks; the
 * rest of the RAM section; the end of the stream; that nothing overlaps; and only then the bitmaps. Page contents are not
 * read. Specified in QEMU docs/devel/migration/mapped-ram.rst; docs/formats.md has every check.
 */

import { type Bitmap, clearBit, countBits, createBitmap } from '../core/bitmap.ts'
import { LazyRestoreError } from '../core/error.ts'
import type { BlockRecord } from './block-record.ts'
import type { ByteSource } from './byte-source.ts'
import { ignoresShared, ramDialect, readConfiguration } from './configuration.ts'
import { findStream } from './container.ts'
import { checkDisjoint, fileMap } from './file-map.ts'
import { snapshotIdentity } from './identity.ts'
import { readRamSection } from './ram-section.ts'
import type { RamBlock, Snapshot } from './snapshot.ts'
import { ramBlock } from './snapshot.ts'
import { findStreamEnd } from './stream-end.ts'
import { DEFAULT_PAGE_SIZE, isPageSize, PAGE_SIZE_RULE, STREAM_VERSION } from './stream-format.ts'
import { StreamReader } from './stream-reader.ts'

export interface ReadOptions {
  /** Where the stream starts; found by itself in most files. */
  readonly streamOffset?: number
  /** Target page size of a fixed-ram file that does not say; 4096 unless given. */
  readonly pageSize?: number
}

/** Closing the snapshot does not close the source. */
export async function readSnapshot(source: ByteSource, options: ReadOptions = {}): Promise<Snapshot> {
  const { pageSize = DEFAULT_PAGE_SIZE } = options
  if (!isPageSize(pageSize))
    throw new LazyRestoreError('usage', `page size: found ${pageSize}, expected ${PAGE_SIZE_RULE}`)
  const reader = new StreamReader(source, await findStream(source, options.streamOffset))
  await reader.skip(4, 'stream magic')
  await reader.expectU32('stream version', STREAM_VERSION, 'unsupported')
  const configurationAt = reader.position
  const configuration = await readConfiguration(reader)
  const { machine, capabilities } = configuration
  const dialect = ramDialect(reader, configurationAt, capabilities)
  const ram = await readRamSection(reader, {
    dialect,
    ignoreShared: ignoresShared(capabilities),
    pageSize: configuration.pageSize ?? (dialect === 'fixed-ram' ? pageSize : null),
  })
  const { eofOffset, description } = await findStreamEnd(source, ram.end)
  checkDisjoint(source.name, fileMap(ram.records, ram.recordsOffset, source.byteLength))
  const blocks: RamBlock[] = []
  for (const record of ram.records) blocks.push(await toRamBlock(source, record))
  return {
    format: dialect,
    name: source.name,
    machine,
    capabilities,
    blocks,
    configuration: configuration.plainRanges,
    deviceState: { offset: ram.end, length: eofOffset - ram.end },
    vmDescription: description,
    ramSectionId: ram.sectionId,
    identity: snapshotIdentity(dialect, blocks),
    source,
    close: async () => {},
  }
}

async function toRamBlock(source: ByteSource, record: BlockRecord): Promise<RamBlock> {
  const { name, usedLength, pageSize, pageCount, pagesOffset, ignored } = record
  const bitmap = createBitmap(pageCount)
  if (!ignored) await loadBitmap(source, record, bitmap)
  const setBits = ignored ? 0 : countBits(bitmap, 0, pageCount)
  const bitmapOffset = ignored ? null : record.bitmapOffset
  return ramBlock({ name, usedLength, pageSize, pageCount, bitmap, setBits, bitmapOffset, pagesOffset, ignored })
}

/** The file's bitmap is in bytes, bit 0 lowest, which on a little-endian host are the bytes of our words. */
async function loadBitmap(source: ByteSource, record: BlockRecord, bitmap: Bitmap): Promise<void> {
  await source.read(record.bitmapOffset, new Uint8Array(bitmap.buffer))
  for (let page = record.pageCount; page < bitmap.length * 32; page++) clearBit(bitmap, page)
}
