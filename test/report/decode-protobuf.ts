/** Decodes protobuf by the wire format alone (https://protobuf.dev/programming-guides/encoding), knowing nothing of our writer. */

export interface Field {
  readonly number: number
  /** A varint or fixed64 as a number, or the bytes of a length-delimited field. */
  readonly value: number | Uint8Array
}

export function decodeFields(bytes: Uint8Array): Field[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const fields: Field[] = []
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
  }
  while (at < bytes.length) {
    const tag = varint()
    const number = Math.floor(tag / 8)
    switch (tag % 8) {
      case 0:
        fields.push({ number, value: varint() })
        break
      case 1:
        fields.push({ number, value: Number(view.getBigUint64(at, true)) })
        at += 8
        break
      case 2: {
        const length = varint()
        fields.push({ number, value: bytes.subarray(at, at + length) })
        at += length
        break
      }
      default:
        throw new Error(`wire type ${tag % 8} at ${at}`)
    }
  }
  if (at !== bytes.length) throw new Error(`ends ${at - bytes.length} bytes behind the end`)
  return fields
}

export class Message {
  readonly #fields: readonly Field[]

  constructor(bytes: Uint8Array) {
    this.#fields = decodeFields(bytes)
  }

  all(number: number): (number | Uint8Array)[] {
    return this.#fields.filter(field => field.number === number).map(({ value }) => value)
  }

  number(number: number): number | null {
    const [value] = this.all(number)
    return typeof value === 'number' ? value : null
  }

  text(number: number): string | null {
    const [value] = this.all(number)
    return value instanceof Uint8Array ? new TextDecoder().decode(value) : null
  }

  messages(number: number): Message[] {
    return this.all(number).map(value => new Message(value as Uint8Array))
  }
}
