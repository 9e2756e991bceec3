/** The whole command on this host: everything is measured, plausible, and in time. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HugePageProbe } from '../../src/calibrate/probes/install-probes.ts'
import { MIB } from '../../src/core/units.ts'
import { deviceOf, hostCosts } from '../../src/sim/host-profile.ts'
import { parseHostProfile } from '../../src/sim/host-profile-file.ts'
import { probe } from '../../src/uffd/availability.ts'
import { kvmReason } from '../../src/uffd/kvm/vm.ts'
import { type CliRun, runCli } from '../cli/run-cli.ts'
import { requireOrSkip } from '../support/availability.ts'
import { reserveHugePages } from '../support/huge-pages.ts'

/** Plain bounds for every machine, busy ones too; a cost outside of them is a broken measurement. */
const LEAST_NS = 5
const MOST_NS = 5e6
const LIMIT_MS = 45_000
/** Figures that are taken off each other, of which nothing may be left: on a busy machine both are rough. */
const DIFFERENCES = /wake|sleep|trap|fill4k|shadow|shootdown|cold|messageRead/i

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lazyrestore-calibrate-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** Twice what it takes: other tests give pages of theirs back meanwhile. */
reserveHugePages(2 * MIB, 2 * HugePageProbe.pages)

describe('calibrate --quick', () => {
  let run: CliRun
  let file: string
  beforeAll(async () => {
    file = join(folder, 'host.json')
    run = await runCli('calibrate', '--quick', '-o', file, '--file-folder', folder)
  }, LIMIT_MS)

  it('measures every parameter that this host can measure, each in a plausible range', async context => {
    requireOrSkip(context, probe().userfaultfd)
    expect([run.stderr, run.exitCode]).toEqual(['', 0])
    const profile = parseHostProfile(JSON.parse(await readFile(file, 'utf8')), file)
    const { source: hugePages } = profile.parameters.copyHuge2mNs
    const missesHugePages = hugePages.startsWith('not measured here (hugetlb: found ')
    const hasGuest = kvmReason() === null
    for (const [name, { value, source, spread }] of Object.entries(profile.parameters)) {
      if (
        !name.endsWith('Ns') ||
        name === 'migrationCostNs' ||
        name === 'coolingNs' ||
        (missesHugePages && /2mNs$/.test(name))
      )
        continue
      if (!hasGuest && name.startsWith('guest')) continue
      expect(source, name).toMatch(/^measured: /)
      expect(value, name).toBeGreaterThanOrEqual(DIFFERENCES.test(name) ? 0 : LEAST_NS)
      expect(value, name).toBeLessThan(MOST_NS)
      expect(spread!.p10, name).toBeLessThanOrEqual(spread!.p90)
    }
    const { cores, faultAroundPages, readaheadPages, guestFaultPages } = hostCosts(profile)
    expect(Math.min(cores, faultAroundPages)).toBeGreaterThan(0)
    expect([1, 2, 4, 8, 16, 32, 64]).toContain(guestFaultPages)
    expect(readaheadPages).toBeGreaterThanOrEqual(0)
  })

  it('measures the device where the folder has one', async context => {
    const profile = parseHostProfile(JSON.parse(await readFile(file, 'utf8')), file)
    requireOrSkip(context, profile.facts!.fileSystem === 'tmpfs' ? `${folder} is in memory` : null)
    const device = deviceOf(profile)!
    expect(device.latencyNs).toBeLessThan(1e9)
    expect(device.iopsLimit).toBeGreaterThan(10)
    expect(device.bandwidthBytesPerS).toBeGreaterThan(MIB)
    expect(device.queueDepth).toBeGreaterThan(0)
    expect(device.cpuPerReadNs).toBeGreaterThan(0)
  })

  it('shows a table with the default profile beside it', () => {
    expect(run.stdout).toMatch(/^parameter +value +p10 +p90 +default +ratio$/m)
    expect(run.stdout).toMatch(/^copyAnon4kNs +\d.*x$/m)
  })

  it('leaves nothing but the profile in the folder', async () => {
    expect(await readdir(folder)).toEqual(['host.json'])
  })

  it('makes a profile whose device a comparison can use', async context => {
    const profile = parseHostProfile(JSON.parse(await readFile(file, 'utf8')), file)
    requireOrSkip(context, profile.device === undefined ? 'no device was measured' : null)
    const restore = ['synthetic:16MiB', '--policies', 'lazy', '--profile', file, '--storage', 'host']
    const { exitCode, stderr } = await runCli('compare', ...restore, '--json')
    expect([stderr, exitCode]).toEqual(['', 0])
  })
})

describe('calibrate', () => {
  it('says which folder cannot be written to', async () => {
    const { exitCode, stderr } = await runCli('calibrate', '--quick', '--file-folder', join(folder, 'absent'))
    expect(exitCode).toBe(1)
    expect(stderr).toMatch(/^lazyrestore: .*absent: ENOENT/)
  })

  it.each([
    ['/no/such/host.json', /^lazyrestore: \/no\/such\/host\.json: found no folder \/no\/such to write it to\n$/],
    [tmpdir(), /: found a directory, expected a file to write\n$/],
  ])('says before it measures that %s cannot be written', async (output, message) => {
    const run = await runCli('calibrate', '-o', output)
    expect(run.stderr).toMatch(message)
    expect(run).toMatchObject({ exitCode: 1, stdout: '' })
  })

  it('is needed for the device of a profile', async () => {
    const { exitCode, stderr } = await runCli('compare', 'synthetic:16MiB', '--policies', 'lazy', '--storage', 'host')
    expect(exitCode).toBe(2)
    expect(stderr).toMatch(/^lazyrestore: storage host: found a profile without a device, expected one/)
  })
})
