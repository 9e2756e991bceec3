/** Requests that no well-behaved client sends, byte by byte. */
import { connect, type Socket } from 'node:net'

export interface RawConnection {
  readonly socket: Socket
  /** All that came back, once the server has closed the connection. @throws when it does not within the time */
  answer(limitMs?: number): Promise<string>
}

export function openRaw(url: string): RawConnection {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  let received = ''
  socket.setEncoding('latin1').on('data', text => {
    received += text
  })
  // The server may reset what it has refused.
  socket.on('error', () => {})
  const closed = new Promise<void>(resolve => socket.on('close', () => resolve()))
  const answer = async (limitMs = 10_000): Promise<string> => {
    const limit = setTimeout(() => socket.destroy(new Error('late')), limitMs)
    const before = performance.now()
    await closed
    clearTimeout(limit)
    if (performance.now() - before >= limitMs) throw new Error(`found an open connection after ${limitMs} ms`)
    return received
  }
  return { socket, answer }
}

/** Sends bytes and gives the status of the answer; 0 when the connection was closed without one. */
export async function rawStatus(url: string, request: string | Buffer): Promise<number> {
  const connection = openRaw(url)
  connection.socket.end(request)
  return statusOf(await connection.answer())
}

/** The head of a POST, up to the empty line. */
export function postHead(path: string, type: string, framing: string): string {
  return `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${type}\r\n${framing}\r\n\r\n`
}

export interface SpacesSent {
  readonly status: number
  /** Bytes of the body that could be sent before the server closed. */
  readonly sent: number
}

/**
 * Sends a chunked body of spaces, a piece when the one before is away, until it is all sent or the server closes. Not by
 * fetch: when a write fails, that goes on reading the body from its source to the end, though nobody gets it.
 * @param end what follows the last byte; nothing leaves the request open
 */
export async function sendSpaces(
  url: string,
  path: string,
  type: string,
  bytes: number,
  end: '' | '\r\n0\r\n\r\n',
): Promise<SpacesSent> {
  const { socket, answer } = openRaw(url)
  const write = (part: string | Buffer): Promise<boolean> =>
    new Promise(resolve => socket.write(part, error => resolve(!error)))
  const spaces = Buffer.alloc(2 ** 20, 0x20)
  let sent = 0
  let isOpen = await write(postHead(path, type, 'connection: close\r\ntransfer-encoding: chunked'))
  while (isOpen && sent < bytes) {
    const piece = spaces.subarray(0, bytes - sent)
    // A chunk ends where the next one starts: a server that has had enough with the last byte leaves nothing unread.
    isOpen = await write(`${sent === 0 ? '' : '\r\n'}${piece.length.toString(16)}\r\n`)
    isOpen &&= await write(piece)
    if (isOpen) sent += piece.length
  }
  if (isOpen && end !== '') socket.write(end)
  return { status: statusOf(await answer()), sent }
}

/** 0: there is none. */
function statusOf(answer: string): number {
  const [, status = '0'] = /^HTTP\/1\.1 (\d+)/.exec(answer) ?? []
  return Number(status)
}
