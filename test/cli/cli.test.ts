/** The command line end to end, on snapshots that QEMU wrote. */
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RestoreResult } from '../../src/engine/result.ts'
import { POLICIES } from '../../src/policy/registry.ts'
import { fixtureBytes, fixtureGolden } from '../snapshot/support.ts'
import { runCli, runCliIn, runJson } from './run-cli.ts'

const SNAPSHOTS = ['pc-16m', 'memfd-16m'] as const
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lazyrestore-cli-'))
  for (const name of SNAPSHOTS) await writeFile(file(name), await fixtureBytes(name))
})
afterAll(() => rm(folder, { recursive: true }))

const file = (name: string): string => join(folder, `${name}.mig`)

interface CompareOutput {
  readonly results: readonly RestoreResult[]
  readonly notes: readonly string[]
}

describe('inspect', () => {
  it.each(SNAPSHOTS)('finds in %s what QEMU wrote, down to the hash of the loaded content', async name => {
    const golden = await fixtureGolden(name)
    const found = await runJson<Record<string, unknown>>('inspect', file(name), '--hash')
    expect(found.format).toBe('mapped-ram')
    expect(found.machine).toBe(golden.machine)
    expect(found.blocks).toEqual(
      golden.ram_blocks.map(block => ({
        name: block.name,
        address: null,
        usedLength: block.used_length,
        pageSize: block.page_size,
        bitmapOffset: block.bitmap_offset,
        pagesOffset: block.pages_offset,
        setBits: block.set_bits,
        zeroPages: block.zero_pages_after_load,
        sha256: block.sha256_after_load,
      })),
    )
  })

  it('shows blocks and how they fall on host pages to a person', async () => {
    const { stdout, exitCode } = await runCli('inspect', file('memfd-16m'))
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/m0 +16 MiB +4 KiB +0x100000 +194 +3,902/)
    // 13 to 27 of the 512 target pages of each huge page have data, so all eight are mixed.
    expect(stdout).toMatch(/host page +zero +data +mixed/)
    expect(stdout).toMatch(/2 MiB +1 +2 +10\n/)
    expect(stdout).toMatch(/m0 +·{4}░{60}\n/)
    expect(stdout).toMatch(/largest holes in +at +length\n/)
  })
})

describe('compare', () => {
  it.each(SNAPSHOTS)('runs every policy on %s', async name => {
    const { results, notes } = await runJson<CompareOutput>('compare', file(name))
    expect(results.map(({ policy }) => policy)).toEqual(POLICIES.map(policy => policy.name))
    for (const { resumeNs, workDoneNs, fixedNs, engine } of results) {
      expect(engine).toBe('sim')
      expect(resumeNs).toBeGreaterThanOrEqual(fixedNs)
      expect(workDoneNs).toBeGreaterThanOrEqual(resumeNs)
    }
    expect(notes.join()).toMatch(/perfect recording/)
  })

  it('uses ZEROPAGE and no zero COPY on 4 KiB pages', async () => {
    const { results } = await runJson<CompareOutput>('compare', file('memfd-16m'), '--policies', 'lazy,lazy-sweep')
    for (const { zeropages, zeroCopies, copies } of results) {
      expect(zeroCopies).toBe(0)
      expect(zeropages).toBeGreaterThan(0)
      expect(copies).toBeGreaterThan(0)
    }
    // All of memory: 4,178 target pages, of which 200 have data.
    expect(results[1]).toMatchObject({ copies: 200, zeropages: 3978 })
  })

  it('never uses ZEROPAGE on hugetlb: a mixed huge page is one COPY', async () => {
    const { results } = await runJson<CompareOutput>(
      'compare',
      file('memfd-16m'),
      '--host-page-size',
      'm0=2M',
      '--policies',
      'lazy',
      '--workload',
      'sequential:accesses=4096',
    )
    // Each of the eight huge pages of m0 holds 13 to 27 pages with data, so none is a zero COPY.
    expect(results[0]).toMatchObject({ copies: 8, zeropages: 0, zeroCopies: 0, faults: 8 })
    expect(results[0].layout).toBe('m0: hugetlb 2 MiB, others: anon 4 KiB')
  })

  it('uses a zero COPY, and no ZEROPAGE, for a zero page of hugetlb', async () => {
    const { results } = await runJson<CompareOutput>(
      'compare',
      'synthetic:64MiB,zero=50%,runs=2048,seed=3',
      '--host-page-size',
      '2M',
      '--policies',
      'lazy-sweep',
    )
    const [{ copies, zeropages, zeroCopies }] = results
    expect(zeropages).toBe(0)
    expect(zeroCopies).toBeGreaterThan(0)
    expect(copies + zeroCopies).toBe(32)
  })

  it('gives the same records for the same seed, and others for another', async () => {
    const run = (seed: string) =>
      runJson<CompareOutput>('compare', 'synthetic:32MiB', '--policies', 'lazy', '--seed', seed)
    const [first, again, other] = [await run('7'), await run('7'), await run('8')]
    expect(again).toEqual(first)
    expect(other.results[0].workDoneNs).not.toBe(first.results[0].workDoneNs)
  })

  it('leaves out, with the reason, what a layout cannot carry, and refuses it when it was asked for', async () => {
    const { results, notes } = await runJson<CompareOutput>('compare', file('pc-16m'), '--host-page-size', '2M')
    expect(results.map(({ policy }) => policy)).not.toContain('mmap')
    expect(notes.join('\n')).toMatch(/Left out: policy mmap: found block pc\.ram on hugetlb/)
    const asked = await runCli('compare', file('pc-16m'), '--host-page-size', '2M', '--policies', 'mmap')
    expect(asked).toMatchObject({ exitCode: 1, stdout: '' })
    expect(asked.stderr).toMatch(/policy mmap: found block pc\.ram on hugetlb/)
  })

  it('prints a table that never shows resume without work done, and writes a report', async () => {
    const report = join(folder, 'report.html')
    const figures = join(folder, 'made/for/figures')
    const args = ['compare', file('pc-16m'), '--report', report, '--figures', figures]
    const { stdout, stderr, exitCode } = await runCli(...args)
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
    expect(stdout).toMatch(/resume.*work done/i)
    for (const { name } of POLICIES) expect(stdout).toContain(name)
    const html = await readFile(report, 'utf8')
    expect(html.match(/<svg/g)?.length).toBe(3)
    for (const name of ['times', 'residency', 'latency']) {
      expect(await readFile(join(figures, `${name}.svg`), 'utf8')).toMatch(/^<svg .*<\/svg>\n$/s)
    }
  })

  it('prints CSV with a row a policy', async () => {
    const { stdout } = await runCli('compare', file('pc-16m'), '--csv', '--policies', 'eager,lazy')
    const rows = stdout.trim().split(/\r?\n/)
    expect(rows).toHaveLength(3)
    expect(rows[0]).toContain('workDoneNs')
  })
})

describe('snapshot make and trace generate', () => {
  it('a snapshot made from a synthetic one has its content, and is sparse', async () => {
    const made = join(folder, 'made.mig')
    const spec = 'synthetic:16MiB,zero=90%,seed=5'
    expect(await runCli('snapshot', 'make', spec, '-o', made)).toMatchObject({ exitCode: 0, stderr: '' })
    const blocks = async (name: string) =>
      (await runJson<{ blocks: { sha256: string }[] }>('inspect', name, '--hash')).blocks
    expect((await blocks(made)).map(({ sha256 }) => sha256)).toEqual((await blocks(spec)).map(({ sha256 }) => sha256))
    const { size, blocks: sectors } = await stat(made)
    expect(sectors * 512).toBeLessThan(size / 2)
  })

  it('a snapshot is not overwritten by its own RAM, which would lose its device state', async () => {
    const before = await readFile(file('pc-16m'))
    const { exitCode, stderr } = await runCli('snapshot', 'make', file('pc-16m'), '-o', join(folder, '.', 'pc-16m.mig'))
    expect(exitCode).toBe(2)
    expect(stderr).toMatch(/pc-16m\.mig, which is read, expected another file/)
    expect((await readFile(file('pc-16m'))).equals(before)).toBe(true)
  })

  it('a recording has its own vCPUs, whatever the workload has', async () => {
    const recording = join(folder, 'recorded.lrtrace')
    await runCli('trace', 'generate', file('pc-16m'), '--vcpus', '3', '-o', recording)
    const args = ['compare', file('pc-16m'), '--policies', 'working-set', '--vcpus', '2', '--recording', recording]
    const { results, notes } = await runJson<CompareOutput>(...args)
    expect(results[0].workload.vcpus).toBe(2)
    expect(notes.join('\n')).toMatch(/The working set is recorded from/)
  })

  it('a generated trace replays as the workload it was made from', async () => {
    const trace = join(folder, 'run.lrtrace')
    const workload = 'working-set:share=3%,vcpus=2'
    await runCli('trace', 'generate', file('pc-16m'), '--workload', workload, '--seed', '4', '-o', trace)
    const compare = (text: string) =>
      runJson<CompareOutput>('compare', file('pc-16m'), '--policies', 'lazy', '--workload', text, '--seed', '4')
    const [replayed] = (await compare(trace)).results
    const [generated] = (await compare(workload)).results
    expect({ ...replayed, workload: null }).toEqual({ ...generated, workload: null })
  })

  it('a trace of another snapshot is refused', async () => {
    const trace = join(folder, 'other.ndjson')
    await runCli('trace', 'generate', file('memfd-16m'), '-o', trace)
    const { exitCode, stderr } = await runCli('compare', file('pc-16m'), '--workload', trace)
    expect(exitCode).toBe(1)
    expect(stderr).toMatch(/found snapshot identity [0-9a-f]+, expected [0-9a-f]+/)
  })
})

describe('errors', () => {
  it.each([
    [['compare', '--policies', 'lasy'], 2, /policy: found "lasy", expected one of eager/],
    [['compare', '--policies', 'lazy:handlers=0'], 2, /handlers: found 0, expected at least 1/],
    [['compare', '--storage', 'floppy'], 2, /storage: found "floppy", expected one of nvme/],
    [['compare', '--host-page-size', '8K'], 2, /host page size: found "8K", expected one of 4 KiB/],
    [['compare', '--host-page-size', 'm7=2M'], 2, /host page size: found block "m7", expected one of pc\.ram/],
    [['compare', '--host-page-size', '2M,4K'], 2, /found a second size for all blocks, "4K"/],
    [['compare', 'synthetic:4KiB', '--host-page-size', '2M'], 1, /found no block that can lie on hugetlb 2 MiB/],
    [['compare', '--storage', 'nvme:depth=1000000'], 2, /depth: found 1000000, expected at most 65536/],
    [['compare', '--workload', 'zipff'], 2, /workload: found "zipff", .* zipf, or a trace file that is there\n/],
    [['compare', '--workload', 'no.lrtrace'], 1, /^lazyrestore: no.lrtrace: no such file\n/],
    [['compare', '--workload', 'no/zipf'], 1, /^lazyrestore: no\/zipf: no such file\n/],
    [['compare', '--report', '/no/such/folder/r.html'], 1, /\/no\/such\/folder\/r.html: ENOENT/],
    [['compare', '--profile', 'no.json'], 1, /^lazyrestore: no\.json: no such file\n/],
    [['compare', '--profile', 'src'], 1, /^lazyrestore: src: found a directory, expected a file\n/],
    [
      ['compare', '--profile', '/dev/zero'],
      1,
      /^lazyrestore: \/dev\/zero: found more than 16 MiB, expected a host prof/,
    ],
    [['compare', '--profile', 'README.md'], 1, /^lazyrestore: README\.md: found no JSON .*, expected a host profile\n/],
    [['burst', '--arrivals', 'trace:no.txt'], 1, /^lazyrestore: no\.txt: no such file\n/],
    [['burst', '--arrivals', 'trace:src'], 1, /^lazyrestore: src: found a directory, expected a file\n/],
    [['reproduce', '--input', 'no.json'], 1, /^lazyrestore: no\.json: no such file\n/],
    [['conform', '--cases', 'src'], 1, /^lazyrestore: src: found a directory, expected a file\n/],
    [['sweep', 'src'], 1, /^lazyrestore: src: found a directory, expected a file\n/],
    [['compare', '--engine', 'magic'], 2, /--engine: found "magic"/],
    [['compare', '--seed', '-1'], 2, /--seed: found "-1"/],
    [['compare', '--json', '--csv'], 2, /found --json and --csv/],
    [['compare', '--nonsense'], 2, /unknown option '--nonsense'/],
    [['nonsense'], 2, /unknown command 'nonsense'/],
    [['inspect', '/no/such/file'], 1, /\/no\/such\/file/],
    [['inspect', 'package.json'], 1, /package\.json: 0x0/],
    [['serve', '--data-dir', 'package.json', '--port', '0'], 1, /^lazyrestore: package\.json: EEXIST[^\n]*\n$/],
    [['serve', '--data-dir', 'package.json/x', '--port', '0'], 1, /^lazyrestore: package\.json\/x: ENOTDIR[^\n]*\n$/],
  ])('%j exits with %i and says why in one line', async (args, exitCode, message) => {
    const run = await runCli(...args)
    expect(run.stderr).toMatch(message)
    expect(run).toMatchObject({ exitCode, stdout: '' })
    expect(run.stderr).not.toMatch(/\n\s+at /)
  })

  it('are told of stdout too, where it cannot be written', async () => {
    const open = `exec "$@" 1<"${file('pc-16m')}"`
    const run = await runCliIn({ prefix: ['sh', '-c', open, 'sh'] }, 'inspect', file('pc-16m'))
    expect(run).toMatchObject({ exitCode: 1, stderr: 'lazyrestore: stdout: EBADF: bad file descriptor, write\n' })
  })

  it('says its version', async () => {
    const { version } = JSON.parse(await readFile('package.json', 'utf8'))
    expect(await runCli('--version')).toMatchObject({ exitCode: 0, stdout: `${version}\n`, stderr: '' })
  })

  it('every command has help with an example', async () => {
    const traces = [
      ['trace', 'generate'],
      ['trace', 'record'],
    ]
    for (const command of [
      ['inspect'],
      ['compare'],
      ['snapshot', 'make'],
      ...traces,
      ['profile'],
      ['calibrate'],
      ['probe'],
    ]) {
      const { stdout, exitCode } = await runCli(...command, '--help')
      expect(exitCode).toBe(0)
      expect(stdout).toMatch(/Example/)
    }
  })
})
