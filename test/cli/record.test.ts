/** `trace record`: the order of a real restore's faults as a trace, and what can be done with it. */
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MIB } from '../../src/core/units.ts'
import type { RestoreResult } from '../../src/engine/result.ts'
import { probe } from '../../src/uffd/availability.ts'
import { hugePageReason } from '../../src/uffd/huge-pages.ts'
import { firstUseOrder } from '../../src/workload/first-use.ts'
import { readTrace } from '../../src/workload/trace-file.ts'
import { ACCESS_WRITE } from '../../src/workload/workload.ts'
import { requireForEach, requireOrSkip } from '../support/availability.ts'
import { reserveHugePages } from '../support/huge-pages.ts'
import { runCli, runJson } from './run-cli.ts'

const SNAPSHOT = 'synthetic:32MiB,zero=50%,seed=4'
reserveHugePages(2 * MIB, 16)

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lazyrestore-cli-'))
})
afterAll(() => rm(folder, { recursive: true }))
const file = (name: string): string => join(folder, name)

interface Recorded {
  readonly file: string
  readonly accesses: number
  readonly result: RestoreResult
  readonly notes: readonly string[]
}

const recordsOn = (engine: 'uffd' | 'kvm'): void => {
  requireForEach(() => probe().userfaultfd ?? (engine === 'kvm' ? probe().kvm : null))
  const record = (trace: string, ...options: string[]): Promise<Recorded> =>
    runJson<Recorded>('trace', 'record', SNAPSHOT, '-o', file(trace), '--engine', engine, ...options)

  it('writes the pages of a vCPU in the order of their first use', async () => {
    const workload = ['--workload', 'working-set:share=5%,vcpus=1,think=5us', '--seed', '9']
    const { accesses, result, file: written } = await record(`${engine}.lrtrace`, ...workload, '--verify', '--warm')
    await runCli('trace', 'generate', SNAPSHOT, '-o', file('expected.lrtrace'), ...workload)
    const [trace, expected] = [await readTrace(written), await readTrace(file('expected.lrtrace'))]
    expect([...trace.page]).toEqual([...firstUseOrder(expected, expected.page, expected.pageCount)])
    const { snapshotIdentity, pageCount, pageSize } = expected
    expect(trace).toMatchObject({ snapshotIdentity, pageCount, pageSize, vcpus: 1, seed: 9 })
    expect(trace.name).toBe(`faults of ${expected.name} under lazy, by engine ${engine}`)
    expect(result).toMatchObject({ engine, policy: 'lazy', errors: 0 })
    // A thread that touches takes a page for missing until the handler has noted its install, so it may count some more.
    expect(result.faults).toBeGreaterThanOrEqual(accesses)
    expect(result.faults).toBeLessThan(accesses * 1.05)
  })

  it('is not written over the snapshot that is restored, nor over the trace that is done', async () => {
    const [snapshot, trace] = [file(`${engine}.mig`), file(`${engine}-done.lrtrace`)]
    await runCli('snapshot', 'make', SNAPSHOT, '-o', snapshot)
    await runCli('trace', 'generate', snapshot, '-o', trace)
    const before = await Promise.all([snapshot, trace].map(name => readFile(name)))
    for (const output of [snapshot, trace]) {
      const args = ['record', snapshot, '--engine', engine, '--workload', trace, '-o', output]
      const stderr = `lazyrestore: --output: found ${output}, which is read, expected another file\n`
      expect(await runCli('trace', ...args)).toMatchObject({ exitCode: 2, stderr })
    }
    const after = await Promise.all([snapshot, trace].map(name => readFile(name)))
    expect(after.map((bytes, i) => bytes.equals(before[i]))).toEqual([true, true])
  })

  it('has the computation between faults in its times, and which faults were writes', async () => {
    await record('slow.ndjson', '--workload', 'sequential:accesses=40,think=8ms', '--warm')
    await record('writes.ndjson', '--workload', 'sequential:accesses=40,think=0ns,write=100%', '--warm')
    const slow = await readTrace(file('slow.ndjson'))
    const medianNs = [...slow.thinkNs].sort((a, b) => a - b)[20]
    // What the handler loses between waking the vCPU and looking at the clock is missing.
    expect(medianNs).toBeGreaterThan(7e6)
    expect([...slow.flags]).toEqual(new Array(40).fill(0))
    expect([...(await readTrace(file('writes.ndjson'))).flags]).toEqual(new Array(40).fill(ACCESS_WRITE))
  })

  it('gives two vCPUs and two handlers a trace with each page once, that compare takes as recording and as workload', async () => {
    const { accesses } = await record('two.lrtrace', '--vcpus', '2', '--policy', 'lazy:handlers=2', '--warm')
    const trace = await readTrace(file('two.lrtrace'))
    expect(new Set(trace.page).size).toBe(accesses)
    const options = ['--recording', file('two.lrtrace'), '--workload', file('two.lrtrace')]
    const { results, notes } = await runJson<{ results: RestoreResult[]; notes: string[] }>(
      ...['compare', SNAPSHOT, '--policies', 'lazy,working-set:wait=true', ...options],
    )
    expect(results.map(({ faults }) => faults)).toEqual([accesses, 0])
    expect(notes.join()).toMatch(
      `The working set is recorded from faults of working-set:vcpus=2 under lazy:handlers=2, by engine ${engine}.`,
    )
  })

  it('records only what a policy has not brought itself', async () => {
    const { accesses, result } = await record('rest.lrtrace', '--policy', 'read-around:window=64K', '--warm')
    expect(accesses).toBeGreaterThan(0)
    expect(accesses).toBeLessThan(result.copies + result.zeropages)
  })

  it('knows the target page within a 2 MiB page', async context => {
    requireOrSkip(context, hugePageReason(2 * MIB, 16))
    const workload = ['--workload', 'uniform:accesses=200,vcpus=1', '--seed', '3']
    const { accesses } = await record('huge.lrtrace', '--host-page-size', '2M', ...workload)
    await runCli('trace', 'generate', SNAPSHOT, '-o', file('touched.lrtrace'), ...workload)
    const touched = new Set((await readTrace(file('touched.lrtrace'))).page)
    const { page } = await readTrace(file('huge.lrtrace'))
    expect(accesses).toBe(16)
    expect([...page].filter(target => !touched.has(target))).toEqual([])
  })
}

describe('trace record --engine uffd', () => recordsOn('uffd'))
describe('trace record --engine kvm', { tags: ['kvm'] }, () => recordsOn('kvm'))

describe('trace record', () => {
  it.each([
    [
      ['--engine', 'sim'],
      2,
      /^lazyrestore: --engine: found "sim", which has no faults to record, expected uffd or kvm$/,
    ],
    [['--policy', 'mmap'], 2, /^lazyrestore: --policy: found mmap, whose faults no handler sees, expected one that/],
    [['--policy', 'lazy,eager'], 2, /^lazyrestore: --policy: found 2 policies in "lazy,eager", expected one$/],
    [['--cold', '--warm'], 2, /^lazyrestore: found more than one of --cold, --warm/],
  ])('%j is refused in one line, and nothing is written', async (options, exitCode, message) => {
    const run = await runCli('trace', 'record', SNAPSHOT, '-o', file('never.lrtrace'), ...options)
    expect(run).toMatchObject({ exitCode, stdout: '' })
    expect(run.stderr.trimEnd()).toMatch(message)
    await expect(stat(file('never.lrtrace'))).rejects.toThrow(/ENOENT/)
  })
})
