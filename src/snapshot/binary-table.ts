/** A table of a file, read whole, whose fields are then taken by their place. A complaint names the field and its offset in the file. */
import type { LazyRestoreError } from '../core/error.ts'
import type { ByteSource } from './byte-source.ts'
import { formatError } from './format-error.ts'

export class BinaryTable {
  readonly bytes: Buffer
  readonly #name: string
  readonly #start: number
  readonly #view: DataView
  readonly #littleEndian: boolean

  private constructor(name: string, start: number, bytes: Buffer, littleEndian: boolean) {
    this.bytes = bytes
    this.#name = name
    this.#start = start
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#littleEndian = littleEndian
  }

  /**
   * @param what the table is, for the complaint that the file ends inside it
   * @param length bounded by the caller
   */
  static async read(
    source: ByteSource,
    start: number,
    length: number,
    what: string,
    littleEndian = true,
  ): Promise<BinaryTable> {
    const { name, byteLength } = source
    if (start + length > byteLength) {
      const found = `the end of the file at 0x${byteLength.toString(16)}`
      throw formatError({ name, offset: start, field: what, found, expected: `${length} bytes` })
    }
    const bytes = Buffer.alloc(length)
    await source.read(start, bytes)
    return new BinaryTable(name, start, bytes, littleEndian)
  }

  u16(at: number): number {
    return this.#view.getUint16(at, this.#littleEndian)
  }

  u32(at: number): number {
    return this.#view.getUint32(at, this.#littleEndian)
  }

  /** A length or an offset; one that a double cannot hold is refused. */
  u64(at: number, field: string): number {
    const value = this.#view.getBigUint64(at, this.#littleEndian)
    if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value)
    throw this.error(at, field, `0x${value.toString(16)}`, 'less than 2^53')
  }

  /** The error for a field, to be thrown. */
  error(
    at: number,
    field: string,
    found: string | number,
    expected: string | number,
    code: LazyRestoreError['code'] = 'format',
  ): LazyRestoreError {
    return formatError({ name: this.#name, offset: this.#start + at, field, found, expected, code })
  }
}
