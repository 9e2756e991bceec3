/**
 * One connection to the destination. Bytes go out one piece at a time, and the next one only when the kernel has taken the one
 * before, so that whoever has something more urgent waits for one piece and no more. What comes in is handed on from one
 * buffer.
 */
import { connect, type Socket } from 'node:net'
import { LazyRestoreError } from '../core/error.ts'

export type Address =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }

const RECEIVE_BUFFER_BYTES = 64 * 1024

export interface ChannelHandler {
  /** The bytes are good until it returns. */
  onBytes(bytes: Uint8Array): void
  /** The connection is over; with the reason, unless the destination ended it in order. Not called after `close`. */
  onClosed(cause: Error | null): void
}

export class Channel {
  readonly #socket: Socket
  /** A piece is being written. */
  #busySinceMs: number | null = null
  #closed = false
  bytesSent = 0

  private constructor(socket: Socket) {
    this.#socket = socket
  }

  /**
   * @param limitMs longest wait for the connection
   * @throws LazyRestoreError `io` when nobody listens there
   */
  static open(address: Address, handler: ChannelHandler, limitMs: number): Promise<Channel> {
    return new Promise((resolve, reject) => {
      let channel: Channel | null = null
      let failure: Error | null = null
      const onread = {
        buffer: Buffer.alloc(RECEIVE_BUFFER_BYTES),
        callback: (length: number, buffer: Uint8Array): boolean => {
          if (channel !== null && !channel.#closed) handler.onBytes(buffer.subarray(0, length))
          return true
        },
      }
      const socket = connect(
        address.kind === 'unix'
          ? { path: address.path, onread }
          : { host: address.host, port: address.port, noDelay: true, onread },
      )
      const timer = setTimeout(() => {
        socket.destroy(new Error(`no connection within ${limitMs / 1000} s`))
      }, limitMs)
      socket.on('connect', () => {
        clearTimeout(timer)
        channel = new Channel(socket)
        resolve(channel)
      })
      socket.on('error', cause => {
        failure = cause
      })
      socket.on('close', () => {
        clearTimeout(timer)
        if (channel === null) reject(refused(address, failure))
        else if (!channel.#closed) handler.onClosed(failure)
      })
    })
  }

  get isIdle(): boolean {
    return this.#busySinceMs === null
  }

  /** How long the kernel has not taken the current piece; 0 when there is none. */
  stalledMs(nowMs: number): number {
    return this.#busySinceMs === null ? 0 : nowMs - this.#busySinceMs
  }

  /**
   * Writes a piece; the channel must be idle.
   * @param onHandedOver the kernel has the last byte; not called when the connection fails
   */
  write(bytes: Uint8Array, onHandedOver: () => void): void {
    this.#busySinceMs = performance.now()
    this.#socket.write(bytes, error => {
      if (error != null || this.#closed) return
      this.#busySinceMs = null
      this.bytesSent += bytes.length
      onHandedOver()
    })
  }

  /** Ends the connection when all is written. */
  end(): void {
    this.#closed = true
    this.#socket.end()
  }

  /** Ends the connection at once. */
  destroy(): void {
    this.#closed = true
    this.#socket.destroy()
  }
}

/** `unix:/run/vm.sock`, `tcp:host:4444`: as QEMU writes it. */
export function addressText(address: Address): string {
  return address.kind === 'unix' ? `unix:${address.path}` : `tcp:${address.host}:${address.port}`
}

function refused(address: Address, cause: Error | null): LazyRestoreError {
  const { code } = (cause ?? {}) as NodeJS.ErrnoException
  const reason =
    code === 'ENOENT'
      ? 'no such socket'
      : code === 'ECONNREFUSED'
        ? 'nobody listens there'
        : (cause?.message ?? 'closed')
  return new LazyRestoreError('io', `${addressText(address)}: ${reason}`, { cause })
}
