/** `burst` end to end. */
import { describe, expect, it } from 'vitest'
import type { BurstResult } from '../../src/burst/result.ts'
import { runCli, runJson } from './run-cli.ts'

const SMALL = ['burst', 'synthetic:8MiB,zero=50%', '--workload', 'working-set:pages=200,vcpus=1', '--restores', '20']

describe('burst', () => {
  it('says what each policy is worth to the fleet, as JSON', async () => {
    const options = ['--policies', 'lazy,reap:handlers=2', '--hosts', '4', '--arrivals', 'poisson:rate=50', '--json']
    const { results } = await runJson<{ results: BurstResult[] }>(...SMALL, ...options, '--storage', 'object-store')
    expect(results.map(({ policy, restores, hosts }) => [policy, restores, hosts])).toEqual([
      ['lazy', 20, 4],
      ['reap:handlers=2', 20, 4],
    ])
    for (const { workDoneNs, resumeNs, aloneNs, slowdown } of results) {
      expect(workDoneNs.min).toBeGreaterThan(resumeNs.min)
      expect(workDoneNs.max).toBeGreaterThanOrEqual(workDoneNs.p50)
      expect(slowdown).toBeCloseTo(workDoneNs.p50 / aloneNs, 10)
    }
  })

  it('prints a table, the same for the same seed', async () => {
    const { exitCode, stdout } = await runCli(...SMALL, '--policies', 'lazy,eager', '--variants', '3', '--cores', '8')
    expect(exitCode).toBe(0)
    expect(stdout).toContain('20 restores, at-once, on 1 host of 8 cores')
    expect(stdout).toMatch(/^policy +resume p50 +work done p50 +p90 +p99 +max +alone/m)
    expect(stdout).toMatch(/^lazy .* never /m)
    const again = await runCli(...SMALL, '--policies', 'lazy,eager', '--variants', '3', '--cores', '8')
    expect(again.stdout).toBe(stdout)
  })

  it.each([
    [['--hosts', '21'], 'hosts: found 21, expected from 1 to 20'],
    [['--arrivals', 'soon'], 'arrivals: found "soon", expected at-once'],
    [['--variants', '0'], '--variants: found 0, expected from 1 to 1000'],
    [['--policies', 'hopeful'], 'policy: found "hopeful", expected one of'],
    [['--storage', 'floppy'], 'storage: found "floppy", expected one of'],
  ])('%j is refused', async (options, message) => {
    const { exitCode, stderr } = await runCli(...SMALL, ...options)
    expect(exitCode).toBe(2)
    expect(stderr).toContain(message)
  })
})
