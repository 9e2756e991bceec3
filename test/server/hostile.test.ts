/** Input by somebody who means harm, or whose program is broken: documented answers, bounded memory, a server that goes on. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DEFAULT_HOST_PROFILE, openSnapshot, snapshotPages, writeSnapshot } from 'lazyrestore'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { openRaw, rawStatus } from './raw-http.ts'
import { useServer } from './support.ts'
import { temporaryFolder } from './temporary-folder.ts'

const JSON_TYPE = { 'content-type': 'application/json' }
const MSGPACK_TYPE = { 'content-type': 'application/msgpack' }
const MIB = 2 ** 20
const HOST_FACTS = {
  cpu: 'any',
  cores: 2,
  kernel: '6.1',
  node: 'v20',
  virtualised: null,
  date: '2026-01-01',
  fileSystem: 'ext4',
  blockDevice: null,
  loadBefore: 0.1,
  loadAfter: 0.2,
}

describe('without a token', () => {
  const server = useServer({
    limits: { headersMs: 300, bodyMs: 1500, bodyBytes: 16 * MIB, connections: 200 },
  })
  const post = (
    path: string,
    body: string | Uint8Array | ReadableStream,
    headers: Record<string, string> = JSON_TYPE,
  ) => server.fetch(path, { method: 'POST', body, headers, duplex: 'half' } as RequestInit)
  const refused = async (response: Response, status: number, code: string): Promise<void> => {
    const body = (await response.json()) as Record<string, unknown>
    expect({ status: response.status, ...body }).toMatchObject({ status, code })
    expect(Object.keys(body).sort()).toEqual(['code', 'details', 'message'])
    expect(JSON.stringify(body)).not.toMatch(/node_modules|\.[tj]s:| {4}at |\/tmp\//)
  }

  afterEach(async () => {
    expect((await server.fetch('/health')).status).toBe(200)
  })

  it('refuses JSON that is none, is no UTF-8, is deep, or is no request', async () => {
    for (const body of ['{', '{"a":1,}', 'NaN', '[1,', '"\ud800'])
      await refused(await post('/v1/experiments', body), 400, 'invalid')
    await refused(await post('/v1/experiments', new Uint8Array([0x22, 0xff, 0x22])), 400, 'invalid')
    await refused(await post('/v1/experiments', '['.repeat(3 * MIB)), 400, 'invalid')
    await refused(await post('/v1/experiments', '{"a":'.repeat(1000)), 400, 'invalid')
    await refused(await post('/v1/experiments', '{"__proto__":{"x":1}}'), 400, 'invalid')
    for (const body of ['null', '[]', '3', '"x"', '{}'])
      await refused(await post('/v1/experiments', body), 400, 'invalid')
  })

  it('refuses MessagePack that claims more than it has, is deep, or makes objects', async () => {
    const bodies: readonly (readonly number[])[] = [
      [0xdd, 0xff, 0xff, 0xff, 0xff],
      [0xdf, 0x7f, 0xff, 0xff, 0xff],
      [0xc6, 0xff, 0xff, 0xff, 0xff],
      [0xc9, 0xff, 0xff, 0xff, 0xff, 0x74],
      [0xc7, 0x05, 0x74, 0x06, 1, 2, 3, 4, 5],
      [0xd4, 0x65, 0x00],
      [0xd6, 0xff, 0, 0, 0, 0],
      [0x81, 0x01, 0x01],
      [0xc1],
      [0x01, 0x02],
      [...Array(MIB).fill(0x91), 0xc0],
    ]
    for (const body of bodies)
      await refused(await post('/v1/experiments', new Uint8Array(body), MSGPACK_TYPE), 400, 'invalid')
    const manyMaps = new Uint8Array(8 * MIB).fill(0x80)
    manyMaps.set([0xdd, 0, 0x7f, 0xff, 0xfb])
    await refused(await post('/v1/experiments', manyMaps, MSGPACK_TYPE), 400, 'invalid')
  })

  it('refuses unknown keys, wrong types, NaN and numbers out of range, wherever they stand', async () => {
    const spec = { snapshot: 'synthetic:1MiB', workloads: ['uniform'] }
    const wrong: readonly object[] = [
      { ...spec, extra: 1 },
      { ...spec, seed: -1 },
      { ...spec, seed: 1.5 },
      { ...spec, seed: '1' },
      { ...spec, repetitions: 1e9 },
      { ...spec, fixedNs: null },
      { ...spec, workloads: [] },
      { ...spec, workloads: Array(101).fill('uniform') },
      { ...spec, policies: ['x'.repeat(501)] },
      { ...spec, engine: 'qemu' },
    ]
    for (const body of wrong) await refused(await post('/v1/experiments', JSON.stringify(body)), 400, 'invalid')
    for (const query of ['limit=0', 'limit=NaN', 'limit=1e99', 'nothing=1', 'limit=1&limit=2']) {
      await refused(await server.fetch(`/v1/experiments?${query}`), 400, 'invalid')
    }
    for (const id of ['x', '..%2f..%2fetc', `exp_${'a'.repeat(90)}`, 'exp_%00aaaaaaaa']) {
      expect([400, 404, 414]).toContain((await server.fetch(`/v1/experiments/${id}`)).status)
    }
    await refused(await server.fetch('/v1/nothing'), 404, 'not-found')
    await refused(await post('/v1/experiments', 'a=1', { 'content-type': 'text/plain' }), 415, 'media-type')
  })

  it('takes a whole profile, and none that has more in it than a profile has', async () => {
    const body = { snapshot: 'synthetic:1MiB', policy: 'lazy' }
    const create = (profile: object) => post('/v1/sessions', JSON.stringify({ ...body, profile }))
    const { parameters } = DEFAULT_HOST_PROFILE
    const spread = { ...parameters.faultTrapNs, spread: { p10: 1, p90: 2 } }
    const whole = { ...DEFAULT_HOST_PROFILE, facts: HOST_FACTS, parameters: { ...parameters, faultTrapNs: spread } }
    expect((await create(whole)).status).toBe(201)
    await refused(await create({ ...whole, more: 'x'.repeat(3 * MIB) }), 400, 'invalid')
    await refused(await create({ ...whole, host: 'x'.repeat(3 * MIB) }), 400, 'invalid')
    const { faultTrapNs, ...fewer } = parameters
    const long = { ...faultTrapNs, source: 'x'.repeat(3 * MIB) }
    await refused(await create({ parameters: { ...fewer, faultTrapNs: long } }), 400, 'invalid')
    await refused(await create({ parameters: { ...parameters, fast: faultTrapNs } }), 422, 'format')
    await refused(await create({ parameters: fewer }), 422, 'format')
  })

  it('refuses a workload or a snapshot that would not fit, before it is made', async () => {
    const create = (snapshot: string, workload: string) =>
      post('/v1/experiments', JSON.stringify({ snapshot, workloads: [workload], policies: ['lazy'] }))
    await refused(await create('synthetic:16TiB', 'uniform'), 422, 'limit')
    await refused(await create('synthetic:1TiB,page=512', 'uniform'), 422, 'limit')
    const started = await create('synthetic:1MiB', 'uniform:accesses=2000000000')
    const { id } = (await started.json()) as { id: string }
    for await (const _ of server.client().experiments.events(id)) {
      // To its end.
    }
    expect((await server.client().experiments.cell(id, 0)).error).toMatchObject({ code: 'limit' })
  })

  it('lets slow senders go, in the head and in the body', async () => {
    const head = openRaw(server.url)
    head.socket.write('GET /health HTTP/1.1\r\nhost: loc')
    const body = openRaw(server.url)
    body.socket.write(
      'POST /v1/experiments HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{',
    )
    const drip = setInterval(() => body.socket.write(' '), 100)
    const silent = openRaw(server.url)
    await Promise.all([head.answer(), body.answer(), silent.answer()])
    clearInterval(drip)
  })

  it('refuses what a foreign page could send: its origin, a name that is not ours', async () => {
    await refused(await server.fetch('/v1/choices', { headers: { origin: 'https://evil.example' } }), 403, 'forbidden')
    await refused(await server.fetch('/v1/choices', { headers: { origin: 'null' } }), 403, 'forbidden')
    expect(
      await rawStatus(server.url, 'GET /v1/choices HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n'),
    ).toBe(403)
    const preflight = await server.fetch('/v1/experiments', { method: 'OPTIONS', headers: { origin: server.url } })
    expect(preflight.headers.get('access-control-allow-origin')).toBe(null)
  })

  it('sends headers that hold a browser back', async () => {
    const { headers } = await server.fetch('/health')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('content-security-policy')).toContain("default-src 'self'")
    expect(headers.get('x-frame-options')).toBe('DENY')
    expect(headers.get('server')).toBe(null)
  })

  it('answers broken HTTP and goes on', async () => {
    for (const request of [
      '\r\n\r\n\r\n',
      'GET\r\n\r\n',
      'GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n',
      `GET / HTTP/1.1\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`,
    ]) {
      expect([0, 400, 403, 404, 431]).toContain(await rawStatus(server.url, request))
    }
    const smuggled =
      'POST /v1/experiments HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'
    expect([0, 400]).toContain(await rawStatus(server.url, smuggled))
  })
})

describe('with a token', () => {
  const token = 'correct-horse-battery'
  const server = useServer({ token })

  it('answers nobody without it but /health', async () => {
    for (const path of ['/v1/choices', '/v1/experiments', '/metrics', '/docs', '/docs/json', '/nothing']) {
      const responses = await Promise.all([
        server.fetch(path),
        server.fetch(path, { headers: { authorization: 'Bearer wrong' } }),
        server.fetch(path, { headers: { authorization: token } }),
        server.fetch(path, { headers: { authorization: `Bearer ${token}x` } }),
      ])
      expect(responses.map(({ status }) => status)).toEqual([401, 401, 401, 401])
    }
    expect((await server.fetch('/health')).status).toBe(200)
    await expect(server.client({ token }).choices()).resolves.toBeDefined()
    await expect(server.client().choices()).rejects.toMatchObject({ status: 401, code: 'unauthorized' })
  })
})

describe('snapshot roots', () => {
  const outside = temporaryFolder()
  const root = temporaryFolder()
  const server = useServer({ snapshotRoots: [root] })

  beforeAll(async () => {
    const snapshot = await openSnapshot('synthetic:1MiB')
    const content = {
      format: 'mapped-ram',
      machine: 'none',
      blocks: snapshot.blocks,
      fillPages: snapshotPages(snapshot),
    } as const
    for (const folder of [outside, root]) await writeSnapshot(join(folder, 'vm.mig'), content)
    mkdirSync(join(root, 'sub'))
    symlinkSync(join(outside, 'vm.mig'), join(root, 'link.mig'))
    symlinkSync(outside, join(root, 'linked'))
    symlinkSync('vm.mig', join(root, 'inside.mig'))
  })

  it('opens what lies under a root, by any name of it that stays there', async () => {
    const { snapshots } = server.client()
    const { id, name } = await snapshots.create({ path: 'vm.mig' })
    expect(name).toBe('vm.mig')
    for (const path of [join(root, 'vm.mig'), 'sub/../vm.mig', './vm.mig', 'inside.mig']) {
      expect((await snapshots.create({ path })).id).toBe(id)
    }
  })

  it('refuses all else, and does not tell whether it is there', async () => {
    const { snapshots } = server.client()
    const paths = [
      '..',
      '../x',
      `${outside}/vm.mig`,
      `${outside}/none`,
      '/etc/passwd',
      'sub/../../x',
      'link.mig',
      'linked/vm.mig',
      '.',
      root,
      `${root}x`,
    ]
    for (const path of paths) {
      await expect(snapshots.create({ path }), path).rejects.toMatchObject({ status: 403, code: 'forbidden' })
    }
    await expect(snapshots.create({ path: 'vm.mig\0' })).rejects.toMatchObject({ status: 400 })
    await expect(snapshots.create({ path: 'none' })).rejects.toMatchObject({ status: 404 })
    await expect(snapshots.create({ path: 'sub' })).rejects.toMatchObject({ status: 422 })
  })

  it('keeps a snapshot that names other files to its root, and does not tell whether others are there', async () => {
    const { snapshots } = server.client()
    writeFileSync(join(root, 'base.raw'), new Uint8Array(8192))
    const register = (name: string, layers: readonly string[]) => {
      writeFileSync(join(root, name), `lazyrestore layers 1\n${layers.join('\n')}\n`)
      return snapshots.create({ path: name })
    }
    expect(await register('good.layers', ['base.raw'])).toMatchObject({ format: 'layers', bytes: 8192 })
    for (const layer of [`${outside}/vm.mig`, `${outside}/none`, '../../etc/passwd', 'link.mig']) {
      const error = await register('bad.layers', ['base.raw', layer]).then(
        () => null,
        reason => reason,
      )
      expect(error, layer).toMatchObject({
        status: 422,
        message: expect.stringContaining('outside of the snapshot roots'),
      })
      expect(error.message).not.toContain(root)
    }
  })

  it('notices that a registered file was changed, or became a link', async () => {
    const client = server.client()
    const { id } = await client.snapshots.create({ path: 'vm.mig' })
    const file = join(root, 'vm.mig')
    const snapshot = await openSnapshot('synthetic:2MiB')
    await writeSnapshot(file, {
      format: 'mapped-ram',
      machine: 'none',
      blocks: snapshot.blocks,
      fillPages: snapshotPages(snapshot),
    })
    await expect(client.snapshots.density(id)).rejects.toMatchObject({ status: 422, code: 'mismatch' })
    writeFileSync(file, 'x')
    await expect(client.snapshots.density(id)).rejects.toMatchObject({
      status: 422,
      message: expect.not.stringContaining(root),
    })
  })
})
