/** kill -9 in the middle of an experiment, again and again: what had ended stays as it was, and is not done again. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, it } from 'vitest'
import { type EndedCell, EXPERIMENT, endedPrefix, resultPrefix } from '../../server/experiments/records.ts'
import { Store } from '../../server/store/store.ts'
import { temporaryFolder } from './temporary-folder.ts'

const CHILD = join(import.meta.dirname, 'crash-child.mjs')
const KILLS = 20
const ROUND_LIMIT_MS = 60_000
/** A loaded machine takes seconds for a start. */
const PATIENCE_MS = 300_000
const REQUEST = {
  snapshot: 'synthetic:32MiB',
  workloads: ['uniform:accesses=3000'],
  policies: ['eager', 'lazy', 'lazy-sweep', 'working-set'],
  repetitions: 20,
}
const CELLS = 80

/** Lets the child run until so many cells have ended and some time more, then kills it. Returns what it said. */
async function runAndKill(folder: string, cells: number, extraMs: number): Promise<string[]> {
  const child = spawn(process.execPath, [CHILD, folder, JSON.stringify(REQUEST)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const limit = setTimeout(() => child.kill('SIGKILL'), ROUND_LIMIT_MS)
  const ended = once(child, 'close')
  const lines: string[] = []
  for await (const line of createInterface(child.stdout)) {
    lines.push(line)
    if (line === 'done') child.kill('SIGKILL')
    if (lines.length === cells) setTimeout(() => child.kill('SIGKILL'), extraMs)
  }
  await ended
  clearTimeout(limit)
  return lines
}

interface Kept {
  readonly state: string
  readonly ended: ReadonlyMap<number, EndedCell>
  readonly results: ReadonlyMap<number, unknown>
}

async function lookInto(folder: string): Promise<Kept> {
  const store = Store.open(folder)
  const [[, { id, state }]] = store.list<{ id: string; state: string }>([EXPERIMENT])
  const byIndex = <T>(records: Iterable<[(string | number)[], T]>) =>
    new Map([...records].map(([key, value]) => [key[2] as number, value]))
  const kept = {
    state,
    ended: byIndex(store.list<EndedCell>(endedPrefix(id))),
    results: byIndex(store.list<unknown>(resultPrefix(id))),
  }
  await store.close()
  return kept
}

/** Kills one experiment again and again, each time after another number of cells and another time, and lets it end then. */
async function killAndResume(kills: readonly number[]): Promise<void> {
  const folder = temporaryFolder()
  const firstSeen = new Map<number, EndedCell>()
  for (const kill of kills) {
    const announced = await runAndKill(folder, 1 + (kill % 5), (kill * 7) % 23)
    expect(announced).not.toContain('done')
    const { ended, results } = await lookInto(folder)
    for (const index of announced.map(Number)) {
      expect(ended.has(index), `cell ${index} was announced`).toBe(true)
      expect(firstSeen.has(index), `cell ${index} was announced before`).toBe(false)
    }
    for (const [index, cell] of firstSeen) expect(ended.get(index)).toEqual(cell)
    for (const [index, cell] of ended) firstSeen.set(index, cell)
    expect([...results.keys()]).toEqual([...ended.keys()])
  }
  expect(firstSeen.size).toBeGreaterThan(kills.length)
  const last = await runAndKill(folder, Number.POSITIVE_INFINITY, 0)
  expect(last).toHaveLength(CELLS - firstSeen.size + 1)
  const { state, ended, results } = await lookInto(folder)
  expect({ state, ended: ended.size, results: results.size }).toEqual({ state: 'done', ended: CELLS, results: CELLS })
  for (const [index, cell] of firstSeen) expect(ended.get(index)).toEqual(cell)
}

it(
  `loses and repeats no cell in ${KILLS} kills`,
  async () => {
    // Two experiments at a time: a start mostly loads modules, first those of the server, then those of its thread.
    const kills = [...Array(KILLS).keys()]
    await Promise.all([
      killAndResume(kills.filter(kill => kill % 2 === 0)),
      killAndResume(kills.filter(kill => kill % 2 === 1)),
    ])
  },
  PATIENCE_MS,
)
