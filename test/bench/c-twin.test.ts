/**
 * The simulator against its C twin (bench/c/simulate.c), which shares no code with it: both must end on the same nanosecond,
 * with the same counts. Skipped, and said so, where there is no C compiler; not with LAZYRESTORE_REQUIRE_ALL=1.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fc, test } from '@fast-check/vitest'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { outcomeOf, runTwin, writeTwinInput } from '../../bench/c-twin.ts'
import { compileC, hasCompiler } from '../../bench/compile-c.ts'
import { parseSpec } from '../../src/core/spec-string.ts'
import { parseHostPages } from '../../src/destination/host-pages.ts'
import { createLayout, hostPagesOf } from '../../src/destination/layout.ts'
import { createPolicy } from '../../src/policy/registry.ts'
import { DEFAULT_HOST_PROFILE, hostCosts } from '../../src/sim/host-profile.ts'
import { type SimulationInput, simulate } from '../../src/sim/simulate.ts'
import { openSynthetic } from '../../src/snapshot/synthetic.ts'
import { parseStorage } from '../../src/storage/device.ts'
import { memoryOfSnapshot } from '../../src/workload/memory.ts'
import { createWorkload } from '../../src/workload/registry.ts'

const CASES = 40

const anyPolicy = fc.oneof(
  fc.constantFrom('lazy', 'lazy:direct=true'),
  fc
    .record({
      chunk: fc.constantFrom('4K', '20K', '128K', '1M'),
      rate: fc.constantFrom('0', '0', '50M', '400M'),
      yields: fc.boolean(),
      direct: fc.boolean(),
    })
    .map(
      ({ chunk, rate, yields, direct }) => `lazy-sweep:chunk=${chunk},rate=${rate},yield=${yields},direct=${direct}`,
    ),
)

const anyCase = fc.record({
  policy: anyPolicy,
  storage: fc.constantFrom('nvme', 'nvme:cache=warm', 'virtio-ssd', 'virtio-ssd:depth=2', 'sata-ssd:iops=900'),
  vcpus: fc.constantFrom(1, 2, 16, 64),
  cores: fc.integer({ min: 1, max: 4 }),
  hasRunQueues: fc.boolean(),
  idleSearch: fc.constantFrom(0, 1),
  migrationCostNs: fc.constantFrom(0, 5000, 500_000),
  memory: fc.constantFrom('1MiB', '4MiB', '16MiB'),
  zero: fc.constantFrom('0%', '30%', '60%', '100%'),
  runs: fc.constantFrom(1, 5, 64),
  workload: fc.constantFrom(
    'uniform:accesses=4000,think=700,',
    'uniform:accesses=3000,think=0,',
    'zipf:accesses=9000,think=300,',
    'sequential:think=500,write=0.3,',
    'boot-then-idle:',
    'working-set:',
  ),
  seed: fc.nat(),
})
type Case = typeof anyCase extends fc.Arbitrary<infer T> ? T : never

function inputOf({
  policy,
  storage,
  vcpus,
  cores,
  hasRunQueues,
  idleSearch,
  migrationCostNs,
  memory,
  zero,
  runs,
  workload,
  seed,
}: Case): SimulationInput {
  const snapshot = openSynthetic(`synthetic:${memory},zero=${zero},runs=${runs},seed=${seed}`)
  const layout = createLayout(snapshot, parseHostPages('4K'))
  const accesses = createWorkload(`${workload}vcpus=${vcpus}`, memoryOfSnapshot(snapshot), seed)
  return {
    layout,
    policy: createPolicy(parseSpec(policy), { layout, workingSet: null }),
    workload: accesses,
    hostPage: hostPagesOf(layout, accesses.page),
    storage: parseStorage(storage),
    costs: {
      ...hostCosts(DEFAULT_HOST_PROFILE),
      cores,
      runQueues: hasRunQueues ? cores : 1,
      idleSearch,
      migrationCostNs,
    },
    fixedNs: 1_000_000,
    seed,
  }
}

const required = process.env.LAZYRESTORE_REQUIRE_ALL === '1'
const skip = !required && !hasCompiler()
if (skip) console.warn('C twin: skipped, there is no C compiler (cc)')

describe.skipIf(skip)('the simulator and its C twin', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'lazyrestore-twin-'))
    compileC('simulate')
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test.prop([anyCase], { numRuns: CASES })('end on the same nanosecond', someCase => {
    const input = inputOf(someCase)
    const file = join(folder, 'input')
    writeTwinInput(input, file)
    expect(outcomeOf(simulate(input))).toEqual(runTwin(file, 1).outcome)
  })
})
