/** `conform` end to end. The sample of docs/conform.md is run, so it stays true. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hostProblem, hostProfile } from '../../src/uffd/model/conform/host-kernel.ts'
import type { ConformReport } from '../../src/uffd/model/conform/report.ts'
import { KERNEL_PROFILES } from '../../src/uffd/model/profile.ts'
import { requireOrSkip } from '../support/availability.ts'
import { runCli, runJson } from './run-cli.ts'

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
const AGREEING =
  'case\tprepare\toperation\texpect\na page\tmap a anon 4; open u; register u a.0 4 missing\tcopy u a.0 1\tdone 1\n'
/** Profiles that this host's kernel is not compared by. */
const [FOREIGN] = KERNEL_PROFILES.filter(profile => profile !== hostProfile())
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lazyrestore-conform-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function caseFile(name: string, text: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, text)
  return path
}

describe('conform', () => {
  it('runs the built-in cases on the model, as data', async () => {
    const report = await runJson<ConformReport>('conform', '--profile', FOREIGN)
    expect([report.profile, report.kernels]).toEqual([FOREIGN, ['model']])
    expect(report.cases.agreeing).toBeGreaterThan(600)
    expect([report.cases.differing, report.disagreements]).toEqual([0, []])
    expect(report.hostMissing).not.toBeNull()
  })

  it('prints what docs/conform.md shows for its sample, and exits with 1', async () => {
    const document = await readFile(join(ROOT, 'docs/conform.md'), 'utf8')
    const sample = /```tsv\n([\s\S]*?)```/.exec(document)![1]
    const output = /```\n(differs [\s\S]*?)```/.exec(document)![1]
    const path = await caseFile('mine.tsv', sample)
    const { exitCode, stdout, stderr } = await runCli('conform', '--cases', path, '--profile', '7.3')
    const ofModel = stdout.split('\n').filter(line => !line.startsWith('host ') && !line.startsWith('      Linux'))
    expect(
      ofModel
        .join('\n')
        .replaceAll(`${folder}/`, '')
        .replace(/, Linux \S+ \S+$/m, ''),
    ).toBe(output)
    expect([exitCode, stderr]).toEqual([1, 'lazyrestore: conform: found 1 that differ, expected none\n'])
  })

  it("compares with this host's kernel, random operations too", async context => {
    requireOrSkip(context, hostProblem())
    const path = await caseFile('agreeing.tsv', AGREEING)
    const report = await runJson<ConformReport>('conform', '--cases', path, '--random', '60', '--seed', '3')
    expect(report.kernels[1]).toMatch(/^Linux /)
    expect(report.cases).toEqual({ agreeing: 1, differing: 0, operations: [4, 4], skipped: [] })
    expect(report.random).toMatchObject({ seed: 3 })
    expect(report.random!.operations).toBeGreaterThanOrEqual(60)
    expect(report.disagreements).toEqual([])
  })

  it('says in one line what is missing where userfaultfd may not be opened, and runs the model', async context => {
    requireOrSkip(context, process.getuid?.() === 0 ? null : 'only root can become nobody')
    const nobody = 'data:text/javascript,process.setgroups([]);process.setgid(65534);process.setuid(65534)'
    const path = join(ROOT, 'dist/cli/main.js')
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', nobody, path, 'conform'])
    expect(stdout).toMatch(/^profile .*\ncases +\d+ agree, 0 differ; operations: model [\d,]+\nhost +not run: .+\n$/)
  })

  it.each([
    ['--profile', '5.4'],
    ['--random', 'many'],
    ['--random', '0'],
    ['--seed', 'x'],
    ['--case', 'x.tsv'],
  ])('exits with 2 for %s %s', async (...args) => {
    const { exitCode, stdout } = await runCli('conform', ...args)
    expect([exitCode, stdout]).toEqual([2, ''])
  })

  it.each([
    ['no header', '', 'found no header, expected case, prepare, operation, expect'],
    ['a wrong word', AGREEING.replace('copy', 'kopy'), 'operation "kopy u a.0 1": found kopy, expected one of map'],
  ])('exits with 1 for a file with %s, and names the place', async (_what, text, message) => {
    const path = await caseFile('wrong.tsv', text)
    const { exitCode, stderr } = await runCli('conform', '--cases', path)
    expect(exitCode).toBe(1)
    expect(stderr).toContain(path)
    expect(stderr).toContain(message)
  })

  it('exits with 1 for a file that is not there', async () => {
    const { exitCode, stderr } = await runCli('conform', '--cases', join(folder, 'none.tsv'))
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('none.tsv: no such file')])
  })
})
