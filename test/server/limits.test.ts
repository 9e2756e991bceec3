/** Sessions, answers and disks at their limits, over HTTP: what is refused is refused as documented, and the server goes on. */
import { deepStrictEqual } from 'node:assert'
import { Agent, request } from 'node:http'
import { createClient, type LazyRestoreHttpError } from 'lazyrestore/client'
import { startServer } from 'lazyrestore/server'
import { describe, expect, it } from 'vitest'
import { requireOrSkip } from '../support/availability.ts'
import { mountSmallDisk } from './small-disk.ts'
import { collect, until, useServer } from './support.ts'
import { temporaryFolder } from './temporary-folder.ts'

const SNAPSHOT = 'synthetic:8MiB,zero=40%,seed=3'
const MIB = 2 ** 20
const page = Uint32Array.from({ length: 400 }, (_, i) => (i * 37) % 2000)

describe('a session that nobody uses', () => {
  const server = useServer({ limits: { sessionIdleMs: 100 } })

  it('goes to the store by itself, and comes back as it was', async () => {
    const client = server.client()
    const { id } = await client.sessions.create({ snapshot: SNAPSHOT, policy: 'lazy-sweep' })
    await client.sessions.faults(id, { page })
    const before = await client.sessions.state(id)
    await until(async () => (await client.sessions.get(id)).state === 'stored', 'session in the store')
    expect((await client.sessions.get(id)).bytes).toBe(0)
    deepStrictEqual(await client.sessions.state(id), before)
  })
})

describe('a session that is put away while somebody asks it', () => {
  const server = useServer({ limits: { sessionIdleMs: 1 } })

  it('answers, every time', async () => {
    const client = server.client()
    const { id } = await client.sessions.create({ snapshot: SNAPSHOT, policy: 'lazy-sweep' })
    await client.sessions.faults(id, { page })
    const before = await client.sessions.state(id)
    for (let round = 0; round < 50; round++) {
      await new Promise(resolve => setTimeout(resolve, round % 5))
      for (const state of await Promise.all([client.sessions.state(id), client.sessions.state(id)])) {
        deepStrictEqual(state, before)
      }
    }
    const fork = await client.sessions.fork(id, {})
    deepStrictEqual(await client.sessions.state(fork.id), before)
  })
})

describe('memory for all sessions', () => {
  const server = useServer({ limits: { sessionBytes: 2 * MIB, storedSessions: 3 } })

  it('is shared out: those not used for longest make room, and when none can, 503 says when to come back', async () => {
    const client = server.client()
    const ids: string[] = []
    let refused: LazyRestoreHttpError | null = null
    for (let i = 0; i < 40 && refused === null; i++) {
      try {
        ids.push((await client.sessions.create({ snapshot: SNAPSHOT, policy: 'lazy' })).id)
      } catch (error) {
        refused = error as LazyRestoreHttpError
      }
    }
    expect(refused).toMatchObject({ status: 503, code: 'busy', retryAfterS: 30 })
    const { items } = await client.sessions.list()
    expect(items.filter(({ state }) => state === 'stored')).toHaveLength(3)
    const open = items.filter(({ state }) => state === 'open')
    expect(open.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThan(2.5 * MIB)
    const metrics = await (await server.fetch('/metrics')).text()
    const [, bytes] = /^lazyrestore_session_bytes (\d+)$/m.exec(metrics)!
    expect(Number(bytes)).toBeGreaterThan(open.reduce((sum, each) => sum + each.bytes, 0))
    await client.sessions.delete(ids[0])
    await expect(client.sessions.create({ snapshot: SNAPSHOT, policy: 'lazy' })).resolves.toBeDefined()
  })
})

/** Sends so many requests over a few connections, as fast as they are taken. Returns how often each status came. */
async function createMany(url: string, body: object, count: number): Promise<Map<number, number>> {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 })
  const codes = new Map<number, number>()
  const content = JSON.stringify(body)
  const headers = { 'content-type': 'application/json', 'content-length': content.length }
  const create = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const sent = request(`${url}/v1/sessions`, { method: 'POST', agent, headers }, response => {
        const status = response.statusCode!
        if (status !== 201) expect(Number(response.headers['retry-after'])).toBeGreaterThan(0)
        codes.set(status, (codes.get(status) ?? 0) + 1)
        response.on('end', resolve).resume()
      })
      sent.on('error', reject).end(content)
    })
  let asked = 0
  const ask = async (): Promise<void> => {
    while (asked++ < count) await create()
  }
  await Promise.all(Array.from({ length: 16 }, ask))
  agent.destroy()
  return codes
}

describe('10,000 sessions', () => {
  const server = useServer({ limits: { sessions: 40, storedSessions: 60 } })

  it('are refused when memory and store are full, in bounded memory', async () => {
    const before = process.memoryUsage().rss
    const codes = await createMany(server.url, { snapshot: SNAPSHOT, policy: 'lazy' }, 10_000)
    // Some come by the limit of requests in a second.
    expect([...codes.keys()].filter(code => ![201, 429, 503].includes(code))).toEqual([])
    expect(codes.get(201)).toBe(100)
    expect(process.memoryUsage().rss - before).toBeLessThan(300 * MIB)
    expect((await server.fetch('/health')).status).toBe(200)
  })
})

describe.each(['msgpack', 'json'] as const)('a batch that is sent again with its key by %s', encoding => {
  const server = useServer({ limits: { idempotencyMs: 1500 } })

  it('is taken once and answered as before; beside the first one it is refused; forgotten, the key is free', async () => {
    const { sessions } = server.client({ encoding })
    const { id } = await sessions.create({ snapshot: SNAPSHOT, policy: 'lazy' })
    const key = { idempotencyKey: 'batch-1' }
    const batch = { faults: Array.from(page.subarray(0, 50), each => ({ page: each })) }
    const first = await sessions.faults(id, batch, key)
    deepStrictEqual(await sessions.faults(id, batch, key), first)
    expect((await sessions.get(id)).accesses).toBe(50)
    const other = { idempotencyKey: 'batch-2' }
    const both = await Promise.allSettled([sessions.faults(id, batch, other), sessions.faults(id, batch, other)])
    const refused = both.filter(each => each.status === 'rejected').map(({ reason }) => reason)
    if (refused.length > 0) expect(refused).toMatchObject([{ status: 409, code: 'conflict', retryAfterS: 1 }])
    expect((await sessions.get(id)).accesses).toBe(100)
    if (encoding === 'json') return
    await until(async () => {
      await sessions.faults(id, batch, key)
      return (await sessions.get(id)).accesses === 150
    }, 'key that is free again')
  })
})

describe('a full disk', () => {
  it('is 507, the server stays up with all that it has, and goes on when there is room', async context => {
    const folder = temporaryFolder()
    requireOrSkip(context, mountSmallDisk(folder, '24m'))
    const server = await startServer({ host: '127.0.0.1', port: 0, dataDirectory: folder })
    try {
      const client = createClient({ baseUrl: server.url })
      const { traces, experiments } = client
      const header = { format: 'lazyrestore-trace', version: 1, name: 'long', seed: null, snapshotIdentity: null }
      const accesses = 40_000
      const trace = [
        JSON.stringify({ ...header, pageCount: 16384, pageSize: 4096, vcpus: 1, accesses }),
        ...Array.from({ length: accesses }, (_, i) => `{"vcpu":0,"page":${i % 16384},"thinkNs":2000}`),
        '',
      ].join('\n')
      const kept: string[] = []
      let refused: unknown = null
      for (let i = 0; i < 60 && refused === null; i++) {
        await traces.upload(trace, { name: `t${i}` }).then(
          ({ id }) => kept.push(id),
          error => {
            refused = error
          },
        )
      }
      expect(refused).toMatchObject({ status: 507, code: 'full' })
      expect((await traces.list()).items.map(({ id }) => id).sort()).toEqual(kept.sort())
      expect((await fetch(`${server.url}/health`)).status).toBe(200)
      for (const id of kept) await traces.delete(id)
      const { id } = await experiments.create({ snapshot: SNAPSHOT, workloads: ['uniform'], policies: ['lazy'] })
      await collect(experiments.events(id))
      expect(await experiments.get(id)).toMatchObject({ state: 'done', done: 1 })
    } finally {
      await server.close()
    }
  })
})

describe('a stop', () => {
  it('ends streams, keeps sessions and what has ended, and marks what has not', async () => {
    const dataDirectory = temporaryFolder()
    const options = { host: '127.0.0.1', port: 0, dataDirectory, cellThreads: 1 }
    const server = await startServer(options)
    const client = createClient({ baseUrl: server.url })
    const session = await client.sessions.create({ snapshot: SNAPSHOT, policy: 'lazy' })
    await client.sessions.faults(session.id, { page })
    const before = await client.sessions.state(session.id)
    const { id } = await client.experiments.create({
      snapshot: 'synthetic:64MiB',
      workloads: ['uniform:accesses=50000'],
      policies: ['lazy'],
      repetitions: 100,
    })
    const events: string[] = []
    const stream = (async () => {
      for await (const { event } of client.experiments.events(id)) events.push(event)
    })()
    await until(() => events.includes('cell'), 'first cell')
    await server.close()
    await stream
    const again = await startServer(options)
    try {
      const { sessions, experiments } = createClient({ baseUrl: again.url })
      deepStrictEqual(await sessions.state(session.id), before)
      const { state, done, cells } = await experiments.get(id)
      expect([state, done > 0, done < cells]).toEqual(['interrupted', true, true])
    } finally {
      await again.close()
    }
  })
})
