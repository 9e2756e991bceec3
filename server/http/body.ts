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
    checkAnnounced(request, limit)
    const parts: Buffer[] = []
    let bytes = 0
    const take = (part: Buffer): HttpError | null => {
      bytes += part.length
      this.#held += part.length
      if (bytes > limit) return tooLarge(limit)
      if (this.#held > this.#budget) {
        return new HttpError('busy', 'too many bodies are being received', { retryAfterS: RETRY_AFTER_S })
      }
      parts.push(part)
      return null
    }
    try {
      await readTo(request, take)
    } finally {
      this.#held -= bytes
    }
    return parts.length === 1 ? parts[0] : Buffer.concat(parts, bytes)
  }
}

/** Ends with the request, or throws what `take` returns. Events, as an iterator costs more than all else of a small request. */
function readTo(request: IncomingMessage, take: (part: Buffer) => HttpError | null): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (error: Error): void => {
      request.off('data', receive)
      request.pause()
      reject(error)
    }
    const receive = (part: Buffer): void => {
      const error = take(part)
      if (error !== null) stop(error)
    }
    request.on('data', receive)
    const cut = (): void => {
      if (!request.readableEnded) stop(endedEarly())
    }
    request.once('end', resolve)
    // A request has no errors but that its sender went away.
    request.once('error', cut)
    request.once('close', cut)
  })
}

/** Before anything of the body is taken. @throws HttpError `too-large` */
export function checkAnnounced({ headers }: IncomingMessage, limit: number): void {
  if (Number(headers['content-length'] ?? 0) > limit) throw tooLarge(limit)
}

/** The sender's doing, and no failure of the server, though nobody may be there to hear it. */
export function endedEarly(): HttpError {
  return new HttpError('invalid', 'body: found its end too early, expected all of it')
}

function tooLarge(limit: number): HttpError {
  return new HttpError('too-large', `body: found more than ${limit} bytes, expected at most that`)
}
