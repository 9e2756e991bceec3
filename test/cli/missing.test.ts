/** What the command line says, in one line and with exit code 1, where the host lacks something; and that the rest still works. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Availability, probe } from '../../src/uffd/availability.ts'
import { PAGE, pageOf, sparseFile } from '../snapshot/formats/support.ts'
import { requireForEach, requireOrSkip } from '../support/availability.ts'
import { installCopy } from '../support/installation.ts'
import { writeProfile } from './profile-file.ts'
import { type CliSetting, parsed, runCliIn } from './run-cli.ts'

const NOBODY = 65534
const SNAPSHOT = 'synthetic:16MiB'
const complete = installCopy({ optional: true })
const withoutKoffi = installCopy({ optional: false })

const rootReason = (): string | null => (process.getuid?.() === 0 ? null : 'needs root, to take something away')

async function expectRefusal(setting: CliSetting, args: readonly string[], message: RegExp): Promise<void> {
  const { exitCode, stdout, stderr } = await runCliIn(setting, ...args)
  expect(stderr).toMatch(/^[^\n]+\n$/)
  expect(stderr.trimEnd()).toMatch(message)
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
}

const commands = (engine: string): string[][] => [
  ['compare', SNAPSHOT, '--engine', engine],
  ['trace', 'record', SNAPSHOT, '--engine', engine, '-o', join(complete, 'never.lrtrace')],
]

describe('without koffi', () => {
  const setting = { root: withoutKoffi }

  it.each(['uffd', 'kvm'])('--engine %s says how to install it', async engine => {
    for (const args of commands(engine)) {
      await expectRefusal(
        setting,
        args,
        /^lazyrestore: --engine \w+: the optional package koffi is not installed; run: npm install --include=optional$/,
      )
    }
  })

  it('the simulator, inspect and traces work', async () => {
    for (const args of [
      ['compare', SNAPSHOT, '--json'],
      ['inspect', SNAPSHOT, '--hash', '--json'],
      ['trace', 'generate', SNAPSHOT, '-o', join(withoutKoffi, 'run.lrtrace')],
    ]) {
      expect(await runCliIn(setting, ...args)).toMatchObject({ exitCode: 0, stderr: '' })
    }
  })

  it('a sparse image is read as if it had no holes, and a diff, which is made of them, is refused', async () => {
    const at = (name: string) => join(withoutKoffi, name)
    await sparseFile(at('base.raw'), 8 * PAGE, [[PAGE, pageOf(1)]])
    const { stdout } = await runCliIn(setting, 'inspect', at('base.raw'))
    expect(stdout).toMatch(/ram +32 KiB +4 KiB +0x0 +8 +0\n/)
    writeFileSync(at('list'), 'lazyrestore layers 1\nbase.raw\nbase.raw\n')
    await expectRefusal(
      setting,
      ['inspect', at('list')],
      /base\.raw: 0x0: data of the diff: found no holes, .*, expected holes/,
    )
  })

  it('the library can be imported, and its real engines say what is missing at the restore', () => {
    const program = `
      import { createKvmEngine, createLayout, createUffdEngine, createWorkload, hostStorage, memoryOfSnapshot, openSnapshot,
        parseHostPages, parseSpec, probe, snapshotPages, writeSnapshot } from 'lazyrestore'
      const synthetic = await openSnapshot('synthetic:1MiB')
      await writeSnapshot('vm.mig', { format: 'mapped-ram', machine: 'test', blocks: synthetic.blocks, fillPages: snapshotPages(synthetic) })
      const snapshot = await openSnapshot('vm.mig')
      const found = [probe().koffi]
      for (const engine of [createUffdEngine(), createKvmEngine()]) {
        const request = { layout: createLayout(snapshot, parseHostPages('4K')), policy: parseSpec('lazy'),
          workload: createWorkload('sequential', memoryOfSnapshot(snapshot), 1), storage: hostStorage('host'),
          workingSet: null, seed: 1, fixedNs: 0 }
        found.push(await engine.restore(request).catch(({ name, code, message }) => [name, code, message].join(' ')))
        await engine.close()
      }
      console.log(JSON.stringify(found))`
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], { cwd: withoutKoffi })
    const message = 'the optional package koffi is not installed; run: npm install --include=optional'
    const refusal = `LazyRestoreError unsupported ${message}`
    expect(JSON.parse(output.toString())).toEqual([message, refusal, refusal])
  })
})

describe('as nobody', () => {
  requireForEach(() => rootReason() ?? probe().koffi)
  const setting = { root: complete, userId: NOBODY, temporaryFolder: '/tmp' }

  it.each(['uffd', 'kvm'])('--engine %s says how to be permitted userfaultfd', async engine => {
    for (const args of commands(engine)) {
      await expectRefusal(
        setting,
        args,
        /^lazyrestore: --engine \w+: userfaultfd: not permitted; run as root: setfacl .*\/dev\/userfaultfd/,
      )
    }
  })

  it('probe says it as well, and succeeds', async () => {
    const found = parsed<Availability>(await runCliIn(setting, 'probe', '--json'))
    expect(found).toMatchObject({ koffi: null, userfaultfd: expect.stringMatching(/^userfaultfd: not permitted;/) })
  })
})

describe('without /dev', () => {
  requireForEach(() => rootReason() ?? unshareReason() ?? probe().userfaultfd)
  const empty = join(complete, 'empty')
  mkdirSync(empty)
  const setting = {
    prefix: ['unshare', '--mount', 'sh', '-c', `mount --bind ${empty} /dev && exec "$@"`, 'sh'],
  }

  it('--engine kvm says which module to load', async () => {
    for (const args of commands('kvm')) {
      await expectRefusal(
        setting,
        args,
        /^lazyrestore: --engine kvm: kvm: no \/dev\/kvm; run as root: modprobe kvm_intel/,
      )
    }
  })

  it('validate leaves out what needs a guest, and says so; of guests alone nothing is left', async () => {
    const profile = writeProfile(join(complete, 'host.json'), true)
    const one = ['--profile', profile, '--repetitions', '1', '--max-error', '100%']
    const run = await runCliIn(setting, 'validate', 'synthetic:32MiB', '--only', 'lazy-sweep,warm,4K', ...one)
    expect(run.stderr).toBe('')
    expect(run.stdout).toMatch(/^1 case is left out: kvm: no \/dev\/kvm; run as root: modprobe kvm_intel.*\.$/m)
    expect(run.stdout).toMatch(/over 2 cases/)
    await expectRefusal(
      setting,
      ['validate', '--only', 'kvm', ...one],
      /^lazyrestore: validate: kvm: no \/dev\/kvm; run as/,
    )
  })

  it('--engine uffd works by the system call', async () => {
    const run = await runCliIn(setting, 'compare', SNAPSHOT, '--engine', 'uffd', '--policies', 'lazy', '--verify')
    expect(run).toMatchObject({ exitCode: 0, stderr: '' })
  })
})

it('without huge pages, a restore onto them says how to get them', async context => {
  requireOrSkip(context, probe().userfaultfd)
  const { free } = probe().hugetlb1g
  requireOrSkip(context, free === 0 ? null : `needs no free page of 1 GiB, found ${free}`)
  await expectRefusal(
    {},
    ['compare', 'synthetic:1GiB,zero=99%', '--engine', 'uffd', '--host-page-size', '1G', '--policies', 'lazy'],
    /^lazyrestore: hugetlb: (found 0 free pages of 1 GiB, expected 1; run as root: echo 1 >|this host has no huge pages of)/,
  )
})

function unshareReason(): string | null {
  try {
    execFileSync('unshare', ['--mount', 'true'], { stdio: 'ignore' })
    return null
  } catch {
    return 'needs the command unshare, and to be allowed a mount namespace'
  }
}
