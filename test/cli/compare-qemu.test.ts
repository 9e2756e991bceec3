/** `compare --engine qemu`: a QEMU of this host as the destination, through the command line, and what is refused. */
import { describe, expect, it } from 'vitest'
import type { RestoreResult } from '../../src/engine/result.ts'
import type { RoundsResult } from '../../src/experiment/rounds.ts'
import { fixtureFile, qemuCommand, qemuReason } from '../qemu/support.ts'
import { requireForEach } from '../support/availability.ts'
import { runCli, runJson } from './run-cli.ts'

const POLICIES = ['eager', 'lazy-sweep', 'working-set']
const UNTIL = ['--until', 'serial:W', '--send', 'w']

interface Output {
  readonly results: readonly RestoreResult[]
  readonly rounds: RoundsResult
  readonly notes: readonly string[]
}

describe('compare --engine qemu', () => {
  requireForEach(qemuReason)

  it('restores under each policy, cold and warm, and predicts the same', async () => {
    const { path, rom } = fixtureFile('pc-16m')
    const command = qemuCommand(rom, 'default').join(' ')
    const options = ['--engine', 'qemu', '--qemu', command, ...UNTIL, '--policies', POLICIES.join(','), '--rounds', '1']
    const { results, rounds, notes } = await runJson<Output>('compare', path, ...options, '--cold', '--warm')
    expect(results.map(({ policy, storage }) => `${policy} ${storage}`)).toEqual(
      ['cold', 'warm'].flatMap(state => POLICIES.map(policy => `${policy} host:cache=${state}`)),
    )
    expect(rounds.rows.map(({ predicted }) => predicted.policy)).toEqual(results.map(({ policy }) => policy))
    for (const { measured, predicted } of rounds.rows) {
      expect(measured.workDoneNs!.median).toBeGreaterThanOrEqual(measured.resumeNs!.median)
      expect(predicted).toMatchObject({ engine: 'sim', workload: results[0].workload })
    }
    for (const { policy, faults, resumeNs, residentNs, copies, ...record } of results) {
      expect(record).toMatchObject({ engine: 'qemu', errors: 0, fixedNs: 0 })
      // This guest's memory is touched at 389 places, and its ROM and devices at some more.
      expect(record.workload.accesses).toBeGreaterThan(300)
      expect(copies).toBe(200)
      // All pages with data are there before it runs; one that is zero it may still ask for, by what its devices happen to do.
      if (policy === 'eager') expect(faults).toBeLessThan(3)
      else expect(resumeNs).toBeLessThan(residentNs!)
    }
    expect(notes.join('\n')).toMatch(/eager: this QEMU cannot load such a file itself \(mapped-ram, QEMU >= 9\.0\)/)
  })
})

describe('compare --engine qemu refuses', () => {
  it.each([
    [['--engine', 'qemu'], /^lazyrestore: --engine qemu: found no --qemu, expected --qemu 'COMMAND LINE'$/],
    [['--engine', 'qemu', '--qemu', 'q'], /: found no --until, expected --until serial:TEXT, port:N or guest-agent$/],
    [['--engine', 'qemu', '--qemu', "'q", '--until', 'port:1'], /--qemu: found a ' without an end/],
    [['--engine', 'qemu', '--qemu', 'q', '--until', 'serial:W'], /expected -serial unix:@SERIAL,server=on,wait=off$/],
    [
      ['--engine', 'uffd', '--until', 'port:1'],
      /^lazyrestore: --until: found it with --engine uffd, expected --engine qemu$/,
    ],
    [['--rounds', '2'], /^lazyrestore: --rounds: found 2, expected 1 with --engine sim/],
  ])('%j in one line', async (options, message) => {
    const { exitCode, stdout, stderr } = await runCli('compare', ...options)
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' })
    expect(stderr).toMatch(/^[^\n]+\n$/)
    expect(stderr.trimEnd()).toMatch(message)
  })

  it('a snapshot without device state, before anything is started', async () => {
    const { exitCode, stderr } = await runCli(
      ...['compare', 'synthetic:4MiB', '--engine', 'qemu', '--qemu', 'no-such-qemu', '--until', 'port:1'],
    )
    expect(exitCode).toBe(1)
    expect(stderr).toMatch(/found a snapshot without device state/)
  })

  it('a QEMU that does not start, with what was said', async () => {
    const { path } = fixtureFile('pc-16m')
    const { exitCode, stderr } = await runCli(
      ...['compare', path, '--engine', 'qemu', '--qemu', 'no-such-qemu', '--until', 'port:1'],
    )
    expect(exitCode).toBe(1)
    expect(stderr).toMatch(/no-such-qemu: ended before it could be used: .*ENOENT/)
  })
})
