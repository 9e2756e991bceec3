/** A sweep on threads: every cell once, the same on any number of threads, gone on with after it was stopped. */
import { describe, expect, it } from 'vitest'
import { type EndedCell, endedPrefix } from '../../server/experiments/records.ts'
import { Store } from '../../server/store/store.ts'
import { Sweep, type SweepProgress } from '../../server/sweeps/index.ts'
import { Pace } from '../../server/sweeps/pace.ts'
import { type StoredSweep, SWEEP, sweepKey } from '../../server/sweeps/records.ts'
import { runSweep, smallSpec } from './sweep-support.ts'
import { temporaryFolder } from './temporary-folder.ts'

describe('a sweep on threads', () => {
  it('gives each cell what a restore of it alone gives, on one thread as on two', async () => {
    const progress: SweepProgress[] = []
    const two = await runSweep(
      smallSpec(),
      { dataDirectory: temporaryFolder() },
      {
        threads: 2,
        onProgress: state => progress.push(state),
      },
    )
    expect(two).toMatchObject({ finished: true, counts: { done: 30, failed: 0 } })
    const one = await runSweep(smallSpec(), { dataDirectory: temporaryFolder() }, { threads: 1 })
    expect(one.results).toEqual(two.results)
    expect(two.results[0]).toMatchObject({ policy: 'lazy', seed: 1, snapshot: { bytes: 4 * 2 ** 20 } })
    expect(two.results[29]).toMatchObject({ policy: 'lazy-sweep', snapshot: { bytes: 8 * 2 ** 20 } })
    expect(progress.at(-1)).toMatchObject({ cells: 30, done: 30, failed: 0, ended: 30, etaMs: 0 })
  })

  it('goes on where it was stopped, and does nothing twice', async () => {
    const dataDirectory = temporaryFolder()
    const spec = smallSpec({ repetitions: 4 })
    const stop = new AbortController()
    const onProgress = ({ done }: SweepProgress): void => {
      if (done > 10) stop.abort(new Error('stopped'))
    }
    const first = await runSweep(spec, { dataDirectory }, { signal: stop.signal, threads: 2, onProgress })
    expect(first.finished).toBe(false)
    expect(first.counts.done).toBeGreaterThan(10)
    expect(first.counts.done).toBeLessThan(120)
    const kept = endsIn(dataDirectory)
    const second = await runSweep(spec, { dataDirectory }, { threads: 2 })
    expect(second).toMatchObject({ finished: true, counts: { done: 120, failed: 0 } })
    const all = endsIn(dataDirectory)
    for (const [index, ended] of kept) expect(all.get(index)).toEqual(ended)
    const third = await runSweep(spec, { dataDirectory }, { threads: 2 })
    expect(third.results).toEqual(second.results)
    expect(endsIn(dataDirectory)).toEqual(all)
  })

  it('keeps why a cell failed, and does the others', async () => {
    const cell = { snapshot: 'synthetic:4MiB', workload: 'working-set', layout: '{layout}', policy: 'lazy' }
    const spec = smallSpec({ cell, grid: { layout: ['4K', 'nosuch=2M'] }, random: null })
    const { finished, counts, errors } = await runSweep(spec, { dataDirectory: temporaryFolder() }, { threads: 1 })
    expect({ finished, counts }).toEqual({ finished: true, counts: { done: 1, failed: 1 } })
    expect(errors[1]).toMatch(/found block "nosuch", expected one of pc\.ram/)
  })

  it.each([
    [{ policy: 'lzy' }, /^a\.yaml: cell: policy: found "lzy", expected one of eager/],
    [{ policy: 'lazy', storage: 'nvme:x=1' }, /^a\.yaml: cell: storage: nvme: found option "x"/],
    [{ policy: 'lazy', workload: 'zipf:x=1' }, /^a\.yaml: cell: workload: zipf: found option "x"/],
    [{ policy: 'lazy', workload: 'no-such-trace' }, /no-such-trace: no such file/],
    [{ policy: 'lazy', snapshot: '/no/such' }, /\/no\/such: no such file/],
    [{ policy: 'lazy', cores: '0' }, /^a\.yaml: cell: cores: found 0/],
  ])('refuses a cell of %j before it starts', async (cell, message) => {
    const spec = smallSpec({ cell: { ...cell, layout: '{layout}' }, grid: { layout: ['4K'] }, random: null })
    const opening = Sweep.open(spec, { dataDirectory: temporaryFolder(), where: 'a.yaml' })
    await expect(opening).rejects.toThrow(message)
  })

  it('mixes no cells of different versions', async () => {
    const dataDirectory = temporaryFolder()
    const spec = smallSpec({ random: { points: 1, of: { share: { from: '1%', to: '2%' } } } })
    await runSweep(spec, { dataDirectory }, { threads: 1 })
    const store = Store.open(dataDirectory)
    const [[, stored]] = store.list<StoredSweep>([SWEEP])
    const plan = { ...stored.plan, version: '0.0.1+old' }
    await store.commit({ put: [[sweepKey(stored.plan.id), { ...stored, plan }]] })
    await store.close()
    await expect(Sweep.open(spec, { dataDirectory })).rejects.toThrow(/by version 0\.0\.1\+old, expected .*--fresh/)
    const again = await runSweep(spec, { dataDirectory, fresh: true }, { threads: 1 })
    expect(again.counts).toEqual({ done: 6, failed: 0 })
  })
})

describe('the pace of a sweep', () => {
  it('makes batches of some work, and smaller ones towards the end', () => {
    const pace = new Pace()
    expect(pace.batchCells(10_000, 4)).toBe(2)
    for (let i = 0; i < 200; i++) pace.took(4)
    expect(pace.batchCells(10_000, 4)).toBe(75)
    expect(pace.batchCells(280, 4)).toBe(35)
    expect(pace.batchCells(80, 4)).toBe(25)
    expect(pace.batchCells(1, 4)).toBe(1)
    for (let i = 0; i < 200; i++) pace.took(10_000)
    expect(pace.batchCells(10_000, 4)).toBe(1)
  })

  it('says nothing of the end before it knows', () => {
    const pace = new Pace()
    expect(pace.estimate(100)).toEqual({ ended: 0, perS: null, etaMs: null })
    pace.ended(50)
    expect(pace.estimate(100).etaMs).toBeGreaterThan(0)
  })
})

function endsIn(dataDirectory: string): Map<number, EndedCell> {
  const store = Store.open(dataDirectory)
  const [[, { plan }]] = store.list<StoredSweep>([SWEEP])
  const ends = new Map(
    [...store.list<EndedCell>(endedPrefix(plan.id))].map(([key, ended]) => [key[2] as number, ended]),
  )
  void store.close()
  return ends
}
