/** `compare --engine uffd|kvm`: restores on this host's kernel through the command line, and what it refuses. */
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MIB } from '../../src/core/units.ts'
import type { RestoreResult } from '../../src/engine/result.ts'
import { POLICIES } from '../../src/policy/registry.ts'
import { probe } from '../../src/uffd/availability.ts'
import { hugePageReason } from '../../src/uffd/huge-pages.ts'
import { fixtureBytes } from '../snapshot/support.ts'
import { requireForEach, requireOrSkip } from '../support/availability.ts'
import { reserveHugePages } from '../support/huge-pages.ts'
import { parsed, runCli, runCliIn, runJson } from './run-cli.ts'

const HUGE_PAGES = 48
const SYNTHETIC = 'synthetic:16MiB,zero=50%,seed=2'
const MEMFD = 'memfd-16m'
reserveHugePages(2 * MIB, HUGE_PAGES)

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lazyrestore-cli-'))
  await writeFile(join(folder, MEMFD), await fixtureBytes(MEMFD))
})
afterAll(() => rm(folder, { recursive: true }))

interface CompareOutput {
  readonly results: readonly RestoreResult[]
  readonly notes: readonly string[]
}

const snapshotOf = (name: string): string => (name === MEMFD ? join(folder, name) : name)

const comparesOn = (engine: 'uffd' | 'kvm'): void => {
  requireForEach(() => probe().userfaultfd ?? (engine === 'kvm' ? probe().kvm : null))
  const compare = (name: string, ...options: string[]): Promise<CompareOutput> =>
    runJson<CompareOutput>('compare', snapshotOf(name), '--engine', engine, '--verify', ...options)

  it.each([
    ['a synthetic snapshot', 'every policy', SYNTHETIC, POLICIES.map(policy => policy.name)],
    ['one that QEMU wrote', 'some', MEMFD, ['eager-multi', 'lazy', 'lazy-sweep', 'working-set', 'mmap']],
  ] as const)('restores %s under %s, with the memory of an eager load', async (_what, _which, name, policies) => {
    const { results, notes } = await compare(name, '--vcpus', '2', '--policies', policies.join(','))
    expect(results.map(({ policy }) => policy)).toEqual(policies)
    for (const { workDoneNs, resumeNs, fixedNs, ...record } of results) {
      expect(record).toMatchObject({ engine, eexist: 0, errors: 0, storage: 'host' })
      expect(resumeNs).toBeGreaterThanOrEqual(fixedNs)
      expect(workDoneNs).toBeGreaterThan(resumeNs)
    }
    expect(notes[0]).toMatch(`Measured on this host by engine ${engine}`)
  })

  it('asks for no ZEROPAGE over 2 MiB pages, and installs what the simulator says', async context => {
    requireOrSkip(context, hugePageReason(2 * MIB, 32))
    const name = 'synthetic:64MiB,zero=50%,runs=2048,seed=3'
    const options = ['--host-page-size', '2M', '--policies', 'lazy-sweep,working-set:wait=true', '--vcpus', '1']
    const { results } = await compare(name, ...options)
    const predicted = (await runJson<CompareOutput>('compare', name, ...options)).results
    const counts = ({ copies, zeropages, zeroCopies }: RestoreResult) => ({ copies, zeropages, zeroCopies })
    expect(results.map(counts)).toEqual(predicted.map(counts))
    for (const { zeropages, zeroCopies, copies, eexist, errors } of results) {
      expect({ zeropages, eexist, errors, pages: copies + zeroCopies }).toEqual({
        zeropages: 0,
        eexist: 0,
        errors: 0,
        pages: 32,
      })
      expect(zeroCopies).toBeGreaterThan(0)
    }
  })

  it('starts as --warm wants it, and says when a --cold start could not be had', async context => {
    requireOrSkip(context, existsSync('/dev/shm') ? null : 'needs the memory file system /dev/shm')
    const inMemory = async (state: string): Promise<CompareOutput> =>
      parsed(
        await runCliIn(
          { temporaryFolder: '/dev/shm' },
          ...['compare', SYNTHETIC, '--engine', engine, '--policies', 'eager', state, '--json'],
        ),
      )
    const warm = await inMemory('--warm')
    expect(warm.results[0].storage).toBe('host:cache=warm')
    expect(warm.notes.join()).not.toMatch(/page cache/)
    const cold = await inMemory('--cold')
    expect(cold.results[0].storage).toBe('host:cache=cold')
    expect(cold.notes).toContainEqual(
      expect.stringMatching(/^page cache: \S+ MiB of synthetic:16MiB\S+ could not be evicted; the start was not cold$/),
    )
  })

  it('reads from the device after --cold, or says why not', async () => {
    const { results, notes } = await compare(SYNTHETIC, '--cold', '--policies', 'eager')
    if (notes.some(note => /the start was not cold/.test(note))) return
    expect(results[0].deviceBytesRead).toBeGreaterThanOrEqual(results[0].bytesRead)
  })
}

describe('compare --engine uffd', () => comparesOn('uffd'))
describe('compare --engine kvm', { tags: ['kvm'] }, () => comparesOn('kvm'))

describe('what does not go together', () => {
  it.each([
    [['--engine', 'foo'], /^lazyrestore: --engine: found "foo", expected one of sim, uffd, kvm, qemu$/],
    [['--verify'], /^lazyrestore: --verify: found it with --engine sim, which has no memory$/],
    [
      ['--engine', 'uffd', '--storage', 'nvme'],
      /^lazyrestore: storage: found "nvme" for a real restore, expected host/,
    ],
    [['--engine', 'kvm', '--storage', 'host:cache=tepid'], /cache: found "tepid", expected cold or warm$/],
    [
      ['--cold', '--warm'],
      /^lazyrestore: found more than one of --cold, --warm and cache= in --storage, expected one$/,
    ],
    [['--warm', '--storage', 'nvme:cache=cold'], /^lazyrestore: found more than one of --cold, --warm and cache=/],
  ])('%j is refused in one line', async (options, message) => {
    const { exitCode, stdout, stderr } = await runCli('compare', ...options)
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' })
    expect(stderr).toMatch(/^[^\n]+\n$/)
    expect(stderr.trimEnd()).toMatch(message)
  })
})
