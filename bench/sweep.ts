/**
 * A sweep of 10,000 cells of some ms (192 MiB, 5 policies), cells a second: one thread, two threads, two workers of one thread each over a redis-server
 * of the bench's own. The three take turns, and give the same results.
 */
import { deepStrictEqual } from 'node:assert'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { Sweep, type SweepWork } from 'lazyrestore/sweeps'
import { checkSweepSpec } from '../src/experiment/sweep/spec.ts'
import { type Bench, recordOf } from './record.ts'

const ROUNDS = 3
const SEED = 1
const CELLS = 10_000
const START_MS = 30_000
const CLI = resolve(import.meta.dirname, '../dist/cli/main.js')

const spec = checkSweepSpec(
  {
    name: 'bench',
    cell: { snapshot: 'synthetic:192MiB,zero={zero}', workload: 'working-set:share={share}' },
    grid: { policy: ['lazy', 'read-around', 'lazy-sweep', 'working-set', 'eager'] },
    latinHypercube: { points: 200, of: { zero: { from: '10%', to: '90%' }, share: { from: '5%', to: '20%' } } },
    repetitions: 10,
    seed: SEED,
  },
  'bench',
)

export const sweep: Bench = {
  name: 'sweep',
  summary: `a sweep of ${CELLS} small cells, cells a second: 1 thread, 2 threads, 2 workers over Redis`,
  run: async function* () {
    const folder = mkdtempSync(join(tmpdir(), 'lazyrestore-bench-'))
    const started: ChildProcess[] = []
    try {
      const redis = await startRedis(folder, started)
      const rates = { one: [] as number[], two: [] as number[], workers: [] as number[] }
      for (let round = 0; round < ROUNDS; round++) {
        const one = await runOnce(join(folder, `one-${round}`), { threads: 1 })
        const two = await runOnce(join(folder, `two-${round}`), { threads: 2 })
        deepStrictEqual(two.times, one.times)
        rates.one.push(one.perS)
        rates.two.push(two.perS)
        if (redis === null) continue
        const workers = await runOnce(join(folder, `redis-${round}`), { redis })
        deepStrictEqual(workers.times, one.times)
        rates.workers.push(workers.perS)
      }
      yield recordOf('1 thread', 'cells/s', rates.one, { seed: SEED })
      yield recordOf('2 threads', 'cells/s', rates.two, {
        seed: SEED,
        yardstick: { name: '1 thread', values: rates.one },
      })
      if (redis === null) return
      const yardstick = { name: '2 threads', values: rates.two }
      yield recordOf('2 workers over Redis', 'cells/s', rates.workers, { seed: SEED, yardstick })
    } finally {
      for (const child of started.reverse()) {
        const ended = once(child, 'close')
        child.kill('SIGTERM')
        await ended
      }
      rmSync(folder, { recursive: true, force: true })
    }
  },
}

/** From the first batch to the last record on the disk. */
async function runOnce(
  dataDirectory: string,
  work: Omit<SweepWork, 'signal'>,
): Promise<{ perS: number; times: number[] }> {
  const sweep = await Sweep.open(spec, { dataDirectory })
  try {
    const startMs = performance.now()
    await sweep.work({ ...work, signal: new AbortController().signal })
    const seconds = (performance.now() - startMs) / 1000
    deepStrictEqual(sweep.counts, { done: CELLS, failed: 0 })
    return { perS: CELLS / seconds, times: Array.from(sweep.rows(), ({ result }) => result!.workDoneNs) }
  } finally {
    await sweep.close()
    rmSync(dataDirectory, { recursive: true })
  }
}

/** Redis and two workers that are ready; null, with a note, where there is no redis-server. */
async function startRedis(folder: string, started: ChildProcess[]): Promise<string | null> {
  const socket = join(folder, 'redis.sock')
  const settings = ['--port', '0', '--unixsocket', socket, '--save', '', '--appendonly', 'no', '--dir', folder]
  const server = spawn('redis-server', settings, { stdio: 'ignore' })
  const missing = once(server, 'error').then(() => true)
  const there = (async () => {
    for (const endMs = performance.now() + START_MS; !existsSync(socket) && performance.now() < endMs; ) await sleep(20)
    return false
  })()
  if (await Promise.race([missing, there])) {
    process.stderr.write('sweep: found no redis-server, left out\n')
    return null
  }
  started.push(server)
  for (let i = 0; i < 2; i++) {
    const worker = spawn(process.execPath, [CLI, 'worker', '--redis', `unix:${socket}`, '--threads', '1'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    started.push(worker)
    await once(createInterface(worker.stdout), 'line', { signal: AbortSignal.timeout(START_MS) })
  }
  return `unix:${socket}`
}
