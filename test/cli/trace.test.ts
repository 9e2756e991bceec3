/** Traces from end to end: imported, changed, described, compared; and tables of one's own predicted. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { runCli } from './run-cli.ts'

const folder = mkdtempSync(join(tmpdir(), 'lazyrestore-trace-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const at = (name: string) => join(folder, name)
const FTRACE = join(import.meta.dirname, '../fixtures/traces/page-fault-user.ftrace.txt')
const SNAPSHOT = 'synthetic:256KiB,zero=0'

describe.sequential('a trace of ftrace', () => {
  it('is imported', async () => {
    const run = await runCli(
      'trace',
      'import',
      SNAPSHOT,
      FTRACE,
      '--addresses',
      'base:0x7f4f46ed1000',
      '-o',
      at('a.lrtrace'),
      '--json',
    )
    expect(run.stderr).toBe('')
    expect(JSON.parse(run.stdout)).toMatchObject({
      format: 'page-fault-user',
      accesses: 12,
      distinctPages: 12,
      vcpus: 1,
    })
  })

  it('is imported for a snapshot whose zeros were found, which is another one than as it lies', async () => {
    writeFileSync(at('vm.raw'), new Uint8Array(256 * 1024).fill(1, 0, 200_000))
    const address = ['--addresses', 'base:0x7f4f46ed1000']
    const imported = await runCli(
      'trace',
      'import',
      at('vm.raw'),
      FTRACE,
      ...address,
      '--find-zeros',
      '-o',
      at('z.lrtrace'),
    )
    expect(imported).toMatchObject({ exitCode: 0, stderr: '' })
    const compare = ['compare', at('vm.raw'), '--policies', 'lazy', '--workload', at('z.lrtrace')]
    expect(await runCli(...compare, '--find-zeros')).toMatchObject({ exitCode: 0 })
    const { exitCode, stderr } = await runCli(...compare)
    expect(exitCode).toBe(1)
    expect(stderr).toContain('found snapshot identity')
  })

  it('is changed, and compared with what it was', async () => {
    const run = await runCli(
      'trace',
      'transform',
      at('a.lrtrace'),
      '--slice',
      '..20us',
      '--scale',
      '2',
      '-o',
      at('b.ndjson'),
    )
    expect(run).toMatchObject({ exitCode: 0, stderr: '' })
    expect(run.stdout).toMatch(/ accesses of 1 vCPU to /)
    const diff = await runCli('trace', 'diff', at('a.lrtrace'), at('b.ndjson'), '--json')
    const [{ precision, recall, orderCorrelation }] = JSON.parse(diff.stdout).runs
    expect(recall).toBe(1)
    expect(precision).toBeLessThan(1)
    expect(orderCorrelation).toBe(1)
  })

  it('is described, with figures', async () => {
    const run = await runCli('trace', 'stats', at('a.lrtrace'), '--figures', at('figures'))
    expect(run.stdout).toMatch(/12 of 1 vCPU, /)
    expect(run.stdout).toContain('12 pages, 48.0 KiB'.replace('.0', ''))
    expect(readdirSync(at('figures')).sort()).toEqual(['first-touches.svg', 'runs.svg'])
  })

  it('is not written over what is read', async () => {
    const run = await runCli('trace', 'transform', at('a.lrtrace'), '-o', at('a.lrtrace'))
    expect(run.exitCode).toBe(2)
    expect(run.stderr).toContain('which is read, expected another file')
  })
})

it('tables of one’s own are predicted', async () => {
  const row = {
    name: 'row',
    published: 2,
    predict: [
      {
        snapshot: 'synthetic:4MiB,zero=0',
        policy: 'lazy',
        workload: 'sequential',
        storage: 'nvme:cache=warm',
        host: 'mine',
        measure: 'workDoneMs',
      },
    ],
  }
  writeFileSync(
    at('mine.json'),
    JSON.stringify({
      format: 'lazyrestore-tables',
      version: 1,
      parameters: {},
      hosts: { mine: { costScale: 1, parameters: {}, source: 'the default' } },
      tables: [{ name: 'mine', title: 'Mine', source: 'measured here', unit: 'ms', rows: [row] }],
    }),
  )
  const run = await runCli('reproduce', '--input', at('mine.json'), '--markdown', at('mine.md'), '--json')
  expect(run).toMatchObject({ exitCode: 0, stderr: '' })
  const { rows } = JSON.parse(run.stdout)
  expect(rows).toMatchObject([{ table: 'mine', row: 'row', published: 2, fittedHere: [], fittedElsewhere: [] }])
  expect(rows[0].error).toBeCloseTo(rows[0].predicted / 2 - 1, 9)
  expect(readFileSync(at('mine.md'), 'utf8')).toContain('### Mine [ms]')
})
