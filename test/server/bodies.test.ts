/** Bodies that are too large, and bodies that never come whole: each is called what it is, and nothing stays of it. */
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openRaw, postHead, rawStatus, sendSpaces } from './raw-http.ts'
import { until, useServer } from './support.ts'

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

describe('a request that never comes whole', () => {
  const lines: string[] = []
  const server = useServer({ log: { write: line => lines.push(line) } })
  const incoming = () => readdirSync(join(server.dataDirectory, 'traces'))
  const untilStarted = async (path: string): Promise<void> => {
    if (path === TRACE.path) await until(() => incoming().length === 1, 'upload under way')
  }

  beforeEach(() => {
    lines.length = 0
  })

  /** The sender's doing is nothing that a log should call a failure of the server. */
  afterEach(async () => {
    await until(() => incoming().length === 0, 'folder without a part of an upload')
    expect((await server.client().traces.list()).items).toEqual([])
    expect(lines.map(line => JSON.parse(line)).filter(({ level }) => level >= 50)).toEqual([])
  })

  const framings = [
    { framing: 'content-length: 100', part: '{' },
    { framing: 'transfer-encoding: chunked', part: '1\r\n{\r\n' },
  ]
  const cases = BODIES.flatMap(({ path, type }) => framings.map(framing => ({ path, type, ...framing })))

  it.each(cases)('as its sender ends it: $type, $framing', async ({ path, type, framing, part }) => {
    const { socket, answer } = openRaw(server.url)
    socket.write(postHead(path, type, framing) + part)
    await untilStarted(path)
    socket.end()
    expect(await answer()).toMatch(/^HTTP\/1\.1 400 .*"code":"invalid"/s)
  })

  it.each(cases)('as its sender is gone: $type, $framing', async ({ path, type, framing, part }) => {
    const { socket, answer } = openRaw(server.url)
    socket.write(postHead(path, type, framing) + part)
    await untilStarted(path)
    socket.resetAndDestroy()
    expect(await answer()).toBe('')
  })

  it('as its sender was gone before it was looked at', async () => {
    const { socket, answer } = openRaw(server.url)
    await once(socket, 'connect')
    // Connections are taken in their order, so this one has been taken then.
    expect(await rawStatus(server.url, HEALTH)).toBe(200)
    socket.write(postHead(TRACE.path, TRACE.type, 'content-length: 100'))
    socket.resetAndDestroy()
    expect(await answer()).toBe('')
  })
})

describe('a request whose sender goes away before it is answered', () => {
  const server = useServer()
  const keyed = 'content-length: 5\r\nidempotency-key: one\r\nconnection: close'
  const head = postHead(TRACE.path, TRACE.type, keyed)
  const incoming = () => readdirSync(join(server.dataDirectory, 'traces'))
  const status = async (): Promise<string> => {
    const { socket, answer } = openRaw(server.url)
    socket.write(`${head}hello`)
    return (await answer()).slice('HTTP/1.1 '.length).slice(0, 3)
  }

  const metrics = async () => (await server.fetch('/metrics')).text()

  it('gives its key back when it has come to nothing', async () => {
    const { socket, answer } = openRaw(server.url)
    socket.write(`${head}hell`)
    await until(() => incoming().length === 1, 'upload under way')
    socket.write('o')
    socket.resetAndDestroy()
    expect(await answer()).toBe('')
    await until(async () => (await status()) !== '409', 'key that is free again')
    expect(await status()).toBe('422')
  })

  it('leaves no stream of events open', async () => {
    const client = server.client()
    const { id } = await client.sessions.create({ snapshot: 'synthetic:8MiB', policy: 'lazy' })
    const body = JSON.stringify({ workload: 'uniform:accesses=1000' })
    const { socket, answer } = openRaw(server.url)
    socket.write(postHead(`/v1/sessions/${id}/replay`, 'application/json', `content-length: ${body.length}`))
    socket.write(body.slice(0, -1))
    await once(socket, 'connect')
    // Connections are taken in their order: this one's head has been looked at then, and its sender is known.
    await rawStatus(server.url, HEALTH)
    socket.write(body.slice(-1))
    socket.resetAndDestroy()
    expect(await answer()).toBe('')
    await until(async () => (await client.sessions.get(id)).accesses > 0, 'replay under way')
    await until(async () => /^lazyrestore_event_streams 0$/m.test(await metrics()), 'stream that is closed')
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
