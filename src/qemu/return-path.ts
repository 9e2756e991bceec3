/**
 * What a destination says on the return path: u16 type, u16 length, payload, big-endian (QEMU migration/migration.c,
 * enum mig_rp_message_type). The bytes come in pieces of any size. A received bitmap follows its message without a header of
 * its own: u64 length, a little-endian bitmap of target pages, u64 end mark (migration/ram.c, ramblock_recv_bitmap_send).
 */
import { LazyRestoreError } from '../core/error.ts'

const SHUT = 1
const PONG = 2
const REQ_PAGES_ID = 3
const REQ_PAGES = 4
const RECV_BITMAP = 5
const RESUME_ACK = 6

const HEADER_BYTES = 4
/** QEMU's own source accepts no longer message (512 bytes). */
const MAX_PAYLOAD_BYTES = 512
const BITMAP_END_MARK = 0x0123456789abcdefn

export interface ReturnPathHandler {
  /** The destination is done; 0: all is well. */
  onShut(status: number): void
  onPong(value: number): void
  /** Bytes `[start, start + length)` of the block are missing, and something waits for them. */
  onRequest(block: string, start: number, length: number): void
  /** Length in bytes of a received bitmap of the block; throws when there is no such block. */
  bitmapBytes(block: string): number
  onBitmap(block: string, bitmap: Uint8Array): void
  onResumeAck(value: number): void
}

export class ReturnPath {
  readonly #handler: ReturnPathHandler
  /** Bytes that are not a whole message yet. */
  #rest: Buffer = Buffer.alloc(0)
  /** The block that the last REQ_PAGES_ID named. */
  #requestBlock: string | null = null
  /** The bitmap that is coming in, with its length before it and its mark behind. */
  #bitmap: { readonly block: string; readonly bytes: Buffer; filled: number } | null = null

  constructor(handler: ReturnPathHandler) {
    this.#handler = handler
  }

  /**
   * Takes the next bytes, which are not kept.
   * @throws LazyRestoreError `format` when they are not what a destination says
   */
  take(bytes: Uint8Array): void {
    let view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    if (this.#rest.length > 0) view = Buffer.concat([this.#rest, view])
    let at = 0
    for (;;) {
      const used = this.#bitmap === null ? this.#message(view, at) : this.#fillBitmap(view, at)
      if (used === 0) break
      at += used
    }
    this.#rest = Buffer.from(view.subarray(at))
  }

  /** Handles the message at `at`; returns its length, or 0 when it is not all there. */
  #message(view: Buffer, at: number): number {
    if (view.length - at < HEADER_BYTES) return 0
    const type = view.readUInt16BE(at)
    const length = view.readUInt16BE(at + 2)
    if (length > MAX_PAYLOAD_BYTES) throw refuse(`length of message ${type}`, length, `at most ${MAX_PAYLOAD_BYTES}`)
    if (view.length - at < HEADER_BYTES + length) return 0
    this.#handle(type, view.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length))
    return HEADER_BYTES + length
  }

  #handle(type: number, payload: Buffer): void {
    if (type === REQ_PAGES || type === REQ_PAGES_ID) this.#request(type, payload)
    else if (type === SHUT) this.#handler.onShut(word('SHUT', payload))
    else if (type === PONG) this.#handler.onPong(word('PONG', payload))
    else if (type === RESUME_ACK) this.#handler.onResumeAck(word('RESUME_ACK', payload))
    else if (type === RECV_BITMAP) this.#expectBitmap(name('RECV_BITMAP', payload))
    else throw refuse('message type', type, `${SHUT}..${RESUME_ACK}`)
  }

  #request(type: number, payload: Buffer): void {
    if (type === REQ_PAGES ? payload.length !== 12 : payload.length < 13) {
      throw refuse('length of a page request', payload.length, type === REQ_PAGES ? 12 : 'at least 13')
    }
    const start = payload.readBigUInt64BE(0)
    if (start > BigInt(Number.MAX_SAFE_INTEGER)) throw refuse('start of a page request', start, 'less than 2^53')
    if (type === REQ_PAGES_ID) this.#requestBlock = name('REQ_PAGES_ID', payload.subarray(12))
    if (this.#requestBlock === null) throw refuse('first page request', 'no block', 'a block name')
    this.#handler.onRequest(this.#requestBlock, Number(start), payload.readUInt32BE(8))
  }

  #expectBitmap(block: string): void {
    const length = this.#handler.bitmapBytes(block)
    this.#bitmap = { block, bytes: Buffer.alloc(8 + length + 8), filled: 0 }
  }

  /** Adds what is there of the bitmap; returns how many bytes that were. */
  #fillBitmap(view: Buffer, at: number): number {
    const bitmap = this.#bitmap!
    const count = view.copy(bitmap.bytes, bitmap.filled, at)
    bitmap.filled += count
    if (bitmap.filled === bitmap.bytes.length) {
      this.#bitmap = null
      this.#finishBitmap(bitmap.block, bitmap.bytes)
    }
    return count
  }

  #finishBitmap(block: string, bytes: Buffer): void {
    const length = bytes.length - 16
    const found = bytes.readBigUInt64BE(0)
    if (found !== BigInt(length)) throw refuse(`length of the received bitmap of ${block}`, found, length)
    const mark = bytes.readBigUInt64BE(bytes.length - 8)
    if (mark !== BITMAP_END_MARK) {
      throw refuse(`end mark of the received bitmap of ${block}`, mark.toString(16), BITMAP_END_MARK.toString(16))
    }
    this.#handler.onBitmap(block, Uint8Array.from(bytes.subarray(8, 8 + length)))
  }
}

function word(message: string, payload: Buffer): number {
  if (payload.length !== 4) throw refuse(`length of ${message}`, payload.length, 4)
  return payload.readUInt32BE(0)
}

/** A length byte and the text, to the end of the payload. */
function name(message: string, payload: Buffer): string {
  if (payload.length < 2 || payload[0] !== payload.length - 1) {
    const found = payload.length === 0 ? 'no byte' : `length ${payload[0]} before ${payload.length - 1} bytes`
    throw refuse(`block name in ${message}`, found, 'a length and as many bytes')
  }
  return payload.toString('latin1', 1)
}

function refuse(field: string, found: unknown, expected: unknown): LazyRestoreError {
  return new LazyRestoreError('format', `return path: ${field}: found ${found}, expected ${expected}`)
}
