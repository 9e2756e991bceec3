/** `workingset build` and `diff`, and restores from a built file, through the command line. */
import { copyFile, mkdtemp, open, rm, stat, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RestoreResult } from '../../src/engine/result.ts'
import { probe } from '../../src/uffd/availability.ts'
import type { PageSetDifference } from '../../src/working-set/diff.ts'
import { requireForEach } from '../support/availability.ts'
import { runCli, runJson } from './run-cli.ts'

const SNAPSHOT = 'synthetic:16MiB,zero=50%,seed=5'

let folder: string
const file = (name: string): string => join(folder, name)
const build = (output: string, ...given: string[]) =>
  runJson<{ pages: number; contentBytes: number }>('workingset', 'build', SNAPSHOT, ...given, '-o', file(output))
const diff = (a: string, b: string) => runJson<PageSetDifference>('workingset', 'diff', file(a), file(b))

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lazyrestore-cli-'))
  for (const seed of ['1', '2', '3']) {
    const options = ['--workload', 'working-set:share=15%,vcpus=1', '--seed', seed]
    await runJson('trace', 'generate', SNAPSHOT, ...options, '-o', file(`${seed}.lrtrace`))
  }
  await build('union.lrws', file('1.lrtrace'), file('2.lrtrace'), file('3.lrtrace'))
})
afterAll(() => rm(folder, { recursive: true }))

describe('workingset', () => {
  it('builds the union, the intersection, and what is between', async () => {
    const runs = ['1', '2', '3'].map(seed => file(`${seed}.lrtrace`))
    const counts: number[] = []
    for (const k of ['1', '2', '3']) counts.push((await build(`${k}.lrws`, ...runs, '--min-runs', k)).pages)
    const [union, two, all] = counts
    expect(union).toBeGreaterThan(two)
    expect(two).toBeGreaterThan(all)
    expect(all).toBeGreaterThan(0)
    // 15 % of 4,096 pages each; by inclusion and exclusion, each page counted in as many of the three as have it.
    expect(union + two + all).toBe(3 * 614)
    expect((await diff('3.lrws', '1.lrtrace')).precision).toBe(1)
    expect((await diff('1.lrws', '1.lrtrace')).recall).toBe(1)
    expect((await diff('1.lrtrace', '1.lrtrace')).jaccard).toBe(1)
  })

  it('shows a person how two recordings differ', async () => {
    const { exitCode, stdout } = await runCli('workingset', 'diff', file('1.lrtrace'), file('2.lrtrace'))
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/^A +\S+1\.lrtrace +614 pages, 2\.40 MiB\nB +\S+2\.lrtrace +614 pages/)
    expect(stdout).toMatch(
      /\nJaccard +both \/ \(A or B\) +[\d.]+ %\nrecall +both \/ B +[\d.]+ %\nprecision +both \/ A +/,
    )
  })

  it('holds whole host pages of the size that it was built for', async () => {
    const { pages, contentBytes } = await build('huge.lrws', file('1.lrtrace'), '--host-page-size', '2M')
    expect(pages).toBe(8)
    expect(contentBytes).toBe(16 * 2 ** 20)
    expect((await stat(file('huge.lrws'))).size).toBe(contentBytes + 4096)
    const list = await diff('huge.lrws', '1.lrtrace')
    expect(list).toMatchObject({ listed: 4096, used: 614, recall: 1 })
  })

  it.each([
    [['--min-runs', '2'], /^lazyrestore: --min-runs: found 2, with 1 recording, expected 1 to 1$/, 2],
    [['-o', 'trace'], /^lazyrestore: --output: found \S+1\.lrtrace, which is read, expected another file$/, 2],
  ] as const)('refuses %j', async (options, message, code) => {
    const given = options.map(text => (text === 'trace' ? file('1.lrtrace') : text))
    const output = given.includes('-o') ? [] : ['-o', file('x.lrws')]
    const run = await runCli('workingset', 'build', SNAPSHOT, file('1.lrtrace'), ...given, ...output)
    expect(run.exitCode).toBe(code)
    expect(run.stderr.trimEnd()).toMatch(message)
  })

  it('refuses a recording of another snapshot', async () => {
    const other = SNAPSHOT.replace('seed=5', 'seed=6')
    const run = await runCli('workingset', 'build', other, file('1.lrtrace'), '-o', file('x.lrws'))
    expect(run.exitCode).toBe(1)
    expect(run.stderr).toMatch(/1\.lrtrace|working-set:share=15%,vcpus=1/)
    expect(run.stderr).toMatch(/found snapshot identity [0-9a-f]{64}, expected [0-9a-f]{64} of snapshot synthetic:/)
  })
})

interface CompareOutput {
  readonly results: readonly RestoreResult[]
  readonly notes: readonly string[]
}

const comparesOn = (engine: 'sim' | 'uffd' | 'kvm'): void => {
  requireForEach(() => {
    if (engine === 'sim') return null
    return probe().userfaultfd ?? (engine === 'kvm' ? probe().kvm : null)
  })

  it('restores from the built file, with large reads, buffered and direct', async () => {
    const { results, notes } = await runJson<CompareOutput>(
      ...['compare', SNAPSHOT, '--engine', engine, ...(engine === 'sim' ? [] : ['--verify']), '--cold'],
      ...['--workload', file('1.lrtrace'), '--working-set', file('union.lrws')],
      ...['--policies', 'working-set:wait=true,sweep=false,working-set:wait=true,sweep=false,direct=true,read=4M'],
    )
    expect(notes.join('\n')).toContain(`The working set is ${file('union.lrws')}, built from 3 recordings.`)
    const { size } = await stat(file('union.lrws'))
    for (const { faults, bytesRead, prefetchCoverage, eexist, errors } of results) {
      // All that the first of the three runs uses was there before it ran; of the file only the head was left out.
      expect({ faults, prefetchCoverage, eexist, errors }).toEqual({
        faults: 0,
        prefetchCoverage: 1,
        eexist: 0,
        errors: 0,
      })
      expect(size - bytesRead).toBeGreaterThan(0)
      expect(size - bytesRead).toBeLessThan(20_000)
    }
  })
}

describe('compare --working-set on engine sim', () => comparesOn('sim'))
describe('compare --working-set on engine uffd', () => comparesOn('uffd'))
describe('compare --working-set on engine kvm', { tags: ['kvm'] }, () => comparesOn('kvm'))

describe('compare --working-set', () => {
  const refuse = async (path: string, ...options: string[]): Promise<string> => {
    const run = await runCli('compare', SNAPSHOT, '--policies', 'working-set', '--working-set', file(path), ...options)
    expect(run).toMatchObject({ exitCode: options.includes('--recording') ? 2 : 1, stdout: '' })
    return run.stderr.trimEnd()
  }

  it('refuses a file that is damaged or cut short, or no working set', async () => {
    await copyFile(file('union.lrws'), file('bad.lrws'))
    const handle = await open(file('bad.lrws'), 'r+')
    await handle.write(Buffer.from('?'), 0, 1, 1_500_000)
    await handle.close()
    expect(await refuse('bad.lrws')).toMatch(
      /bad\.lrws: contents \[1048576, 2097152\): found CRC .*: the file is damaged$/,
    )
    await truncate(file('bad.lrws'), 1_000_000)
    expect(await refuse('bad.lrws')).toMatch(/bad\.lrws: \S+: found a file of 1000000 bytes, expected \d+: contents of/)
    expect(await refuse('1.lrtrace')).toMatch(/1\.lrtrace: 0x0: found a trace, expected a working-set file$/)
    expect(await refuse('none.lrws')).toMatch(/none\.lrws: no such file$/)
  })

  it('refuses one for other host pages, and one beside a recording', async () => {
    expect(await refuse('union.lrws', '--host-page-size', '2M')).toMatch(
      /on host pages of 4096, expected pc\.ram of 16777216 bytes on host pages of 2097152, as at the destination/,
    )
    expect(await refuse('union.lrws', '--recording', file('1.lrtrace'))).toMatch(
      /found --working-set and --recording, expected one of the two$/,
    )
  })
})
