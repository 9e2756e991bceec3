/**
 * Writes protobuf messages: unsigned numbers, texts and messages in messages, which is all that a trace needs. The wire
 * format is at https://protobuf.dev/programming-guides/encoding: a tag (field number × 8 + wire type), then the value.
 */

const VARINT = 0
const FIXED64 = 1
const LENGTH_DELIMITED = 2
const FIRST_CAPACITY = 64

const encoder = new TextEncoder()

export class Protobuf {
  #bytes = new Uint8Array(FIRST_CAPACITY)
  #length = 0

  /** A whole number from 0 to 2^53 - 1. */
  uint(field: number, value: number): this {
    this.#varint(field * 8 + VARINT)
    this.#varint(value)
    return this
  }

  /** A whole number from 0 to 2^53 - 1, always in eight bytes. */
  fixed64(field: number, value: number): this {
    this.#varint(field * 8 + FIXED64)
    this.#reserve(8)
    let rest = value
    for (let i = 0; i < 8; i++) {
      this.#bytes[this.#length++] = rest % 256
      rest = Math.floor(rest / 256)
    }
    return this
  }

  text(field: number, value: string): this {
    return this.#delimited(field, encoder.encode(value))
  }

  message(field: number, message: Protobuf): this {
    return this.#delimited(field, message.finish())
  }

  /** The bytes so far; good until more is written. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  #delimited(field: number, bytes: Uint8Array): this {
    this.#varint(field * 8 + LENGTH_DELIMITED)
    this.#varint(bytes.length)
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
    return this
  }

  /** Seven bits a byte, the lowest first; the top bit says that more follow. */
  #varint(value: number): void {
    this.#reserve(8)
    let rest = value
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#bytes[this.#length++] = rest
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(this.#length + more, this.#bytes.length * 2))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
  }
}
