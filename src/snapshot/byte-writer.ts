/**
 * Builds the small parts of a stream, field by field, big-endian. Lengths of names are the caller's to check.
 */

export class ByteWriter {
  readonly #parts: Uint8Array[] = []

  u8(value: number): this {
    return this.bytes(Uint8Array.of(value))
  }

  u16(value: number): this {
    const part = Buffer.alloc(2)
    part.writeUInt16BE(value)
    return this.bytes(part)
  }

  u32(value: number): this {
    const part = Buffer.alloc(4)
    part.writeUInt32BE(value)
    return this.bytes(part)
  }

  u64(value: number): this {
    const part = Buffer.alloc(8)
    part.writeBigUInt64BE(BigInt(value))
    return this.bytes(part)
  }

  text(text: string): this {
    return this.bytes(Buffer.from(text, 'latin1'))
  }

  /** A length byte and the text. */
  name(text: string): this {
    return this.u8(text.length).text(text)
  }

  bytes(part: Uint8Array): this {
    this.#parts.push(part)
    return this
  }

  finish(): Uint8Array {
    return Buffer.concat(this.#parts)
  }
}
