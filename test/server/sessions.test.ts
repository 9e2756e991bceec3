/** Fault-replay sessions over HTTP: the library's own results, whatever the form, the cuts and the time in the store. */
import { deepStrictEqual } from 'node:assert'
import fc from 'fast-check'
import {
  compare,
  createLayout,
  createSimEngine,
  createWorkload,
  memoryOfSnapshot,
  openSnapshot,
  parseHostPages,
  parseStorage,
  type Workload,
} from 'lazyrestore'
import type { LazyRestoreHttpError } from 'lazyrestore/client'
import { describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS } from '../../server/limits.ts'
import { collect, until, useServer } from './support.ts'

const SNAPSHOT = 'synthetic:8MiB,zero=40%,seed=3'
const CASES = 120
const PATIENCE_MS = 120_000

/** Accesses [from, to) of each vCPU, as one batch. */
function columnsOf({ vcpus, starts, page, thinkNs, flags }: Workload, from: number, to: number) {
  const which: number[] = []
  const vcpu: number[] = []
  for (let v = 0; v < vcpus; v++) {
    for (let i = starts[v] + from; i < Math.min(starts[v] + to, starts[v + 1]); i++) {
      which.push(i)
      vcpu.push(v)
    }
  }
  return {
    page: Uint32Array.from(which, i => page[i]),
    vcpu: Uint16Array.from(vcpu),
    thinkNs: Uint32Array.from(which, i => thinkNs[i]),
    flags: Uint8Array.from(which, i => flags[i]),
  }
}

async function byLibrary(policy: string, hostPages: string, workload: Workload, seed: number) {
  const layout = createLayout(await openSnapshot(SNAPSHOT), parseHostPages(hostPages))
  const engine = createSimEngine()
  const { results } = await compare({
    engine,
    layout,
    workload,
    policies: policy,
    storage: parseStorage('nvme'),
    recording: null,
    fixedNs: 0,
    seed,
  })
  return results[0]
}

describe('a session', () => {
  const server = useServer()

  it(
    `gives what compare gives, to the nanosecond, for ${CASES} random traces however they are cut`,
    async () => {
      const client = server.client()
      const memory = memoryOfSnapshot(await openSnapshot(SNAPSHOT))
      const anyCase = fc.record({
        policy: fc.constantFrom('lazy', 'lazy-sweep', 'read-around', 'eager', 'mmap', 'qemu-11.2'),
        hostPages: fc.constantFrom('4K', '64K', '2M'),
        workload: fc.constantFrom(
          'zipf:accesses=300,think=2us',
          'working-set:pages=100,reuse=2',
          'uniform:accesses=200',
        ),
        vcpus: fc.integer({ min: 1, max: 3 }),
        seed: fc.nat(1000),
        cut: fc.integer({ min: 20, max: 400 }),
      })
      await fc.assert(
        fc.asyncProperty(anyCase, async ({ policy, hostPages, workload: spec, vcpus, seed, cut }) => {
          fc.pre(policy !== 'mmap' || hostPages === '4K') // a file mapping has no others
          const workload = createWorkload(`${spec},vcpus=${vcpus}`, memory, seed)
          const { id } = await client.sessions.create({ snapshot: SNAPSHOT, policy, layout: hostPages, vcpus, seed })
          let answered = 0
          for (let from = 0; from < workload.page.length; from += cut) {
            const batch = columnsOf(workload, from, from + cut)
            if (batch.page.length > 0) answered += (await client.sessions.faults(id, batch)).access.length
          }
          answered += (await client.sessions.end(id)).access.length
          expect(answered).toBe(workload.page.length)
          const expected = await byLibrary(policy, hostPages, workload, seed)
          const over = await client.sessions.result(id)
          deepStrictEqual({ ...over, workload: null }, { ...JSON.parse(JSON.stringify(expected)), workload: null })
          await client.sessions.delete(id)
        }),
        { numRuns: CASES },
      )
    },
    PATIENCE_MS,
  )

  it('says in words how each page came, where its bytes lie, and what the clock shows', async () => {
    const client = server.client()
    const { id, pages } = await client.sessions.create({ snapshot: SNAPSHOT, policy: 'lazy' })
    const faults = Array.from({ length: pages / 16 }, (_, i) => ({ page: i * 16, thinkNs: 1000 }))
    const { resolutions, installed, clockNs, pending } = await client.sessions.faults(id, { faults })
    expect(resolutions.map(({ op }) => op)).toEqual(expect.arrayContaining(['copy', 'zeropage']))
    for (const { op, runs, latencyNs } of resolutions) {
      expect(runs).toHaveLength(op === 'copy' ? 1 : 0)
      expect(latencyNs).toBeGreaterThan(0)
    }
    expect(installed).toHaveLength(faults.length)
    expect([pending, clockNs > 0]).toEqual([0, true])
    const again = await client.sessions.faults(id, { faults: [{ page: 0 }] })
    expect(again.resolutions).toMatchObject([{ access: faults.length, op: 'resident', latencyNs: 0 }])
    const { residentPages, counters } = await client.sessions.state(id)
    expect([residentPages, counters.faults]).toEqual([faults.length, faults.length])
  })

  it('waits until the time that a fault names', async () => {
    const client = server.client()
    const { id } = await client.sessions.create({ snapshot: SNAPSHOT, policy: 'lazy' })
    const [{ name }] = (await openSnapshot(SNAPSHOT)).blocks
    const faults = [
      { block: name, offset: 0, atNs: 5_000_000 },
      { block: name, offset: 40_960, atNs: 9_000_000 },
    ]
    const { installed } = await client.sessions.faults(id, { faults })
    const [first, second] = installed.map(({ atNs }) => atNs)
    expect(first).toBeGreaterThan(5_000_000)
    expect(first).toBeLessThan(6_000_000)
    expect(second).toBeGreaterThan(9_000_000)
    expect(second).toBeLessThan(10_000_000)
  })

  it('forks at this instant: memory and clock stay, another policy goes on, in memory and from the store', async () => {
    const client = server.client()
    const page = Uint32Array.from({ length: 300 }, (_, i) => (i * 37) % 1500)
    const [head, rest] = [{ page: page.subarray(0, 200) }, { page: page.subarray(200) }]
    const { id } = await client.sessions.create({ snapshot: SNAPSHOT, policy: 'lazy', seed: 5 })
    const first = await client.sessions.faults(id, head)
    const before = await client.sessions.state(id)
    const same = await client.sessions.fork(id)
    const other = await client.sessions.fork(id, { policy: 'lazy-sweep' })
    expect(other).toMatchObject({ forkOf: id, accesses: 200, spec: { policy: 'lazy-sweep' } })
    for (const fork of [same, other]) deepStrictEqual(await client.sessions.state(fork.id), before)
    deepStrictEqual(await client.sessions.faults(same.id, rest), await client.sessions.faults(id, rest))
    const later = await client.sessions.faults(other.id, rest)
    // A fork of the fork comes from the log, as one that was in the store does.
    const again = await client.sessions.fork(other.id)
    deepStrictEqual(await client.sessions.state(again.id), await client.sessions.state(other.id))
    await client.sessions.end(other.id)
    const { residentPages, clockNs } = await client.sessions.state(other.id)
    expect([residentPages, clockNs > later.clockNs]).toEqual([other.hostPages, true])
    expect((await client.sessions.result(other.id)).policy).toBe('lazy then lazy-sweep')
    expect((await client.sessions.reset(other.id)).accesses).toBe(0)
    expect((await client.sessions.reset(id)).accesses).toBe(0)
    deepStrictEqual(await client.sessions.faults(id, head), first)
  })

  it('keeps no batch waiting while another session runs its log again', async () => {
    const client = server.client()
    const [long, short] = await Promise.all(
      ['synthetic:1GiB', SNAPSHOT].map(snapshot => client.sessions.create({ snapshot, policy: 'lazy' })),
    )
    for (let i = 0; i < 4; i++) {
      await client.sessions.faults(long.id, {
        page: Uint32Array.from({ length: 60_000 }, (_, page) => i * 60_000 + page),
      })
    }
    const order: string[] = []
    const fork = client.sessions.fork(long.id).then(() => order.push('fork'))
    const answers = [1, 2].map(page =>
      client.sessions.faults(short.id, { page: Uint32Array.of(page) }).then(() => order.push('batch')),
    )
    await Promise.all([fork, ...answers])
    expect(order).toEqual(['batch', 'batch', 'fork'])
  })

  it('replays a workload on the server, with progress, to the record of compare', async () => {
    const client = server.client()
    const { id } = await client.sessions.create({ snapshot: SNAPSHOT, policy: 'lazy-sweep', vcpus: 2, seed: 7 })
    const spec = 'zipf:accesses=20000,think=1us,vcpus=2'
    const events = await collect(client.sessions.replay(id, { workload: spec }))
    expect(events.map(({ event }) => event)).toEqual(['progress', 'progress', 'result'])
    const workload = createWorkload(spec, memoryOfSnapshot(await openSnapshot(SNAPSHOT)), 7)
    const { workDoneNs } = await byLibrary('lazy-sweep', '4K', workload, 7)
    expect(events.at(-1)!.data).toMatchObject({ workDoneNs })
  })

  it('refuses what is wrong, takes nothing of it, and stays', async () => {
    const client = server.client()
    const { id, pages } = await client.sessions.create({ snapshot: SNAPSHOT, policy: 'lazy' })
    const code = (work: Promise<unknown>): Promise<string> =>
      work.then(
        () => 'nothing',
        (error: LazyRestoreHttpError) => error.code,
      )
    expect(await code(client.sessions.faults(id, { page: Uint32Array.of(0, pages) }))).toBe('usage')
    expect(await code(client.sessions.faults(id, { page: Uint32Array.of(0), vcpu: Uint16Array.of(0, 0) }))).toBe(
      'usage',
    )
    expect(await code(client.sessions.faults(id, { faults: [{ page: -1 }] }))).toBe('invalid')
    expect(await code(client.sessions.faults(id, { faults: [{ block: 'none', offset: 0 }] }))).toBe('usage')
    expect(await code(client.sessions.create({ snapshot: SNAPSHOT, policy: 'fast' }))).toBe('usage')
    expect(await code(client.sessions.fork(id, { policy: 'fast' }))).toBe('usage')
    expect(await code(client.sessions.get('ses_00000000000000000000'))).toBe('not-found')
    expect((await client.sessions.get(id)).accesses).toBe(0)
  })
})

describe('sessions that nobody uses', () => {
  const server = useServer({ limits: { ...DEFAULT_LIMITS, sessions: 2, storedSessions: 3 } })

  it('go to the store when others need the memory, come back as they were, and are refused when both are full', async () => {
    const client = server.client()
    const page = Uint32Array.from({ length: 200 }, (_, i) => i * 7)
    const ids: string[] = []
    for (let i = 0; i < 5; i++) {
      const { id } = await client.sessions.create({ snapshot: SNAPSHOT, policy: 'lazy', seed: 1 })
      ids.push(id)
      await client.sessions.faults(id, { page: page.subarray(0, 100 + i) })
    }
    await expect(client.sessions.create({ snapshot: SNAPSHOT, policy: 'lazy' })).rejects.toMatchObject({ code: 'busy' })
    expect((await client.sessions.get(ids[0])).state).toBe('stored')
    await client.sessions.delete(ids[4])
    const [first, fresh] = [await client.sessions.faults(ids[0], { page: page.subarray(100) }), ids[0]]
    expect((await client.sessions.get(fresh)).accesses).toBe(200)
    await client.sessions.delete(ids[1])
    await client.sessions.delete(ids[2])
    const whole = await client.sessions.create({ snapshot: SNAPSHOT, policy: 'lazy', seed: 1 })
    await client.sessions.faults(whole.id, { page: page.subarray(0, 100) })
    deepStrictEqual(await client.sessions.faults(whole.id, { page: page.subarray(100) }), first)
    await until(async () => (await client.sessions.list()).items.length === 3, 'list of what is left')
  })

  it('come back with all policies that they have had', async () => {
    const client = server.client()
    for (const { id } of (await client.sessions.list()).items) await client.sessions.delete(id)
    const { id: origin } = await client.sessions.create({ snapshot: SNAPSHOT, policy: 'lazy', seed: 1 })
    await client.sessions.faults(origin, { page: Uint32Array.of(5, 900, 40) })
    const { id } = await client.sessions.fork(origin, { policy: 'read-around' })
    await client.sessions.faults(id, { page: Uint32Array.of(300) })
    const before = await client.sessions.state(id)
    for (let i = 0; i < 2; i++) await client.sessions.create({ snapshot: SNAPSHOT, policy: 'lazy' })
    expect((await client.sessions.get(id)).state).toBe('stored')
    deepStrictEqual(await client.sessions.state(id), before)
    expect((await client.sessions.get(id)).state).toBe('open')
  })
})
