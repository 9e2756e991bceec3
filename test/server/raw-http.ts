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
  const [, status = '0'] = /^HTTP\/1\.1 (\d+)/.exec(await connection.answer()) ?? []
  return Number(status)
}
