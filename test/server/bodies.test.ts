/** Bodies that are too large, and bodies that never come whole: each is called what it is, and nothing stays of it. */
import { describe, expect, it } from 'vitest'
import { openRaw, postHead, rawStatus, sendSpaces } from './raw-http.ts'
import { useServer } from './support.ts'

const MIB = 2 ** 20
const HEALTH = 'GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n'
const TRACE = { path: '/v1/traces', type: 'application/octet-stream', limit: 4 * MIB, whole: 422 }
const BODIES = [
  { path: '/v1/experiments', type: 'application/json', limit: 4 * MIB, whole: 400 },
  { path: '/v1/experiments', type: 'application/msgpack', limit: 16 * MIB, whole: 400 },
  TRACE,
]

describe.each(BODIES)('a body of $type over its limit', ({ path, type, limit, whole }) => {
  const server = useServer({ limits: { bodyBytes: 16 * MIB, traceBytes: 4 * MIB } })

  it('of 1 GiB: no more of it is taken than it may have', async () => {
    const before = process.memoryUsage().rss
    const { status, sent } = await sendSpaces(server.url, path, type, 1024 * MIB, '')
    // The server closes while we still send, which may cost us its answer.
    expect([0, 413]).toContain(status)
    expect(sent).toBeLessThan(100 * MIB)
    expect(process.memoryUsage().rss - before).toBeLessThan(300 * MIB)
  })

  it('by one byte is too large, and at the limit is what it is', async () => {
    expect(await sendSpaces(server.url, path, type, limit + 1, '')).toEqual({ status: 413, sent: limit + 1 })
    expect(await sendSpaces(server.url, path, type, limit, '\r\n0\r\n\r\n')).toEqual({ status: whole, sent: limit })
  })

  it('by its announced length is refused before any of it comes', async () => {
    const { socket, answer } = openRaw(server.url)
    socket.write(postHead(path, type, `content-length: ${limit + 1}`))
    expect(await answer()).toMatch(/^HTTP\/1\.1 413 .*"code":"too-large"/s)
  })
})

describe('what is no request, or none in time', () => {
  const server = useServer({ limits: { headersMs: 300, bodyMs: 500 } })

  it.each([
    { what: 'no HTTP', request: 'GET\r\n\r\n', status: 400, code: 'invalid' },
    {
      what: 'too long a head',
      request: `${HEALTH.trim()}\r\nx: ${'y'.repeat(20_000)}`,
      status: 431,
      code: 'too-large',
    },
    { what: 'too slow a head', request: HEALTH.trim(), status: 408, code: 'timeout' },
    {
      what: 'too slow a body',
      request: `${postHead(TRACE.path, TRACE.type, 'content-length: 100')}{`,
      status: 408,
      code: 'timeout',
    },
  ])('is answered as all else is: $what', async ({ request, status, code }) => {
    const { socket, answer } = openRaw(server.url)
    socket.write(request)
    const [head, body] = (await answer()).split('\r\n\r\n')
    expect(head).toMatch(`HTTP/1.1 ${status} `)
    expect(head).toMatch(/^content-type: application\/json/im)
    expect(JSON.parse(body)).toEqual({ code, message: expect.any(String), details: null })
    expect(await rawStatus(server.url, HEALTH)).toBe(200)
  })
})
