/**
 * The two encodings of bodies, for every thread that makes or reads one. In MessagePack typed arrays stay typed arrays; in JSON
 * they are lists, and what is no finite number is null.
 */
import { Packr, Unpackr } from 'msgpackr'

export type Encoding = 'json' | 'msgpack'

const CODEC = { useRecords: false, moreTypes: true, mapsAsObjects: true } as const

const packr = new Packr(CODEC)
const unpackr = new Unpackr(CODEC)

export function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, part) => (ArrayBuffer.isView(part) ? Array.from(part as Uint8Array) : part))
}

/** In memory of its own: the packer writes the next value where the last one lies. */
export function toMsgpack(value: unknown): Uint8Array<ArrayBuffer> {
  return new Uint8Array(packr.pack(value))
}

export function fromMsgpack(bytes: Uint8Array): unknown {
  return unpackr.unpack(bytes)
}

/** As bytes, which a thread can hand over without a copy. */
export function encode(value: unknown, encoding: Encoding): Uint8Array<ArrayBuffer> {
  return encoding === 'msgpack' ? toMsgpack(value) : new TextEncoder().encode(toJson(value))
}
