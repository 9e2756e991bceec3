/**
 * Walks MessagePack bytes before they are decoded, and refuses what a decoder would pay for: counts beyond the bytes that
 * are there, deep nesting, keys that are no text, and extensions other than typed arrays (which can make objects, errors
 * and expressions). Specified in https://github.com/msgpack/msgpack/blob/master/spec.md; the extension 0x74 of typed arrays
 * is msgpackr's: one byte that names the type, then the elements.
 */
import { HttpError } from './errors.ts'

const MAX_DEPTH = 32
/** A byte can become an object of 60; a list of as many faults as a batch may have has half of it. */
const MAX_VALUES = 1_000_000
const EXT_TYPED_ARRAY = 0x74
/** By msgpackr's number of the type: Int8, Uint8, Uint8Clamped, Int16, Uint16, Int32, Uint32, Float32, Float64, BigInt64, BigUint64. */
const ELEMENT_BYTES = [1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8]

/** @throws HttpError `invalid` with the offset of what is wrong */
export function checkMsgpack(bytes: Buffer): void {
  const end = new Walker(bytes).value(0, 0)
  if (end !== bytes.length) refuse(end, `found ${bytes.length - end} bytes behind the value, expected the end`)
}

class Walker {
  readonly #bytes: Buffer
  #values = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** Checks the value at `at`; returns where it ends. */
  value(at: number, depth: number): number {
    if (++this.#values > MAX_VALUES)
      refuse(at, `found more than ${MAX_VALUES} values, expected fewer; use typed arrays`)
    const tag = this.#uint(at, 1)
    const next = at + 1
    if (tag <= 0x7f || tag >= 0xe0) return next
    if (tag <= 0x8f) return this.#entries(at, next, tag & 0x0f, 2, depth)
    if (tag <= 0x9f) return this.#entries(at, next, tag & 0x0f, 1, depth)
    if (tag <= 0xbf) return this.#skip(at, next, tag & 0x1f)
    switch (tag) {
      case 0xc0:
      case 0xc2:
      case 0xc3:
        return next
      case 0xc4:
      case 0xc5:
      case 0xc6: {
        const width = 1 << (tag - 0xc4)
        return this.#skip(at, next + width, this.#uint(next, width))
      }
      case 0xc7:
      case 0xc8:
      case 0xc9: {
        const width = 1 << (tag - 0xc7)
        return this.#extension(at, next + width, this.#uint(next, width))
      }
      case 0xca:
      case 0xcb:
        return this.#skip(at, next, tag === 0xca ? 4 : 8)
      case 0xcc:
      case 0xcd:
      case 0xce:
      case 0xcf:
        return this.#skip(at, next, 1 << (tag - 0xcc))
      case 0xd0:
      case 0xd1:
      case 0xd2:
      case 0xd3:
        return this.#skip(at, next, 1 << (tag - 0xd0))
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#extension(at, next, 1 << (tag - 0xd4))
      case 0xd9:
      case 0xda:
      case 0xdb: {
        const width = 1 << (tag - 0xd9)
        return this.#skip(at, next + width, this.#uint(next, width))
      }
      case 0xdc:
      case 0xdd:
      case 0xde:
      case 0xdf: {
        const width = tag % 2 === 0 ? 2 : 4
        return this.#entries(at, next + width, this.#uint(next, width), tag < 0xde ? 1 : 2, depth)
      }
      default:
        return refuse(at, 'found the unused tag 0xc1, expected a value')
    }
  }

  /** The entries of an array (`parts` 1) or a map (2); each needs a byte at least. */
  #entries(at: number, first: number, count: number, parts: 1 | 2, depth: number): number {
    const left = this.#bytes.length - first
    if (count * parts > left) refuse(at, `found ${count} entries in ${left} bytes, expected a byte or more for each`)
    if (depth === MAX_DEPTH) refuse(at, `found more than ${MAX_DEPTH} levels, expected fewer`)
    let next = first
    for (let i = 0; i < count; i++) {
      if (parts === 2) next = this.#key(next)
      next = this.value(next, depth + 1)
    }
    return next
  }

  #key(at: number): number {
    const tag = this.#uint(at, 1)
    const isText = (tag >= 0xa0 && tag <= 0xbf) || (tag >= 0xd9 && tag <= 0xdb)
    return isText ? this.value(at, MAX_DEPTH) : refuse(at, 'found a key that is no text, expected text')
  }

  /** @param typeAt where the type stands, behind which `length` bytes follow */
  #extension(at: number, typeAt: number, length: number): number {
    if (this.#uint(typeAt, 1) !== EXT_TYPED_ARRAY) refuse(at, 'found an extension, expected none but typed arrays')
    const end = this.#skip(at, typeAt + 1, length)
    const elementBytes = length === 0 ? undefined : ELEMENT_BYTES[this.#uint(typeAt + 1, 1)]
    if (elementBytes === undefined || (length - 1) % elementBytes !== 0) {
      refuse(at, 'found a broken typed array, expected its type and whole elements')
    }
    return end
  }

  #skip(at: number, from: number, length: number): number {
    const end = from + length
    return end <= this.#bytes.length ? end : refuse(at, `found ${this.#bytes.length - from} bytes, expected ${length}`)
  }

  #uint(at: number, width: number): number {
    if (at + width > this.#bytes.length) refuse(at, 'found the end of the body, expected more of the value')
    return width === 8 ? Number(this.#bytes.readBigUInt64BE(at)) : this.#bytes.readUIntBE(at, width)
  }
}

function refuse(at: number, what: string): never {
  throw new HttpError('invalid', `body: 0x${at.toString(16)}: ${what}`)
}
