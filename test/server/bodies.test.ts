/** Bodies that are too large, and bodies that never come whole: each is called what it is, and nothing stays of it. */
import { describe, expect, it } from 'vitest'
import { openRaw, postHead, sendSpaces } from './raw-http.ts'
import { useServer } from './support.ts'

const MIB = 2 ** 20
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
