/** A sweep over Redis: the cells of threads, by other processes, of which some are killed in the middle. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { createWorkload, memoryOfSnapshot, openSnapshot, snapshotPages, writeSnapshot, writeTrace } from 'lazyrestore'
import { afterAll, describe, expect, it } from 'vitest'
import { aliveKey, RUNS } from '../../server/sweeps/redis/keys.ts'
import { startCli } from '../cli/run-cli.ts'
import { requireForEach } from '../support/availability.ts'
import { redisMissing, useRedis } from './redis.ts'
import { until } from './support.ts'
import { runSweep, smallSpec } from './sweep-support.ts'
import { temporaryFolder } from './temporary-folder.ts'

const KILLS = 10

interface TestWorker {
  readonly child: ChildProcess
  readonly lines: string[]
  /** It has joined a sweep. */
  works(): boolean
}

const workers: ChildProcess[] = []
afterAll(() => {
  for (const child of workers) child.kill('SIGKILL')
})

function startWorker(redis: string, ...args: string[]): TestWorker {
  const child = startCli({}, ['worker', '--redis', redis, '--threads', '1', '--lock', '500ms', ...args])
  workers.push(child)
  const lines: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', text => lines.push(...text.trim().split('\n')))
  }
  return { child, lines, works: () => lines.some(line => line.endsWith(': working')) }
}

async function stop({ child }: TestWorker): Promise<number | null> {
  const ended = once(child, 'close')
  child.kill('SIGTERM')
  return (await ended)[0]
}

describe('a sweep over Redis', () => {
  requireForEach(redisMissing)
  const redis = useRedis()

  it(`has every cell once after ${KILLS} workers were killed, with the results of threads`, async () => {
    const spec = smallSpec({ repetitions: 50 })
    const seen: number[] = []
    let finished = false
    const sweep = runSweep(
      spec,
      { dataDirectory: temporaryFolder() },
      {
        redis,
        onProgress: ({ done }) => seen.push(done),
      },
    ).finally(() => {
      finished = true
    })
    const alive = [startWorker(redis), startWorker(redis), startWorker(redis)]
    for (let kill = 0; kill < KILLS; kill++) {
      const victim = alive.shift()!
      await until(victim.works, 'worker that works', 30_000)
      await new Promise(resolve => setTimeout(resolve, (kill * 37) % 60))
      expect(finished).toBe(false)
      victim.child.kill('SIGKILL')
      alive.push(startWorker(redis))
    }
    const { counts, results } = await sweep
    expect(counts).toEqual({ done: 1500, failed: 0 })
    expect(seen).toEqual([...seen].sort((a, b) => a - b))
    expect(await Promise.all(alive.map(stop))).toEqual([0, 0, 0])
    expect(results).toHaveLength(1500)
    const onThreads = await runSweep(smallSpec(), { dataDirectory: temporaryFolder() }, { threads: 2 })
    expect(results.filter(result => result!.seed === 1)).toEqual(onThreads.results)
    // Thirteen workers start one after the other, which on a busy machine takes a second each and more.
  }, 240_000)

  it('finds snapshots and traces by their content, and waits for those that are not there', async () => {
    const [ours, theirs] = [temporaryFolder(), temporaryFolder()]
    const [snapshot, trace] = [join(ours, 'vm.mig'), join(ours, 'run.lrtrace')]
    const synthetic = await openSnapshot('synthetic:4MiB')
    const { blocks } = synthetic
    await writeSnapshot(snapshot, { format: 'mapped-ram', machine: 'pc', blocks, fillPages: snapshotPages(synthetic) })
    const opened = await openSnapshot(snapshot)
    await writeTrace(trace, createWorkload('zipf:accesses=500', memoryOfSnapshot(opened), 1))
    await opened.close()
    const cell = { snapshot, workload: trace }
    const spec = smallSpec({ cell, grid: { policy: ['lazy', 'eager'] }, random: null })
    const worker = startWorker(redis, '--snapshot-root', theirs)
    const sweep = runSweep(spec, { dataDirectory: temporaryFolder() }, { redis })
    await until(() => worker.lines.some(line => line.includes('found no snapshot')), 'refusal', 30_000)
    await stop(worker)
    mkdirSync(join(theirs, 'deep'))
    copyFileSync(snapshot, join(theirs, 'deep', 'other-name'))
    copyFileSync(trace, join(theirs, 'another'))
    const second = startWorker(redis, '--snapshot-root', theirs)
    const { counts, results } = await sweep
    expect(counts).toEqual({ done: 2, failed: 0 })
    expect(second.lines[0]).toMatch(/, 1 snapshot$/)
    expect(results[0]).toMatchObject({ snapshot: { name: 'vm.mig' }, workload: { accesses: 500 } })
    expect(await stop(second)).toBe(0)
  })

  it('refuses a worker of another version with one line', async () => {
    const client = new Redis(redis.slice('unix:'.length))
    const plan = { spec: { name: 'theirs' } }
    await client.hset(RUNS, 'run', JSON.stringify({ version: '9.9.9+other', plan }))
    await client.set(aliveKey('run'), '1')
    const worker = startWorker(redis)
    const [exitCode] = await once(worker.child, 'close')
    await client.del(RUNS, aliveKey('run'))
    client.disconnect()
    expect(exitCode).toBe(1)
    expect(worker.lines.slice(1)).toEqual([
      expect.stringMatching(
        /^lazyrestore: sweep "theirs": found version 9\.9\.9\+other, expected 0\S+, this worker's$/,
      ),
    ])
  })

  it('keeps what was done when it is stopped, leaves nothing on Redis, and goes on', async () => {
    const dataDirectory = temporaryFolder()
    const spec = smallSpec({ repetitions: 20, seed: 3 })
    const worker = startWorker(redis)
    const stopping = new AbortController()
    const onProgress = ({ done }: { done: number }): void => {
      if (done > 50) stopping.abort(new Error('stopped'))
    }
    const first = await runSweep(spec, { dataDirectory }, { redis, signal: stopping.signal, onProgress })
    expect(first.finished).toBe(false)
    expect(first.counts.done).toBeGreaterThan(50)
    const client = new Redis(redis.slice('unix:'.length))
    await until(async () => (await client.keys('*')).length === 0, 'empty Redis')
    client.disconnect()
    const second = await runSweep(spec, { dataDirectory }, { redis })
    expect(second).toMatchObject({ finished: true, counts: { done: 600, failed: 0 } })
    expect(await stop(worker)).toBe(0)
  })

  it('says which Redis it cannot reach', async () => {
    const nobody = 'unix:/no/such.sock'
    const sweep = runSweep(smallSpec(), { dataDirectory: temporaryFolder() }, { redis: nobody })
    await expect(sweep).rejects.toThrow(/^unix:\/no\/such\.sock: cannot connect: connect ENOENT/)
  })
})
