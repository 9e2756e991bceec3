/** `validate` through the command line: what it refuses before it measures, and one case on the real kernel. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { probe } from '../../src/uffd/availability.ts'
import { requireOrSkip } from '../support/availability.ts'
import { writeProfile } from './profile-file.ts'
import { runCli, runCliIn } from './run-cli.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lazyrestore-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const profileFile = (name: string, withDevice: boolean): string => writeProfile(join(folder, name), withDevice)

describe('what cannot be validated is refused before anything is measured', () => {
  it.each([
    [['--only', 'nonsense'], /--only: found "nonsense", which no case has/],
    [['--repetitions', '0'], /--repetitions: found 0, expected at least 1/],
    [['--max-error', '2'], /--max-error: found "2", expected a share/],
  ] as const)('%j', async (options, reason) => {
    const { exitCode: status, stderr } = await runCli('validate', ...options)
    expect([status, stderr]).toEqual([2, expect.stringMatching(reason)])
  })

  it('a profile that has no device', async () => {
    const { exitCode: status, stderr } = await runCli('validate', '--profile', profileFile('no-device.json', false))
    expect([status, stderr]).toEqual([2, expect.stringMatching(/found a profile without a device/)])
  })
})

it('a folder in memory is refused after the first calibration, not when all is measured', async context => {
  requireOrSkip(context, probe().userfaultfd)
  requireOrSkip(context, existsSync('/dev/shm') ? null : 'no /dev/shm')
  const setting = { temporaryFolder: '/dev/shm' }
  const { exitCode, stderr } = await runCliIn(setting, 'validate', '--only', 'uffd,read-around,sequential')
  expect([exitCode, stderr]).toEqual([
    1,
    expect.stringMatching(/^lazyrestore: \/dev\/shm: .*tmpfs.*TMPDIR names another/m),
  ])
})

it('a case is predicted, measured and compared, and the tables are written', async context => {
  requireOrSkip(context, probe().userfaultfd)
  const markdown = join(folder, 'tables.md')
  const only = ['--only', 'uffd,read-around,sequential', '--repetitions', '1', '--max-error', '100%']
  const profile = profileFile('profile.json', true)
  const { exitCode: status, stdout } = await runCli(
    'validate',
    ...only,
    '--profile',
    profile,
    '--markdown',
    markdown,
    '--json',
  )
  // How far off it is depends on the host, and the profile is another one's.
  expect([0, 1]).toContain(status)
  const { results } = JSON.parse(stdout)
  expect(results).toHaveLength(1)
  const [{ given, predicted, measured, error }] = results
  expect(given).toMatchObject({ engine: 'uffd', policy: 'read-around', cache: 'warm' })
  expect(measured.bytesRead.median).toBe(predicted.bytesRead)
  expect(error.workDoneNs).toBeCloseTo(predicted.workDoneNs / measured.workDoneNs.median - 1)
})
