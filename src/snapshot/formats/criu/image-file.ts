/**
 * The framing of CRIU's image files (criu/image.c, criu/include/magic.h): a magic number common to all, one of the type, then
 * records of a 32-bit length and a protobuf message; little-endian. Of a message only numbers and messages inside it are read.
 */
import type { ErrorCode } from '../../../core/error.ts'
import { MIB } from '../../../core/units.ts'
import { readWhole } from '../../byte-source.ts'
import { formatError } from '../../format-error.ts'
import type { Folder, StoredFile } from '../../stored-file.ts'

export const COMMON_MAGIC = 0x54564319
/** The inventory is of an older form and has this alone. */
export const INVENTORY_MAGIC = 0x58313116
export const PSTREE_MAGIC = 0x50273030
export const MM_MAGIC = 0x57492820
export const PAGEMAP_MAGIC = 0x56084025

const HEADER_BYTES = 8
/** A pagemap of so many bytes describes more memory than can be restored. */
const MAX_IMAGE_BYTES = 128 * MIB
const VARINT = 0
const FIXED_64 = 1
const BYTES = 2
const FIXED_32 = 5
/** Seven bits each. */
const MAX_VARINT_BYTES = 10

/** A message, or a part of one, in an image. */
export interface Message {
  readonly start: number
  readonly end: number
}

/** Is told of each field: a number's value, or the place of a message; the value is NaN for other fields. */
export type FieldVisitor = (field: number, value: number, inner: Message) => void

export class ImageFile {
  readonly name: string
  readonly #bytes: Buffer
  /** Where a varint that was read ends. */
  #past = 0

  private constructor(name: string, bytes: Buffer) {
    this.name = name
    this.#bytes = bytes
  }

  /** Null when the folder has no such image. @throws LazyRestoreError `format` */
  static async open(folder: Folder, name: string, magic: number): Promise<ImageFile | null> {
    const file = await folder.open(name)
    return file === null ? null : ImageFile.read(file, magic)
  }

  static async read(file: StoredFile, magic: number): Promise<ImageFile> {
    const image = new ImageFile(file.name, await readWhole(file, MAX_IMAGE_BYTES))
    image.#expect(0, 'magic of all images', COMMON_MAGIC)
    image.#expect(4, 'magic of the image', magic)
    return image
  }

  /** The records, in order. */
  *records(): Generator<Message> {
    for (let at = HEADER_BYTES; at < this.#bytes.length; ) {
      const start = at + 4
      const length = start <= this.#bytes.length ? this.#bytes.readUInt32LE(at) : 0
      if (start + length > this.#bytes.length) {
        throw this.error(at, 'record', 'the end of the file', `${length} bytes behind its length`)
      }
      at = start + length
      yield { start, end: at }
    }
  }

  /** Visits the fields of a message, in order. */
  visit({ start, end }: Message, visitor: FieldVisitor): void {
    for (let at = start; at < end; ) {
      const key = this.#varint(at, end)
      const field = Math.floor(key / 8)
      const from = this.#past
      const wire = key % 8
      if (wire === VARINT) {
        const value = this.#varint(from, end)
        at = this.#past
        visitor(field, value, { start: from, end: at })
      } else {
        const inner = this.#payload(at, from, end, wire)
        at = inner.end
        visitor(field, Number.NaN, inner)
      }
    }
  }

  error(offset: number, field: string, found: string | number, expected: string | number, code: ErrorCode = 'format') {
    return formatError({ name: this.name, offset, field, found, expected, code })
  }

  /** What stands behind a field's key that is no number. */
  #payload(keyAt: number, from: number, end: number, wire: number): Message {
    let start = from
    let length = wire === FIXED_64 ? 8 : wire === FIXED_32 ? 4 : -1
    if (wire === BYTES) {
      length = this.#varint(from, end)
      start = this.#past
    }
    if (length < 0) throw this.error(keyAt, 'protobuf wire type', wire, '0, 1, 2 or 5')
    if (length > end - start) throw this.error(from, 'protobuf length', length, `at most ${end - start}`)
    return { start, end: start + length }
  }

  /** Addresses are multiples of 4096, which a double holds up to 2^64. */
  #varint(start: number, end: number): number {
    let value = 0
    let factor = 1
    for (let at = start; at < end && at < start + MAX_VARINT_BYTES; at++, factor *= 128) {
      const byte = this.#bytes[at]
      value += (byte & 0x7f) * factor
      if (byte < 0x80) {
        this.#past = at + 1
        return value
      }
    }
    throw this.error(start, 'protobuf number', 'no end of it', `one within ${MAX_VARINT_BYTES} bytes and its message`)
  }

  #expect(at: number, field: string, expected: number): void {
    const found =
      this.#bytes.length >= at + 4 ? `0x${this.#bytes.readUInt32LE(at).toString(16)}` : 'the end of the file'
    if (found !== `0x${expected.toString(16)}`) throw this.error(at, field, found, `0x${expected.toString(16)}`)
  }
}
