/**
 * Receives bodies: each up to its limit, and all that are under way together up to a budget, so that neither one large body
 * nor many slow ones take the memory.
 */
import type { IncomingMessage } from 'node:http'
import { HttpError } from './errors.ts'

const RETRY_AFTER_S = 1

export class BodyReceiver {
  readonly #budget: number
  #held = 0

  /** @param budget bytes of all bodies that are being received */
  constructor(budget: number) {
    this.#budget = budget
  }

  /** @throws HttpError `too-large`, `busy` */
  async receive(request: IncomingMessage, limit: number): Promise<Buffer> {
    const announced = Number(request.headers['content-length'] ?? 0)
    if (announced > limit) throw tooLarge(limit)
    const parts: Buffer[] = []
    let bytes = 0
    try {
      for await (const part of request as AsyncIterable<Buffer>) {
        bytes += part.length
        this.#held += part.length
        if (bytes > limit) throw tooLarge(limit)
        if (this.#held > this.#budget) {
          throw new HttpError('busy', 'too many bodies are being received', { retryAfterS: RETRY_AFTER_S })
        }
        parts.push(part)
      }
    } finally {
      this.#held -= bytes
    }
    return parts.length === 1 ? parts[0] : Buffer.concat(parts, bytes)
  }
}

function tooLarge(limit: number): HttpError {
  return new HttpError('too-large', `body: found more than ${limit} bytes, expected at most that`)
}
