/**
 * What a zero scan found, kept beside the snapshot as `PATH.lrzero`, so that it is done once. It is of use as long as the
 * snapshot's identity and the size, time and number of each of its files are those that were scanned; otherwise it is made
 * anew. A framed file (framed-file.ts) with the bitmaps of all blocks behind the header, and a CRC-32 of all.
 */
import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { type Bitmap, createBitmap } from '../core/bitmap.ts'
import { checkFields, textRule, wholeRule } from '../core/fields.ts'
import type { ByteSource } from './byte-source.ts'
import { type ByteSink, replaceFile } from './file-sink.ts'
import { FileSource, openFile } from './file-source.ts'
import { frameMagic } from './frame-magic.ts'
import { encodeHead, type FrameKind, FrameReader, readHead, refuseBigEndian } from './framed-file.ts'
import { ScatteredSource } from './scattered-source.ts'
import type { Snapshot } from './snapshot.ts'
import { scanZeros, withBitmaps, type ZeroScan } from './zero-scan.ts'

const FRAME: FrameKind = { what: 'zero cache', magic: frameMagic('ZP'), version: 1, maxHeaderBytes: 4096 }
const DIGEST_CHARACTERS = 64
const MAX_BITMAP_BYTES = 2 ** 30
const ENDING = '.lrzero'

export interface ZeroCacheHeader {
  /** Of the snapshot before its zeros were found. */
  readonly snapshotIdentity: string
  /** Hex digest over what the file system says of each file. */
  readonly files: string
  readonly bitmapBytes: number
}

const HEADER_RULES = {
  snapshotIdentity: textRule(DIGEST_CHARACTERS),
  files: textRule(DIGEST_CHARACTERS),
  bitmapBytes: wholeRule(0, MAX_BITMAP_BYTES),
} as const

/**
 * The snapshot with every page that is all zero as a zero page: by the cache beside it, or by a scan, which is then cached
 * where the folder can be written.
 * @throws LazyRestoreError `io` when pages cannot be read
 */
export async function findZeros(snapshot: Snapshot, scan: ZeroScan = {}): Promise<Snapshot> {
  const paths = pathsOf(snapshot.source)
  if (paths.length === 0) return snapshot
  const path = `${cachePathOf(snapshot, paths)}${ENDING}`
  const bitmapBytes = snapshot.blocks.reduce((sum, { bitmap }) => sum + bitmap.byteLength, 0)
  const header = { snapshotIdentity: snapshot.identity, files: await digestOf(paths), bitmapBytes }
  const cached = await readCached(path, snapshot, header)
  const bitmaps = cached ?? (await scanZeros(snapshot, scan))
  // A folder that cannot be written costs the next one another scan, and nothing else.
  if (cached === null) await replaceFile(path, sink => writeZeroCache(sink, header, bitmaps)).catch(() => {})
  return withBitmaps(snapshot, bitmaps)
}

/** @throws LazyRestoreError `format` or `unsupported`, with the place of what is wrong */
export async function readZeroCache(source: ByteSource): Promise<{ header: ZeroCacheHeader; bits: Buffer }> {
  refuseBigEndian(source.name)
  const reader = new FrameReader(source)
  const { fields, where } = await readHead(reader, FRAME)
  const header = checkFields<ZeroCacheHeader>(fields, HEADER_RULES, where)
  const bits = await reader.take(header.bitmapBytes, 'the bitmaps')
  reader.checkCrc((await reader.take(4, "the bitmaps' CRC")).readUInt32LE(0), [bits])
  return { header, bits }
}

/** @param bitmaps `header.bitmapBytes` long in all */
export async function writeZeroCache(
  sink: ByteSink,
  header: ZeroCacheHeader,
  bitmaps: readonly Bitmap[],
): Promise<void> {
  const { head, crc } = encodeHead(FRAME, { ...header })
  await sink.write(0, head)
  let offset = head.length
  let running = crc
  for (const { buffer, byteOffset, byteLength } of bitmaps) {
    const bytes = new Uint8Array(buffer, byteOffset, byteLength)
    await sink.write(offset, bytes)
    offset += byteLength
    if (byteLength > 0) running = crc32(bytes, running)
  }
  const end = Buffer.alloc(4)
  end.writeUInt32LE(running)
  await sink.write(offset, end)
}

/** Null when there is none that fits. */
async function readCached(path: string, { blocks }: Snapshot, wanted: ZeroCacheHeader): Promise<Bitmap[] | null> {
  const source = await openFile(path, 'a zero cache').catch(() => null)
  if (source === null) return null
  try {
    const { header, bits } = await readZeroCache(source)
    const isOther = (Object.keys(wanted) as (keyof ZeroCacheHeader)[]).some(key => header[key] !== wanted[key])
    if (isOther) return null
    let offset = 0
    return blocks.map(({ bitmap, pageCount }) => {
      const found = createBitmap(pageCount)
      new Uint8Array(found.buffer).set(bits.subarray(offset, offset + bitmap.byteLength))
      offset += bitmap.byteLength
      // A page without data has none, whatever a cache says.
      for (let word = 0; word < found.length; word++) found[word] &= bitmap[word]
      return found
    })
  } catch {
    return null
  } finally {
    await source.close()
  }
}

function pathsOf(source: ByteSource): string[] {
  if (source instanceof FileSource) return [source.name]
  if (source instanceof ScatteredSource) return [...new Set(source.origins.map(({ file }) => file.name))]
  return []
}

/** The file; of several, the list or the folder that the snapshot was opened by. */
function cachePathOf({ source }: Snapshot, [first]: readonly string[]): string {
  return source instanceof ScatteredSource ? source.name.replace(/\/+$/, '') : first
}

async function digestOf(paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256')
  for (const path of paths) {
    const { size, mtimeNs, ino } = await stat(path, { bigint: true })
    hash.update(`${size} ${mtimeNs} ${ino}\n`)
  }
  return hash.digest('hex')
}
