/** Answers to what never became a request, or never a whole one. No reply exists for it, so the answer is written byte by byte. */
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { type ErrorAnswer, errorAnswer, HttpError } from './errors.ts'

const HEADERS_TOO_LARGE = 431

export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  // After a reset nobody is there to be answered.
  if (error.code !== 'ECONNRESET' && socket.writable) {
    const { status, body } = answerTo(error)
    const content = JSON.stringify(body)
    const head = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      'content-type: application/json; charset=utf-8',
      `content-length: ${Buffer.byteLength(content)}`,
      'connection: close',
    ]
    socket.write(`${head.join('\r\n')}\r\n\r\n${content}`)
  }
  socket.destroy(error)
}

function answerTo({ code }: NodeJS.ErrnoException): ErrorAnswer {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return errorAnswer(new HttpError('timeout', 'request: found no end of it in time, expected all of it'))
  }
  if (code === 'HPE_HEADER_OVERFLOW') {
    const answer = errorAnswer(new HttpError('too-large', 'headers: found more than fit, expected fewer'))
    return { ...answer, status: HEADERS_TOO_LARGE }
  }
  return errorAnswer(new HttpError('invalid', 'request: found no valid HTTP, or its end too early'))
}
