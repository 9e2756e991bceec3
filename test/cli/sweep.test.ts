/** `sweep`, its workers and `breakeven` as users run them. */
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parquetReadObjects } from 'hyparquet'
import { describe, expect, it } from 'vitest'
import { until } from '../server/support.ts'
import { temporaryFolder } from '../server/temporary-folder.ts'
import { runCli, runJson, startCli } from './run-cli.ts'

const SPEC = `
name: small
cell: {snapshot: "synthetic:{size},zero=50%", workload: "working-set:share={share}"}
grid: {policy: [lazy, eager], size: [4MiB, 8MiB]}
random: {points: 3, of: {share: {from: 1%, to: 20%}}}
`

function specFile(text = SPEC): string {
  const file = join(temporaryFolder(), 'spec.yaml')
  writeFileSync(file, text)
  return file
}

interface SweepSummary {
  readonly cells: number
  readonly done: number
  readonly failed: number
}

describe('sweep', () => {
  it('writes its cells as Parquet, CSV, JSON, HTML and an HdrHistogram log', async () => {
    const folder = temporaryFolder()
    const files = ['parquet', 'csv', 'json', 'html', 'hlog'].map(ending => join(folder, `out.${ending}`))
    const run = await runJson<SweepSummary>('sweep', specFile(), '--data-dir', join(folder, 'data'), '-o', ...files)
    expect(run).toMatchObject({ cells: 12, done: 12, failed: 0 })
    const [parquet, csv, json, html, hlog] = files.map(file => readFileSync(file))
    const bytes = parquet.buffer.slice(parquet.byteOffset, parquet.byteOffset + parquet.byteLength) as ArrayBuffer
    const rows = await parquetReadObjects({ file: bytes })
    expect(rows).toHaveLength(12)
    expect(rows[0]).toMatchObject({
      cell: 0,
      state: 'done',
      error: null,
      'var.policy': 'lazy',
      'var.size': 4 * 2 ** 20,
    })
    expect(rows[0]['var.share']).toBeGreaterThan(0.01)
    const { cells } = JSON.parse(json.toString())
    expect(cells.map(({ result }: { result: { workDoneNs: number } }) => result.workDoneNs)).toEqual(
      rows.map(({ workDoneNs }) => workDoneNs),
    )
    expect(csv.toString().split('\r\n')).toHaveLength(14)
    expect(html.toString()).toContain('Who is done first over size and share')
    expect(hlog.toString().match(/^Tag=/gm)).toHaveLength(6)
  })

  it('ends on SIGINT with exit code 1 and a line, and the same command goes on', async () => {
    const dataDir = temporaryFolder()
    const args = ['sweep', specFile(`${SPEC}repetitions: 60`), '--data-dir', dataDir, '--threads', '1']
    const child = startCli({}, args)
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', text => {
      stderr += text
    })
    await until(() => existsSync(join(dataDir, 'store.mdb')), 'store', 30_000)
    await new Promise(resolve => setTimeout(resolve, 300))
    child.kill('SIGINT')
    expect(await once(child, 'close')).toEqual([1, null])
    expect(stderr).toMatch(/^lazyrestore: stopped; [\d,]+ of 720 cells are in \S+, the same command goes on\n$/m)
    const run = await runJson<SweepSummary>(...args.slice(0, -1), '2')
    expect(run).toMatchObject({ cells: 720, done: 720, failed: 0 })
  })

  it.each([
    [['sweep', 'no-such.yaml'], 1, /^lazyrestore: no-such\.yaml: no such file\n$/],
    [['sweep', 'x.yaml', '-o', 'a.xls'], 2, /a\.xls: found ending "\.xls", expected one of \.json, \.csv, \.parquet/],
    [['sweep', 'x.yaml', '--redis', 'redis://h', '--threads', '2'], 2, /found --threads and --redis/],
    [['sweep', 'x.yaml', '--threads', '0'], 2, /^lazyrestore: --threads: found 0, expected 1 to 1000\n$/],
    [['worker', '--redis', 'unix:/no', '--threads', '0'], 2, /^lazyrestore: --threads: found 0, expected 1 to 1000\n$/],
    [['worker', '--redis', 'http://h'], 2, /--redis: found "http:\/\/h", expected redis:\/\/host:port or unix:\/path/],
    [['worker', '--redis', 'unix:/no/such'], 1, /^lazyrestore: unix:\/no\/such: cannot connect: .*ENOENT/],
    [['breakeven', '--policies', 'lazy', '--over', 'size'], 2, /--policies: found 1, expected two/],
    [['breakeven', '--policies', 'lazy,eager', '--over', 'x'], 2, /--over: found "x", expected one of size/],
  ])('%j ends with a message', async (args, exitCode, message) => {
    const run = await runCli(...args)
    expect(run.stderr).toMatch(message)
    expect(run.exitCode).toBe(exitCode)
  })
})

describe('breakeven', () => {
  it('finds the working set at which two policies cross, and draws it', async () => {
    const folder = temporaryFolder()
    const [figure, report] = [join(folder, 'a.svg'), join(folder, 'a.html')]
    const args = ['breakeven', 'synthetic:16MiB,zero=60%', '--policies', 'eager,lazy', '--over', 'working-set']
    const { crossings, points } = await runJson<{
      readonly crossings: readonly { value: number; low: number; high: number; values: number[]; firstBelow: number }[]
      readonly points: readonly { value: number; timesNs: number[][] }[]
    }>(...args, '--seeds', '6', '--points', '5', '--figure', figure, '--report', report)
    expect(crossings).toHaveLength(1)
    const [{ value, low, high, values, firstBelow }] = crossings
    expect(firstBelow).toBe(1)
    expect(values).toHaveLength(6)
    expect(low <= value && value <= high).toBe(true)
    // The first look must agree: lazy is first at the points below, eager at those above.
    for (const { value: at, timesNs } of points) {
      for (const [i, eager] of timesNs[0].entries()) {
        if (at < values[0]) expect(timesNs[1][i]).toBeLessThan(eager)
        if (at > values[5]) expect(timesNs[1][i]).toBeGreaterThan(eager)
      }
    }
    expect(readFileSync(figure, 'utf8')).toMatch(/^<svg.*<\/svg>\n$/s)
    expect(readFileSync(report, 'utf8')).toContain('eager or lazy: break-even over working-set')
  })
})
