/**
 * `.lrtrace`, the binary trace: a preamble, a header and chunks of columns, both in MessagePack, each followed or preceded
 * by a CRC-32 that goes on from the one before it, so that a changed, lost, doubled or swapped part is found.
 * docs/workloads.md specifies it byte by byte. All integers are little-endian, as the typed arrays are.
 *
 *   magic 8 · version u32 · header length u32 · header · crc u32 · { payload length u32 · crc u32 · payload }*
 */
import { endianness } from 'node:os'
import { crc32 } from 'node:zlib'
import { Packr, Unpackr } from 'msgpackr'
import { LazyRestoreError } from '../core/error.ts'
import type { ByteSource } from '../snapshot/byte-source.ts'
import { hexOffset } from '../snapshot/format-error.ts'
import { checkWorkload } from './check.ts'
import { allocateColumns, type Columns } from './columns.ts'
import {
  describe,
  expectFields,
  headerOf,
  isWhole,
  MAX_HEADER_BYTES,
  parseHeader,
  TRACE_VERSION,
  type TraceHeader,
} from './trace-header.ts'
import type { Workload } from './workload.ts'

/** As PNG's: the first byte is no text, the line ends show a transfer that changed them. */
export const TRACE_MAGIC = Buffer.from([0x89, 0x4c, 0x52, 0x54, 0x0d, 0x0a, 0x1a, 0x0a])

/** Accesses in every chunk but the last. */
export const CHUNK_ACCESSES = 65_536

const PREAMBLE_BYTES = 16
const CRC_BYTES = 4
const CHUNK_PREFIX_BYTES = 8
const ACCESS_BYTES = 9
/** Least bytes that MessagePack needs around three columns: array 1, each column 2 of ext and 1 of element type. */
const MIN_ENVELOPE_BYTES = 10
/** Most bytes: ext 32 headers. */
const MAX_ENVELOPE_BYTES = 32

const CODEC_OPTIONS = { useRecords: false, moreTypes: true, structuredClone: false } as const

/** The file, piece by piece. A piece is valid until the next is taken. */
export function* encodeBinaryTrace(workload: Workload): Generator<Uint8Array> {
  refuseBigEndian(workload.name)
  const { starts, page, thinkNs, flags, vcpus } = workload
  const packr = new Packr(CODEC_OPTIONS)
  const accessesPerVcpu = Array.from({ length: vcpus }, (_, v) => starts[v + 1] - starts[v])
  const header = packr.pack({ ...headerOf(workload), accessesPerVcpu })
  const head = Buffer.alloc(PREAMBLE_BYTES + header.length + CRC_BYTES)
  TRACE_MAGIC.copy(head)
  head.writeUInt32LE(TRACE_VERSION, 8)
  head.writeUInt32LE(header.length, 12)
  header.copy(head, PREAMBLE_BYTES)
  let crc = crc32(head.subarray(0, -CRC_BYTES))
  head.writeUInt32LE(crc, head.length - CRC_BYTES)
  yield head
  for (let from = 0; from < page.length; from += CHUNK_ACCESSES) {
    const to = Math.min(from + CHUNK_ACCESSES, page.length)
    const payload = packr.pack([page.subarray(from, to), thinkNs.subarray(from, to), flags.subarray(from, to)])
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
  refuseBigEndian(source.name)
  const reader = new Reader(source)
  const { header, accessesPerVcpu } = await readHead(reader)
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

async function readHead(reader: Reader): Promise<{ header: TraceHeader; accessesPerVcpu: readonly number[] }> {
  const preamble = await reader.take(PREAMBLE_BYTES, 'the preamble')
  if (!preamble.subarray(0, TRACE_MAGIC.length).equals(TRACE_MAGIC)) {
    reader.refuse(`found ${preamble.toString('hex', 0, 8)}, expected the magic ${TRACE_MAGIC.toString('hex')}`, 0)
  }
  const version = preamble.readUInt32LE(8)
  if (version !== TRACE_VERSION) {
    throw new LazyRestoreError(
      'unsupported',
      `${reader.name}: 0x8: found trace version ${version}, expected ${TRACE_VERSION}`,
    )
  }
  const length = preamble.readUInt32LE(12)
  if (length > MAX_HEADER_BYTES) {
    reader.refuse(`found a header of ${length} bytes, expected at most ${MAX_HEADER_BYTES}`, 12)
  }
  const bytes = await reader.take(length, 'the header')
  reader.checkCrc((await reader.take(CRC_BYTES, "the header's CRC")).readUInt32LE(0), [preamble, bytes])
  const where = `${reader.name}: ${hexOffset(PREAMBLE_BYTES)}: header`
  const { accessesPerVcpu, ...fields } = expectFields(unpack(bytes, where), where)
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
async function readChunk(reader: Reader, columns: Columns, from: number, to: number): Promise<void> {
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

/** Takes the file in order, and keeps the running CRC. */
class Reader {
  readonly #source: ByteSource
  #crc = 0
  offset = 0

  constructor(source: ByteSource) {
    this.#source = source
  }

  get name(): string {
    return this.#source.name
  }

  get left(): number {
    return this.#source.byteLength - this.offset
  }

  async take(length: number, what: string): Promise<Buffer> {
    if (length > this.left) this.refuse(`found ${this.left} bytes more, expected ${length} of ${what}`)
    const bytes = Buffer.allocUnsafeSlow(length)
    await this.#source.read(this.offset, bytes)
    this.offset += length
    return bytes
  }

  checkCrc(expected: number, parts: readonly Uint8Array[]): void {
    for (const part of parts) this.#crc = crc32(part, this.#crc)
    if (this.#crc !== expected) {
      this.refuse(`found contents of CRC ${hex(this.#crc)} up to here, expected ${hex(expected)}: the file is damaged`)
    }
  }

  refuse(what: string, offset = this.offset): never {
    throw new LazyRestoreError('format', `${this.name}: ${hexOffset(offset)}: ${what}`)
  }
}

function unpack(bytes: Buffer, where: string): unknown {
  try {
    return new Unpackr(CODEC_OPTIONS).unpack(bytes)
  } catch (cause) {
    throw new LazyRestoreError('format', `${where}: found no valid MessagePack, expected one value`, { cause })
  }
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, '0')
}

function refuseBigEndian(name: string): void {
  if (endianness() === 'LE') return
  throw new LazyRestoreError(
    'unsupported',
    `${name}: found a big-endian host, expected a little-endian one; use NDJSON`,
  )
}
