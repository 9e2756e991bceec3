import { describe, expect, it } from 'vitest'
import { parseSpec } from '../../src/core/spec-string.ts'
import type { Engine, RestoreRequest } from '../../src/engine/engine.ts'
import type { CpuTimes } from '../../src/experiment/others-load.ts'
import { summariseErrors, validate } from '../../src/experiment/validation.ts'
import { VALIDATION_CASES, type ValidationCase } from '../../src/experiment/validation-cases.ts'
import { POLICIES } from '../../src/policy/registry.ts'
import { renderValidation, renderValidationMarkdown } from '../../src/report/validation-table.ts'
import { createSimEngine } from '../../src/sim/sim-engine.ts'
import { openSynthetic } from '../../src/snapshot/synthetic.ts'
import { parseStorage } from '../../src/storage/device.ts'
import { hostStorage } from '../../src/storage/host-storage.ts'
import { WORKLOADS } from '../../src/workload/registry.ts'

const CASES: readonly ValidationCase[] = [
  { engine: 'uffd', policy: 'lazy', workload: 'uniform:accesses=50', hostPages: '4K', cache: 'warm' },
  { engine: 'kvm', policy: 'eager', workload: 'uniform:accesses=50', hostPages: '4K', cache: 'cold' },
  { engine: 'uffd', policy: 'working-set', workload: 'uniform:accesses=50', hostPages: '4K', cache: 'warm' },
]

/** Measures what the simulator predicts, but longer: 0 % three times, then in turns 900 %, and 10 %, 25 %, 60 %: only the latter count. */
function slower(log: string[]): Engine {
  const sim = createSimEngine()
  const runs = new Map<string, number>()
  return {
    name: 'uffd',
    close: async () => {},
    restore: async (request: RestoreRequest) => {
      const key = request.policy.name
      const run = runs.get(key) ?? 0
      runs.set(key, run + 1)
      log.push(`${key} ${request.storage.name}`)
      const result = await sim.restore({ ...request, storage: parseStorage('nvme:cache=warm') })
      return { ...result, workDoneNs: result.workDoneNs * [1, 1, 1, 10, 1.1, 10, 1.25, 10, 1.6][run] }
    },
  }
}

async function run(log: string[] = [], cpuTimes: () => CpuTimes | null = () => null) {
  const engine = slower(log)
  return validate({
    snapshot: openSynthetic('synthetic:4MiB,zero=50%'),
    cases: CASES,
    repetitions: 3,
    seed: 1,
    predictorOf: () => createSimEngine(),
    engineOf: () => engine,
    beforeRound: async round => void log.push(`round ${round}`),
    predictedStorageOf: () => parseStorage('nvme:cache=warm'),
    measuredStorageOf: cache => hostStorage(`host:cache=${cache}`),
    cpuTimes,
  })
}

describe('a validation', () => {
  it('takes the median of the repetitions, without the first round and the restore before each, as what was measured', async () => {
    const [lazy] = await run()
    const { predicted, measured, error } = lazy
    expect(measured.workDoneNs?.median).toBeCloseTo(predicted.workDoneNs * 1.25)
    expect(measured.workDoneNs?.min).toBeCloseTo(predicted.workDoneNs * 1.1)
    expect(measured.workDoneNs?.max).toBeCloseTo(predicted.workDoneNs * 1.6)
    expect(error.workDoneNs).toBeCloseTo(1 / 1.25 - 1)
    expect([error.bytesRead, error.meanLatencyNs]).toEqual([0, 0])
  })

  it('does restores again while others take CPU time, twice as many as without at most', async () => {
    const log: string[] = []
    let ms = 0
    const busy = () => {
      ms += 100
      return { passedMs: ms, workedMs: ms, ownMs: 0 }
    }
    const results = await run(log, busy)
    expect(log.filter(line => !line.startsWith('round'))).toHaveLength(CASES.length * (3 + 3 + 2 * 3))
    for (const { othersShares } of results) expect(othersShares).toEqual([1, 1, 1])
    for (const { othersShares } of await run()) expect(othersShares).toEqual([])
  })

  it('lets the cases take turns, and prepares the page cache that each wants', async () => {
    const log: string[] = []
    await run(log)
    const round = ['lazy host:cache=warm', 'eager host:cache=cold', 'working-set host:cache=warm']
    const warmUp = round.flatMap(line => [line, line, line])
    expect(log).toEqual([
      'round 0',
      ...warmUp,
      ...[1, 2, 3].flatMap(n => [`round ${n}`, ...round.flatMap(line => [line, line])]),
    ])
  })

  it('has no latency error where nothing faults, and does not count it', async () => {
    const results = await run()
    expect(results[1].error.meanLatencyNs).toBeNull()
    expect(summariseErrors(results, 'meanLatencyNs')?.cases).toBe(2)
    expect(summariseErrors(results, 'workDoneNs')).toMatchObject({ cases: 3 })
    expect(summariseErrors(results, 'workDoneNs')?.median).toBeCloseTo(0.2)
  })

  it('is shown with a row a case and the sums', async () => {
    const results = await run()
    const text = renderValidation(results)
    expect(text.split('\n')).toHaveLength(1 + 3 + 1 + 4 + 1)
    expect(text).toMatch(/^uffd {4}lazy .* −20\.0 %/m)
    expect(text).toMatch(/^work done: median error 20\.0 %, worst 20\.0 %, over 3 cases$/m)
    const markdown = renderValidationMarkdown(results)
    expect(markdown.match(/^\| kvm \| eager \|/gm)).toHaveLength(2)
  })
})

describe('the cases', () => {
  it('are at least 24, all different, of policies and workloads that exist', () => {
    expect(VALIDATION_CASES.length).toBeGreaterThanOrEqual(24)
    expect(new Set(VALIDATION_CASES.map(given => JSON.stringify(given))).size).toBe(VALIDATION_CASES.length)
    for (const { policy, workload } of VALIDATION_CASES) {
      expect(POLICIES.map(({ name }) => name)).toContain(parseSpec(policy).name)
      expect(WORKLOADS.map(({ name }) => name)).toContain(parseSpec(workload).name)
    }
  })

  it('cover every policy, both engines, warm and cold files, small and huge pages', () => {
    const policies = new Set(VALIDATION_CASES.map(({ policy }) => parseSpec(policy).name))
    expect([...policies].toSorted()).toEqual(POLICIES.map(({ name }) => name).toSorted())
    const kinds = new Set(VALIDATION_CASES.map(({ engine, hostPages, cache }) => `${engine} ${hostPages} ${cache}`))
    expect([...kinds]).toEqual(
      expect.arrayContaining(['uffd 4K warm', 'uffd 4K cold', 'uffd 2M warm', 'kvm 4K warm', 'kvm 2M warm']),
    )
  })
})
