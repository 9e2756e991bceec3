/**
 * How the project's own binary files begin, and how they are read: a magic as PNG's (the first byte is no text, the line ends
 * show a transfer that changed them), a version, a header in MessagePack, and a CRC-32 over all that. What follows may go on
 * with the same running CRC, so that a changed, lost, doubled or swapped part is found. Integers are little-endian.
 *
 *   magic 8 · version u32 · header length u32 · header · crc u32
 */
import { endianness } from 'node:os'
import { crc32 } from 'node:zlib'
import { Packr, Unpackr } from 'msgpackr'
import { LazyRestoreError } from '../core/error.ts'
import { expectFields, type Fields } from '../core/fields.ts'
import type { ByteSource } from './byte-source.ts'
import { hexOffset } from './format-error.ts'
import { ownFileKind } from './frame-magic.ts'

export interface FrameKind {
  /** What such a file is called in messages: `trace`. */
  readonly what: string
  /** 8 bytes. */
  readonly magic: Buffer
  readonly version: number
  readonly maxHeaderBytes: number
}

const MAGIC_BYTES = 8
const PREAMBLE_BYTES = 16
const CRC_BYTES = 4
const CODEC_OPTIONS = { useRecords: false, moreTypes: true, structuredClone: false } as const
const packr = new Packr(CODEC_OPTIONS)

/** Good until the next call. */
export function pack(value: unknown): Buffer {
  return packr.pack(value)
}

/** `where` names file and place. @throws LazyRestoreError `format` */
export function unpack(bytes: Buffer, where: string): unknown {
  try {
    return new Unpackr(CODEC_OPTIONS).unpack(bytes)
  } catch (cause) {
    throw new LazyRestoreError('format', `${where}: found no valid MessagePack, expected one value`, { cause })
  }
}

/** The head's bytes; the last four are its CRC, with which the running one goes on. */
export function encodeHead({ magic, version }: FrameKind, header: Fields): { head: Buffer; crc: number } {
  const packed = pack(header)
  const head = Buffer.alloc(PREAMBLE_BYTES + packed.length + CRC_BYTES)
  magic.copy(head)
  head.writeUInt32LE(version, MAGIC_BYTES)
  head.writeUInt32LE(packed.length, 12)
  packed.copy(head, PREAMBLE_BYTES)
  const crc = crc32(head.subarray(0, -CRC_BYTES))
  head.writeUInt32LE(crc, head.length - CRC_BYTES)
  return { head, crc }
}

/** Takes the head, and returns the header's fields and how to call their place in a message. */
export async function readHead(reader: FrameReader, kind: FrameKind): Promise<{ fields: Fields; where: string }> {
  const preamble = await reader.take(PREAMBLE_BYTES, 'the preamble')
  if (!preamble.subarray(0, MAGIC_BYTES).equals(kind.magic)) {
    const other = ownFileKind(preamble)
    if (other !== null) reader.refuse(`found a ${other}, expected a ${kind.what}`, 0)
    reader.refuse(
      `found ${preamble.toString('hex', 0, MAGIC_BYTES)}, expected the magic ${kind.magic.toString('hex')}`,
      0,
    )
  }
  const version = preamble.readUInt32LE(MAGIC_BYTES)
  if (version !== kind.version) {
    throw new LazyRestoreError(
      'unsupported',
      `${reader.name}: ${hexOffset(MAGIC_BYTES)}: found ${kind.what} version ${version}, expected ${kind.version}`,
    )
  }
  const length = preamble.readUInt32LE(12)
  if (length > kind.maxHeaderBytes) {
    reader.refuse(`found a header of ${length} bytes, expected at most ${kind.maxHeaderBytes}`, 12)
  }
  const bytes = await reader.take(length, 'the header')
  reader.checkCrc((await reader.take(CRC_BYTES, "the header's CRC")).readUInt32LE(0), [preamble, bytes])
  const where = `${reader.name}: ${hexOffset(PREAMBLE_BYTES)}: header`
  return { fields: expectFields(unpack(bytes, where), where), where }
}

/** Takes a file in order, and keeps the running CRC. */
export class FrameReader {
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
    // Of no bytes, node's crc32 forgets the CRC that it is to go on from.
    for (const part of parts) if (part.length > 0) this.#crc = crc32(part, this.#crc)
    if (this.#crc !== expected) {
      this.refuse(
        `found contents of CRC ${hexCrc(this.#crc)} up to here, expected ${hexCrc(expected)}: the file is damaged`,
      )
    }
  }

  /** @throws LazyRestoreError `format` */
  refuse(what: string, offset = this.offset): never {
    throw new LazyRestoreError('format', `${this.name}: ${hexOffset(offset)}: ${what}`)
  }
}

export function hexCrc(crc: number): string {
  return crc.toString(16).padStart(8, '0')
}

/** Columns are read and written as the typed arrays that they are. @throws LazyRestoreError `unsupported` */
export function refuseBigEndian(name: string, instead = ''): void {
  if (endianness() === 'LE') return
  throw new LazyRestoreError(
    'unsupported',
    `${name}: found a big-endian host, expected a little-endian one${instead && `; ${instead}`}`,
  )
}
