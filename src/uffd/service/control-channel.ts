/**
 * What supervisor and handler tell each other, over a socket between them: records of 8 bytes, little-endian, some with a
 * descriptor.
 *
 *     kind 1  READY     handler → supervisor   connections can come
 *     kind 2  ACCEPTED  supervisor → handler   a connection, as SCM_RIGHTS, and the number that it has
 *     kind 3  RELEASED  handler → supervisor   the VM of that number needs the handler no more, or was refused
 */
import { LazyRestoreError } from '../../core/error.ts'
import { libc } from '../native.ts'
import { receiveWithDescriptors, sendWithDescriptors } from '../scm-rights.ts'
import { POLLIN, POLLRDHUP } from '../unix-socket.ts'
import type { Poller, Watch } from './poller.ts'

export const READY = 1
export const ACCEPTED = 2
export const RELEASED = 3

const RECORD_BYTES = 8

export interface ControlRecord {
  readonly kind: number
  readonly connection: number
  /** The receiver's to close; null: none came along. */
  readonly descriptor: number | null
}

export class ControlChannel {
  readonly #socket: number
  readonly #watch: Watch
  readonly #onRecord: (record: ControlRecord) => void
  #partial = Buffer.alloc(0)
  #descriptor: number | null = null
  #isClosed = false

  /**
   * @param socket this object's to close
   * @param onEnd the other side is gone
   */
  constructor(socket: number, poller: Poller, onRecord: (record: ControlRecord) => void, onEnd: () => void) {
    this.#socket = socket
    this.#onRecord = onRecord
    this.#watch = poller.watch(socket, POLLIN | POLLRDHUP, () => {
      if (this.receive()) return
      this.#watch.close()
      onEnd()
    })
  }

  /** @throws LazyRestoreError `io` when the other side is gone */
  send(kind: number, connection: number, descriptor: number | null = null): void {
    const record = Buffer.alloc(RECORD_BYTES)
    record.writeUInt32LE(kind, 0)
    record.writeUInt32LE(connection, 4)
    sendWithDescriptors(this.#socket, record, descriptor === null ? [] : [descriptor])
  }

  /** Takes all records that are there. False: the other side is gone. */
  receive(): boolean {
    for (;;) {
      // Never more than one record, so that a descriptor belongs to the record that it came with.
      const piece = Buffer.alloc(RECORD_BYTES - this.#partial.length)
      let received: ReturnType<typeof receiveWithDescriptors>
      try {
        received = receiveWithDescriptors(this.#socket, piece)
      } catch (error) {
        if (error instanceof LazyRestoreError) return false
        throw error
      }
      if (received === null) return true
      if (received.byteLength === 0) return false
      this.#descriptor = received.descriptors[0] ?? this.#descriptor
      this.#partial = Buffer.concat([this.#partial, piece.subarray(0, received.byteLength)])
      if (this.#partial.length < RECORD_BYTES) continue
      const record = this.#partial
      const descriptor = this.#descriptor
      this.#partial = Buffer.alloc(0)
      this.#descriptor = null
      this.#onRecord({ kind: record.readUInt32LE(0), connection: record.readUInt32LE(4), descriptor })
    }
  }

  /** May be called twice. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#watch.close()
    libc().close(this.#socket)
  }
}
