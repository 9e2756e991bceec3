/**
 * Reads the fields of a migration stream, all big-endian, through one small window. Every method names its field, so that
 * a complaint says what was being read and where. A length from the file is checked before it comes here; the window
 * bounds it once more.
 */
import type { ErrorCode, LazyRestoreError } from '../core/error.ts'
import type { ByteSource } from './byte-source.ts'
import { formatError, hexBytes } from './format-error.ts'

/** Page slots start at multiples of this. A window that ends at one reads no byte of a page that nobody asked for. */
const SECTOR_BYTES = 512
/** The longest field is a name. */
const MAX_FIELD_BYTES = SECTOR_BYTES

export class StreamReader {
  readonly source: ByteSource
  /** Offset of the next field. */
  position: number
  readonly #window = new Uint8Array(SECTOR_BYTES + MAX_FIELD_BYTES)
  readonly #view = new DataView(this.#window.buffer)
  #windowStart = 0
  #windowLength = 0

  constructor(source: ByteSource, position: number) {
    this.source = source
    this.position = position
  }

  async u8(field: string): Promise<number> {
    return this.#view.getUint8(await this.#take(1, field))
  }

  async u16(field: string): Promise<number> {
    return this.#view.getUint16(await this.#take(2, field))
  }

  async u32(field: string): Promise<number> {
    return this.#view.getUint32(await this.#take(4, field))
  }

  /** A length or an offset; one that a double cannot hold is refused. */
  async u64(field: string): Promise<number> {
    const at = this.position
    const value = this.#view.getBigUint64(await this.#take(8, field))
    if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value)
    throw this.error(at, field, `0x${value.toString(16)}`, 'less than 2^53')
  }

  async bytes(length: number, field: string): Promise<Uint8Array> {
    const start = await this.#take(length, field)
    return this.#window.slice(start, start + length)
  }

  /** A name: printable ASCII, as QEMU's names are, so that it can be shown as it is. */
  async text(length: number, field: string): Promise<string> {
    const at = this.position
    const bytes = await this.bytes(length, field)
    const odd = bytes.findIndex(byte => byte < 0x20 || byte > 0x7e)
    if (odd >= 0) throw this.error(at + odd, field, `byte ${hexBytes(bytes.subarray(odd, odd + 1))}`, 'printable ASCII')
    return String.fromCharCode(...bytes)
  }

  async skip(length: number, field: string): Promise<void> {
    await this.#take(length, field)
  }

  /** The byte that `u8` would read next; null at the end of the file. */
  async peek(): Promise<number | null> {
    if (this.position >= this.source.byteLength) return null
    const byte = await this.u8('next byte')
    this.position--
    return byte
  }

  /** Reads a u32 that can only have one value. */
  async expectU32(field: string, expected: number, code: ErrorCode = 'format'): Promise<void> {
    const at = this.position
    const found = await this.u32(field)
    if (found !== expected) throw this.error(at, field, found, expected, code)
  }

  /** The error for a field at `offset`, to be thrown. */
  error(
    offset: number,
    field: string,
    found: string | number,
    expected: string | number,
    code: ErrorCode = 'format',
  ): LazyRestoreError {
    return formatError({ name: this.source.name, offset, field, found, expected, code })
  }

  /** Brings the next `length` bytes into the window, steps over them, and returns where they stand in it. */
  async #take(length: number, field: string): Promise<number> {
    const { position, source } = this
    if (length > MAX_FIELD_BYTES) {
      throw this.error(position, field, `${length} bytes`, `at most ${MAX_FIELD_BYTES}`, 'limit')
    }
    const left = Math.max(0, source.byteLength - position)
    if (length > left) throw this.error(position, field, `the end of the file after ${left} bytes`, `${length} bytes`)
    const start = position - this.#windowStart
    const inWindow = start >= 0 && start + length <= this.#windowLength
    if (!inWindow) {
      this.#windowLength = 0
      const end = Math.ceil((position + length) / SECTOR_BYTES) * SECTOR_BYTES
      const fill = Math.min(end - position, left)
      await source.read(position, this.#window.subarray(0, fill))
      this.#windowStart = position
      this.#windowLength = fill
    }
    this.position = position + length
    return inWindow ? start : 0
  }
}
