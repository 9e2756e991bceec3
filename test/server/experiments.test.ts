/** Experiments over real HTTP, through the client: what a team does with the server. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parquetReadObjects } from 'hyparquet'
import {
  compare,
  createLayout,
  createSimEngine,
  createWorkload,
  memoryOfSnapshot,
  openSnapshot,
  parseHostPages,
  parseStorage,
  renderCsv,
  renderHdrLog,
} from 'lazyrestore'
import type { ExperimentRecord, NewExperiment } from 'lazyrestore/client'
import { beforeAll, describe, expect, it } from 'vitest'
import { collect, useServer } from './support.ts'
import { temporaryFolder } from './temporary-folder.ts'

const SNAPSHOT = 'synthetic:64MiB,zero=60%,seed=3'
const SMALL: NewExperiment = {
  snapshot: SNAPSHOT,
  workloads: ['working-set:share=10%,vcpus=2', 'uniform:accesses=2000'],
  policies: ['eager', 'lazy', 'working-set'],
  storages: ['nvme', 'sata-ssd:cache=warm'],
  layouts: ['4K', '2M'],
  repetitions: 2,
  seed: 5,
}

describe.each(['msgpack', 'json'] as const)('experiments by %s', encoding => {
  const server = useServer()
  let experiment: ExperimentRecord

  beforeAll(async () => {
    const client = server.client({ encoding })
    const { id } = await client.experiments.create(SMALL)
    await collect(client.experiments.events(id))
    experiment = await client.experiments.get(id)
  })

  it('does every combination, once', async () => {
    expect(experiment).toMatchObject({ state: 'done', cells: 48, done: 48, failed: 0, etaMs: null })
    const { items } = await server.client({ encoding }).experiments.cells(experiment.id)
    const combinations = items.map(({ policy, workload, storage, layout, seed }) =>
      [policy, workload, storage, layout, seed].join(' '),
    )
    expect(new Set(combinations).size).toBe(48)
    expect(new Set(items.map(({ seed }) => seed))).toEqual(new Set([5, 6]))
  })

  it("gives the library's own records", async () => {
    const { items } = await server.client({ encoding }).experiments.cells(experiment.id)
    for (const { policy, workload, storage, layout, seed, result } of items.slice(0, 24)) {
      const snapshot = await openSnapshot(SNAPSHOT)
      const { results } = await compare({
        engine: createSimEngine(),
        layout: createLayout(snapshot, parseHostPages(layout)),
        workload: createWorkload(workload, memoryOfSnapshot(snapshot), seed),
        storage: parseStorage(storage),
        policies: policy,
        recording: null,
        seed,
        fixedNs: 8e6,
      })
      expect(result).toEqual(JSON.parse(JSON.stringify(results[0])))
    }
  })

  it('pages through cells and experiments', async () => {
    const client = server.client({ encoding })
    const first = await client.experiments.cells(experiment.id, { limit: 30 })
    expect(first.next).toBe(30)
    const second = await client.experiments.cells(experiment.id, { from: 30, limit: 30 })
    expect(second.next).toBe(null)
    expect([...first.items, ...second.items].map(({ index }) => index)).toEqual([...Array(48).keys()])
    const again = await client.experiments.rerun(experiment.id)
    const page = await client.experiments.list({ limit: 1 })
    expect(page.items.map(({ id }) => id)).toEqual([again.id])
    expect((await client.experiments.list({ limit: 1, after: page.next! })).items[0].id).toBe(experiment.id)
    await client.experiments.delete(again.id)
    await expect(client.experiments.get(again.id)).rejects.toMatchObject({ status: 404, code: 'not-found' })
  })

  it('exports what compare prints: JSON, CSV, Parquet, and an HdrHistogram log', async () => {
    const client = server.client({ encoding })
    const text = async (format: 'json' | 'csv' | 'hdr') =>
      Buffer.from(await client.experiments.export(experiment.id, format)).toString()
    const { results } = JSON.parse(await text('json'))
    expect(results).toHaveLength(48)
    expect(await text('csv')).toBe(renderCsv(results))
    expect(await text('hdr')).toBe(renderHdrLog(results))
    const bytes = await client.experiments.export(experiment.id, 'parquet')
    const rows = await parquetReadObjects({ file: bytes.buffer as ArrayBuffer })
    expect(rows.map(({ policy, workDoneNs }) => [policy, workDoneNs])).toEqual(
      results.map(({ policy, workDoneNs }: { policy: string; workDoneNs: number }) => [policy, workDoneNs]),
    )
  })
})

describe('the life of an experiment', () => {
  const server = useServer({ cellThreads: 1 })

  it('streams its record, each cell, and its last record, to whoever comes when', async () => {
    const client = server.client()
    const { id } = await client.experiments.create({ ...SMALL, layouts: ['4K'], repetitions: 1 })
    const early = await collect(client.experiments.events(id))
    expect(early[0].event).toBe('experiment')
    expect(early.filter(({ event }) => event === 'cell').length).toBeLessThanOrEqual(12)
    expect(early.at(-1)).toMatchObject({ event: 'experiment', data: { state: 'done', done: 12 } })
    expect(await collect(client.experiments.events(id))).toMatchObject([
      { event: 'experiment', data: { state: 'done' } },
    ])
  })

  it('cancels at once, keeps what has ended, and goes on from there', async () => {
    const client = server.client()
    const { id } = await client.experiments.create({ ...SMALL, workloads: ['uniform:accesses=60000'], repetitions: 20 })
    for await (const { event } of client.experiments.events(id)) if (event === 'cell') break
    const cancelled = await client.experiments.cancel(id)
    expect(cancelled.state).toBe('cancelled')
    expect(cancelled.done).toBeGreaterThan(0)
    expect(cancelled.done).toBeLessThan(cancelled.cells)
    await expect(client.experiments.resume(id)).resolves.toMatchObject({ done: cancelled.done })
    await expect(client.experiments.resume(id)).rejects.toMatchObject({ status: 409 })
    await client.experiments.delete(id)
  })

  it('pairs the cells of two experiments by the axes that have a choice', async () => {
    const client = server.client()
    const ids: string[] = []
    for (const storage of ['nvme', 'sata-ssd']) {
      const { id } = await client.experiments.create({ ...SMALL, storages: [storage], layouts: ['4K'], repetitions: 1 })
      await collect(client.experiments.events(id))
      ids.push(id)
    }
    const { axes, pairs, onlyA, onlyB } = await client.experiments.compare(ids[0], ids[1])
    expect({ axes, onlyA, onlyB }).toEqual({ axes: ['policy', 'workload'], onlyA: [], onlyB: [] })
    expect(pairs).toHaveLength(6)
    for (const { ratio, valuesA, valuesB } of pairs) {
      expect(ratio.workDoneNs).toBe(valuesB.workDoneNs! / valuesA.workDoneNs!)
      expect(ratio.workDoneNs).toBeGreaterThan(1)
    }
  })

  it('answers a POST with a known key as before, and refuses the key for another request', async () => {
    const client = server.client()
    const key = { idempotencyKey: 'nightly-1' }
    const first = await client.experiments.create({ ...SMALL, repetitions: 1 }, key)
    expect((await client.experiments.create({ ...SMALL, repetitions: 1 }, key)).id).toBe(first.id)
    await expect(client.experiments.create(SMALL, key)).rejects.toMatchObject({ status: 409, code: 'conflict' })
  })

  it('refuses before it starts what cannot be done', async () => {
    const create = (part: Partial<NewExperiment>) => server.client().experiments.create({ ...SMALL, ...part })
    await expect(create({ policies: ['no-such'] })).rejects.toMatchObject({ status: 400, code: 'usage' })
    await expect(create({ policies: ['eager,lazy'] })).rejects.toMatchObject({ code: 'usage' })
    await expect(create({ workloads: ['uniform:accesss=3'] })).rejects.toMatchObject({ code: 'usage' })
    await expect(create({ storages: ['floppy'] })).rejects.toMatchObject({ code: 'usage' })
    await expect(create({ layouts: ['3K'] })).rejects.toMatchObject({ code: 'usage' })
    await expect(create({ snapshot: 'snap_0000000000' })).rejects.toMatchObject({ status: 404 })
    await expect(create({ snapshot: 'synthetic:64TiB' })).rejects.toMatchObject({ status: 422, code: 'limit' })
    await expect(create({ repetitions: 100, policies: Array(90).fill('lazy') })).rejects.toMatchObject({
      code: 'limit',
    })
  })

  it('leaves out policies that no layout can carry when none is named', async () => {
    const client = server.client()
    const { spec, id } = await client.experiments.create({
      snapshot: SNAPSHOT,
      workloads: ['uniform:accesses=10'],
      layouts: ['2M'],
    })
    expect(spec.policies).toContain('lazy')
    expect(spec.policies).not.toContain('mmap')
    await collect(client.experiments.events(id))
    expect((await client.experiments.get(id)).failed).toBe(0)
  })

  it('keeps a cell that fails as failed, with its reason, and does the others', async () => {
    const client = server.client()
    const { id } = await client.experiments.create({
      ...SMALL,
      workloads: ['uniform:accesses=10', 'working-set:pages=99999999'],
      storages: ['nvme'],
      layouts: ['4K'],
      repetitions: 1,
    })
    await collect(client.experiments.events(id))
    expect(await client.experiments.get(id)).toMatchObject({ state: 'done', done: 3, failed: 3 })
    const { items } = await client.experiments.cells(id)
    expect(items.filter(({ state }) => state === 'failed').map(({ error }) => error!.code)).toEqual(
      Array(3).fill('usage'),
    )
  })
})

describe('snapshots and traces', () => {
  const root = temporaryFolder()
  const server = useServer({ snapshotRoots: [root] })
  const header = { format: 'lazyrestore-trace', version: 1, name: 'two', seed: null, snapshotIdentity: null }
  const trace = [
    JSON.stringify({ ...header, pageCount: 16384, pageSize: 4096, vcpus: 1, accesses: 2 }),
    '{"vcpu":0,"page":17,"thinkNs":2000}',
    '{"vcpu":0,"page":18,"thinkNs":50,"write":true}',
    '',
  ].join('\n')

  it('takes a trace, describes it, and replays it', async () => {
    const client = server.client()
    const record = await client.traces.upload(trace, { name: 'mine' })
    expect(record).toMatchObject({ name: 'mine', format: 'ndjson', statistics: { accesses: 2, writtenPages: 1 } })
    expect((await client.traces.list()).items).toEqual([record])
    const { id } = await client.experiments.create({ snapshot: SNAPSHOT, workloads: [record.id], policies: ['lazy'] })
    await collect(client.experiments.events(id))
    expect((await client.experiments.cell(id, 0)).result!.workload).toEqual({ name: 'two', accesses: 2, vcpus: 1 })
    await client.traces.delete(record.id)
    await expect(client.traces.get(record.id)).rejects.toMatchObject({ status: 404 })
  })

  it('refuses what is no trace, by the place that is wrong, and keeps nothing of it', async () => {
    const { traces } = server.client()
    await expect(traces.upload(trace.replace('18', '99999'))).rejects.toMatchObject({ status: 422, code: 'format' })
    await expect(traces.upload('hello')).rejects.toMatchObject({
      status: 422,
      message: expect.not.stringContaining(server.dataDirectory),
    })
    expect((await traces.list()).items).toEqual([])
  })

  it('says what is in a snapshot, and where its data lies', async () => {
    const { snapshots } = server.client()
    const { id, pages, dataBytes } = await snapshots.create({ synthetic: SNAPSHOT })
    const { zero, mixed, pagesPerCell } = await snapshots.density(id, { cells: 100 })
    expect(pagesPerCell).toBe(164)
    const zeroPages = zero.reduce((sum, count) => sum + count, 0)
    expect(zeroPages).toBe(pages - dataBytes / 4096)
    expect(mixed.every(count => count === 0)).toBe(true)
    const part = await snapshots.density(id, { from: 164, count: 164, cells: 1 })
    expect([...part.zero]).toEqual([zero[1]])
    await expect(snapshots.density(id, { from: pages })).rejects.toMatchObject({ code: 'usage' })
  })

  it('registers a file once, by its content, and notices when it has changed', async () => {
    const client = server.client()
    writeFileSync(join(root, 'broken.mig'), 'no snapshot')
    await expect(client.snapshots.create({ path: 'broken.mig' })).rejects.toMatchObject({
      status: 422,
      message: expect.stringMatching(/^broken\.mig: /),
    })
    const first = await client.snapshots.create({ synthetic: SNAPSHOT })
    expect((await client.snapshots.create({ synthetic: SNAPSHOT })).id).toBe(first.id)
  })
})
