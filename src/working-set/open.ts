/**
 * Opens a working-set file. Everything but the contents is read and checked at once; contents are checked as they are read
 * here, or all together by `verify`.
 */
import { crc32 } from 'node:zlib'
import { LazyRestoreError } from '../core/error.ts'
import type { Layout } from '../destination/layout.ts'
import type { ByteSource } from '../snapshot/byte-source.ts'
import { openFile } from '../snapshot/file-source.ts'
import { FrameReader, hexCrc, readHead, refuseBigEndian } from '../snapshot/framed-file.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import {
  CHECKED_BYTES,
  checkedPieces,
  contentOffsetBehind,
  hostPageCountOf,
  parseWorkingSetHeader,
  WORKING_SET_FRAME,
  type WorkingSetHeader,
} from './file-format.ts'
import type { WorkingSet, WorkingSetContents } from './working-set.ts'

export interface WorkingSetFile extends WorkingSet {
  readonly header: WorkingSetHeader
  readonly contents: WorkingSetContents
  /**
   * Fills `target` with the contents from `offset` on, counted from the first page's first byte. Every whole MiB of the
   * contents that the read covers is checked: a reader that goes through them a MiB (or several) at a time has all checked.
   * @throws LazyRestoreError `io`, `format` where the contents are damaged
   */
  read(offset: number, target: Uint8Array): Promise<void>
  /** Reads and checks all contents. @throws LazyRestoreError `io`, `format` */
  verify(): Promise<void>
  close(): Promise<void>
}

/** @throws LazyRestoreError `io`; `format` or `unsupported` with the place of what is wrong */
export async function openWorkingSet(path: string): Promise<WorkingSetFile> {
  const source = await openFile(path, 'a working-set file')
  try {
    return await readWorkingSet(source, () => source.close())
  } catch (error) {
    await source.close()
    throw error
  }
}

/** Whether the source begins as a working-set file does. */
export async function isWorkingSet(source: ByteSource): Promise<boolean> {
  const { magic } = WORKING_SET_FRAME
  const head = Buffer.alloc(Math.min(magic.length, source.byteLength))
  await source.read(0, head)
  return head.equals(magic)
}

/** The same from any source of bytes. */
export async function readWorkingSet(source: ByteSource, close: () => Promise<void>): Promise<WorkingSetFile> {
  refuseBigEndian(source.name)
  const reader = new FrameReader(source)
  const { fields, where } = await readHead(reader, WORKING_SET_FRAME)
  const header = parseWorkingSetHeader(fields, where)
  const pages = await takeWords(reader, header.pageCount, 'the page list')
  const crcs = await takeWords(reader, checkedPieces(header.contentBytes), "the contents' CRCs")
  const listCrc = (await reader.take(4, "the page list's CRC")).readUInt32LE(0)
  reader.checkCrc(listCrc, [bytesOf(pages), bytesOf(crcs)])
  checkPages(pages, header, source.name)
  const offset = contentOffsetBehind(reader.offset)
  const byteLength = header.contentBytes
  if (source.byteLength !== offset + byteLength) {
    reader.refuse(
      `found a file of ${source.byteLength} bytes, expected ${offset + byteLength}: contents of ${byteLength} at ${offset}`,
    )
  }
  const padding = await reader.take(offset - reader.offset, 'padding')
  if (padding.some(byte => byte !== 0)) reader.refuse('found bytes between page list and contents, expected zeros')
  const contents = { path: source.name, offset, byteLength }
  const read = (from: number, target: Uint8Array) => readContents(source, contents, crcs, from, target)
  return { header, pages, contents, read, verify: () => verifyContents(contents, read), close }
}

/** @throws LazyRestoreError `mismatch` for another snapshot than the file was made of */
export function checkWorkingSetIsOf(
  { header, contents: { path } }: WorkingSetFile,
  { name, identity }: Pick<Snapshot, 'name' | 'identity'>,
): void {
  if (header.snapshotIdentity === identity) return
  throw new LazyRestoreError(
    'mismatch',
    `${path}: found a working set of snapshot identity ${header.snapshotIdentity}, expected ${identity} of snapshot ${name}`,
  )
}

/**
 * @param layout the destination that the pages are for
 * @throws LazyRestoreError `mismatch` for another snapshot, or one whose host pages are others than the file's
 */
export function checkWorkingSetFits(file: WorkingSetFile, layout: Layout): void {
  checkWorkingSetIsOf(file, layout.snapshot)
  const { header, contents } = file
  const { path } = contents
  for (const { block, hostPageSize, index } of layout.blocks) {
    const found = header.blocks.at(index)
    if (found?.name === block.name && found.usedLength === block.usedLength && found.hostPageSize === hostPageSize) {
      continue
    }
    const other = found === undefined ? 'no block' : `${found.name} of ${found.usedLength} bytes`
    const size = found === undefined ? '' : ` on host pages of ${found.hostPageSize}`
    throw new LazyRestoreError(
      'mismatch',
      `${path}: block ${index}: found ${other}${size}, expected ${block.name} of ${block.usedLength} bytes on host pages of ${hostPageSize}, as at the destination; workingset build --host-page-size makes one`,
    )
  }
}

async function takeWords(reader: FrameReader, count: number, what: string): Promise<Uint32Array> {
  const bytes = await reader.take(4 * count, what)
  return new Uint32Array(bytes.buffer, bytes.byteOffset, count)
}

function bytesOf(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength)
}

/** Every page once, and of those that there are. */
function checkPages(pages: Uint32Array, header: WorkingSetHeader, name: string): void {
  const sorted = pages.toSorted()
  const twice = sorted.findIndex((page, i) => i > 0 && page === sorted[i - 1])
  if (twice >= 0) {
    throw new LazyRestoreError('format', `${name}: page list: found page ${sorted[twice]} twice, expected it once`)
  }
  const count = hostPageCountOf(header)
  const last = sorted.at(-1) ?? 0
  if (last >= count && sorted.length > 0) {
    throw new LazyRestoreError('format', `${name}: page list: found page ${last}, expected 0..${count - 1}`)
  }
}

async function readContents(
  source: ByteSource,
  { offset, byteLength }: WorkingSetContents,
  crcs: Uint32Array,
  from: number,
  target: Uint8Array,
): Promise<void> {
  const end = from + target.length
  if (from < 0 || end > byteLength) {
    const found = `found a read of ${target.length} bytes at ${from} of the contents`
    throw new LazyRestoreError('io', `${source.name}: ${found}, expected it inside ${byteLength} bytes`)
  }
  await source.read(offset + from, target)
  for (let piece = Math.ceil(from / CHECKED_BYTES); piece < crcs.length; piece++) {
    const start = piece * CHECKED_BYTES
    const past = Math.min(start + CHECKED_BYTES, byteLength)
    if (past > end) return
    const found = crc32(target.subarray(start - from, past - from))
    if (found === crcs[piece]) continue
    throw new LazyRestoreError(
      'format',
      `${source.name}: contents [${start}, ${past}): found CRC ${hexCrc(found)}, expected ${hexCrc(crcs[piece])}: the file is damaged`,
    )
  }
}

async function verifyContents({ byteLength }: WorkingSetContents, read: WorkingSetFile['read']): Promise<void> {
  const piece = new Uint8Array(Math.min(CHECKED_BYTES, byteLength))
  for (let from = 0; from < byteLength; from += CHECKED_BYTES) {
    await read(from, piece.subarray(0, Math.min(CHECKED_BYTES, byteLength - from)))
  }
}
