/**
 * Streams of server-sent events. A comment now and then shows both sides that the other is there; a reader that does not
 * keep up is let go, since what it has not read lies in our memory.
 */
import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'
import { HttpError } from './errors.ts'

const HEARTBEAT_MS = 15_000
const MAX_UNREAD_BYTES = 8 * 1024 * 1024
const RETRY_AFTER_S = 5

export class EventStream {
  readonly #response: ServerResponse
  readonly #heartbeat: NodeJS.Timeout

  constructor(response: ServerResponse) {
    this.#response = response
    this.#heartbeat = setInterval(() => this.#write(': here\n\n'), HEARTBEAT_MS)
  }

  get isOpen(): boolean {
    return !this.#response.writableEnded && !this.#response.destroyed
  }

  send(event: string, data: unknown): void {
    this.#write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
  }

  end(): void {
    clearInterval(this.#heartbeat)
    this.#response.end()
  }

  #write(text: string): void {
    if (!this.isOpen) return
    this.#response.write(text)
    if (this.#response.writableLength > MAX_UNREAD_BYTES) this.#response.destroy()
  }

  /** Called by the owner when the connection is gone. */
  dispose(): void {
    clearInterval(this.#heartbeat)
  }
}

/** All streams of a server: so many at most, and all ended when it stops. */
export class EventStreams {
  readonly #limit: number
  readonly #open = new Set<EventStream>()

  constructor(limit: number) {
    this.#limit = limit
  }

  get count(): number {
    return this.#open.size
  }

  /**
   * Takes the answer over. `onClose` is called once, when either side has ended it.
   * @throws HttpError `busy`; `interrupted` when the reader is gone already, as no event would tell of its end
   */
  start(reply: FastifyReply, onClose: () => void): EventStream {
    if (this.#open.size >= this.#limit) {
      throw new HttpError('busy', `found ${this.#limit} streams of events open`, { retryAfterS: RETRY_AFTER_S })
    }
    if (reply.raw.destroyed) throw new HttpError('interrupted', 'found that the reader of the events is gone')
    const headers = { ...reply.getHeaders(), 'content-type': 'text/event-stream', 'cache-control': 'no-store' }
    reply.hijack()
    reply.raw.writeHead(200, headers as Record<string, string>)
    reply.raw.flushHeaders()
    const stream = new EventStream(reply.raw)
    this.#open.add(stream)
    reply.raw.on('close', () => {
      stream.dispose()
      this.#open.delete(stream)
      onClose()
    })
    // Its reader may go at any moment.
    reply.raw.on('error', () => {})
    return stream
  }

  endAll(): void {
    for (const stream of this.#open) stream.end()
  }
}
