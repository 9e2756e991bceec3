/**
 * `.lrtrace`, the binary trace: the head of a framed file and chunks of columns in MessagePack, each preceded by a CRC-32
 * that goes on from the one before it. docs/workloads.md specifies it byte by byte.
 *
 *   head · { payload length u32 · crc u32 · payload }*
 */
import { crc32 } from 'node:zlib'
import { LazyRestoreError } from '../core/error.ts'
import { describe, type Fields, isWhole } from '../core/fields.ts'
import type { ByteSource } from '../snapshot/byte-source.ts'
import { hexOffset } from '../snapshot/format-error.ts'
import { frameMagic } from '../snapshot/frame-magic.ts'
import {
  encodeHead,
  type FrameKind,
  FrameReader,
  pack,
  readHead,
  refuseBigEndian,
  unpack,
} from '../snapshot/framed-file.ts'
import { checkWorkload } from './check.ts'
import { allocateColumns, type Columns } from './columns.ts'
import { headerOf, MAX_HEADER_BYTES, parseHeader, TRACE_VERSION, type TraceHeader } from './trace-header.ts'
import type { Workload } from './workload.ts'

export const TRACE_MAGIC = frameMagic('RT')
const TRACE: FrameKind = {
  what: 'trace',
  magic: TRACE_MAGIC,
  version: TRACE_VERSION,
  maxHeaderBytes: MAX_HEADER_BYTES,
}
const INSTEAD = 'use NDJSON'

/** Accesses in every chunk but the last. */
export const CHUNK_ACCESSES = 65_536

const CHUNK_PREFIX_BYTES = 8
const ACCESS_BYTES = 9
/** Least bytes that MessagePack needs around three columns: array 1, each column 2 of ext and 1 of element type. */
const MIN_ENVELOPE_BYTES = 10
/** Most bytes: ext 32 headers. */
const MAX_ENVELOPE_BYTES = 32

/** The file, piece by piece. A piece is valid until the next is taken. */
export function* encodeBinaryTrace(workload: Workload): Generator<Uint8Array> {
  refuseBigEndian(workload.name, INSTEAD)
  const { starts, page, thinkNs, flags, vcpus } = workload
  const accessesPerVcpu = Array.from({ length: vcpus }, (_, v) => starts[v + 1] - starts[v])
  const { head, crc: headCrc } = encodeHead(TRACE, { ...headerOf(workload), accessesPerVcpu })
  let crc = headCrc
  yield head
  for (let from = 0; from < page.length; from += CHUNK_ACCESSES) {
    const to = Math.min(from + CHUNK_ACCESSES, page.length)
    const payload = pack([page.subarray(from, to), thinkNs.subarray(from, to), flags.subarray(from, to)])
    crc = crc32(payload, crc)
    const prefix = Buffer.alloc(CHUNK_PREFIX_BYTES)
    prefix.writeUInt32LE(payload.length, 0)
    prefix.writeUInt32LE(crc, 4)
    yield prefix
    yield payload
  }
}

/** Reads the whole trace. @throws LazyRestoreError `format` with the offset of what is wrong */
export async function decodeBinaryTrace(source: ByteSource): Promise<Workload> {
  refuseBigEndian(source.name, INSTEAD)
  const reader = new FrameReader(source)
  const { fields, where } = await readHead(reader, TRACE)
  const { header, accessesPerVcpu } = parseCounts(fields, where)
  const { accesses } = header
  const chunks = Math.ceil(accesses / CHUNK_ACCESSES)
  const least = accesses * ACCESS_BYTES + chunks * (CHUNK_PREFIX_BYTES + MIN_ENVELOPE_BYTES)
  if (least > reader.left) {
    reader.refuse(`found ${reader.left} bytes behind the header, expected at least ${least} for ${accesses} accesses`)
  }
  const columns = allocateColumns(source.name, accessesPerVcpu)
  for (let from = 0; from < accesses; from += CHUNK_ACCESSES) {
    await readChunk(reader, columns, from, Math.min(from + CHUNK_ACCESSES, accesses))
  }
  if (reader.left > 0) reader.refuse(`found ${reader.left} bytes behind the last chunk, expected the end of the file`)
  const { name, seed, snapshotIdentity, pageCount, pageSize, vcpus } = header
  const workload = { name, seed, snapshotIdentity, pageCount, pageSize, vcpus, ...columns }
  checkWorkload(workload, source.name)
  return workload
}

function parseCounts(
  { accessesPerVcpu, ...fields }: Fields,
  where: string,
): { header: TraceHeader; accessesPerVcpu: readonly number[] } {
  const header = parseHeader(fields, where)
  return { header, accessesPerVcpu: expectCounts(accessesPerVcpu, header, where) }
}

/** One count for each vCPU, together all accesses. */
function expectCounts(value: unknown, { vcpus, accesses }: TraceHeader, where: string): readonly number[] {
  const field = `${where}: field accessesPerVcpu`
  if (!Array.isArray(value) || value.length !== vcpus) {
    throw new LazyRestoreError('format', `${field}: found ${describe(value)}, expected a list of ${vcpus}`)
  }
  let total = 0
  for (const [vcpu, count] of value.entries()) {
    if (!isWhole(count, 0, accesses)) {
      const found = `found ${describe(count)} for vCPU ${vcpu}`
      throw new LazyRestoreError('format', `${field}: ${found}, expected a whole number from 0 to ${accesses}`)
    }
    total += count
  }
  if (total !== accesses) {
    throw new LazyRestoreError('format', `${field}: found ${total} in sum, expected ${accesses}`)
  }
  return value
}

/** Reads the chunk of accesses `[from, to)` into the columns. */
async function readChunk(reader: FrameReader, columns: Columns, from: number, to: number): Promise<void> {
  const count = to - from
  const prefix = await reader.take(CHUNK_PREFIX_BYTES, `the chunk of access ${from}`)
  const length = prefix.readUInt32LE(0)
  const max = count * ACCESS_BYTES + MAX_ENVELOPE_BYTES
  if (length > max) {
    reader.refuse(`found a chunk of ${length} bytes, expected at most ${max}`, reader.offset - CHUNK_PREFIX_BYTES)
  }
  const where = `${reader.name}: ${hexOffset(reader.offset)}: chunk`
  const payload = await reader.take(length, `the chunk of access ${from}`)
  reader.checkCrc(prefix.readUInt32LE(4), [payload])
  const parts = unpack(payload, where)
  if (!Array.isArray(parts) || parts.length !== 3) {
    throw new LazyRestoreError('format', `${where}: found ${describe(parts)}, expected a list of 3 columns`)
  }
  const [page, thinkNs, flags] = parts
  if (!(page instanceof Uint32Array && thinkNs instanceof Uint32Array && flags instanceof Uint8Array)) {
    throw new LazyRestoreError('format', `${where}: found other columns, expected Uint32Array, Uint32Array, Uint8Array`)
  }
  for (const [index, column] of [page, thinkNs, flags].entries()) {
    if (column.length !== count) {
      const found = `found ${column.length} entries in column ${index}`
      throw new LazyRestoreError('format', `${where}: ${found}, expected ${count}`)
    }
  }
  columns.page.set(page, from)
  columns.thinkNs.set(thinkNs, from)
  columns.flags.set(flags, from)
}
