/** Taking round trips apart, and the CPUs that they run on. */
import { tmpdir } from 'node:os'
import { median } from 'simple-statistics'
import { describe, expect, it } from 'vitest'
import { createMeasuredFile } from '../../src/calibrate/device/measured-file.ts'
import { measureRoundTrips, samplesOf } from '../../src/calibrate/round-trip/round-trips.ts'
import { type BlockKind, FAULTS_PER_BLOCK, type RoundTripColumns } from '../../src/calibrate/round-trip/schedule.ts'
import { MIB } from '../../src/core/units.ts'
import { probe } from '../../src/uffd/availability.ts'
import { allowedCpus, parseCpuList } from '../../src/uffd/cpu-affinity.ts'
import { kvmReason } from '../../src/uffd/kvm/vm.ts'
import { requireOrSkip } from '../support/availability.ts'

const KINDS: readonly BlockKind[] = [
  'local',
  'hot',
  'remote',
  'together',
  'pending',
  'spinning',
  'guest local',
  'guest remote',
]

/** Every fault starts at 0 and has these times. */
function columnsOf(faults: number, times: { [K in keyof RoundTripColumns]: number }): RoundTripColumns {
  const column = (name: keyof RoundTripColumns) => new Float64Array(faults).fill(times[name])
  return {
    touchNs: column('touchNs'),
    runNs: column('runNs'),
    foundNs: column('foundNs'),
    installNs: column('installNs'),
    installedNs: column('installedNs'),
    restNs: column('restNs'),
    touchCpu: column('touchCpu'),
    answerCpu: column('answerCpu'),
  }
}

describe('a round trip', () => {
  const blocks = 10 * KINDS.length

  it('is taken apart by the kind of its block, and the parts add up to its latency', () => {
    const columns = columnsOf(blocks * FAULTS_PER_BLOCK, {
      touchNs: 100,
      foundNs: 900,
      installNs: 2100,
      installedNs: 5100,
      restNs: 5800,
      runNs: 9100,
      touchCpu: 0,
      answerCpu: 1,
    })
    const samples = samplesOf({ kinds: KINDS, columns }, blocks)
    const first = Object.fromEntries([...samples].map(([measure, values]) => [measure, values[0]]))
    expect(first).toEqual({
      'local message': 2000,
      'local install': 3000,
      'local run': 4000,
      'local latency': 9000,
      'local after 1000': 9000,
      'local after 5000': 9000,
      'local after 20000': 9000,
      'local after 10000': 9000,
      'local after 50000': 9000,
      'remote message': 2000,
      'remote install': 3000,
      'remote run': 4000,
      'remote latency': 9000,
      together: 0,
      message: 1200,
      trap: 800,
      rest: 700,
      'guest local latency': 9000,
      'guest remote latency': 9000,
    })
    // The first quarter of the blocks is warming up.
    expect(samples.get('trap')).toHaveLength(8 * FAULTS_PER_BLOCK)
  })

  it('on one CPU ends for the answering thread where the toucher goes on inside the call that woke it', () => {
    const columns = columnsOf(blocks * FAULTS_PER_BLOCK, {
      touchNs: 0,
      foundNs: 0,
      installNs: 1000,
      installedNs: 60_000,
      restNs: 61_000,
      runNs: 4000,
      touchCpu: 0,
      answerCpu: 0,
    })
    const samples = samplesOf({ kinds: KINDS, columns }, blocks)
    expect(samples.get('local install')![0]).toBe(3000)
    expect(samples.get('local run')![0]).toBe(0)
    // On two it goes on beside the call.
    expect(samples.get('remote install')![0]).toBe(59_000)
    expect(samples.get('remote run')![0]).toBe(0)
  })
})

describe('a round trip on this host', () => {
  it("is answered by the engine's handler, page by page, in blocks of every kind", async context => {
    requireOrSkip(context, probe().userfaultfd)
    const file = createMeasuredFile(tmpdir(), 16 * MIB)
    try {
      const { buffered, byteLength } = file
      const samples = await measureRoundTrips({ file: buffered, fileBytes: byteLength, guest: false, budgetMs: 2000 })
      const kinds = allowedCpus().length > 1 ? ['local', 'remote'] : ['local']
      for (const kind of kinds) {
        const [message, install, run, latency] = ['message', 'install', 'run', 'latency'].map(
          part => samples.get(`${kind} ${part}`)!,
        )
        expect(message.length, kind).toBeGreaterThanOrEqual(FAULTS_PER_BLOCK)
        for (const [i, ns] of latency.entries()) {
          expect(Math.min(message[i], install[i]), kind).toBeGreaterThan(0)
          // More, where the thread runs on its CPU before the call that woke it has ended.
          expect(message[i] + install[i] + run[i], kind).toBeGreaterThan(ns - 1)
        }
      }
      // Each has both of its times: one that is missing would be 0, and the time between them as long as the host is up.
      for (const part of allowedCpus().length > 1 ? ['trap', 'message', 'rest'] : []) {
        expect(Math.max(...samples.get(part)!.map(Math.abs)), part).toBeLessThan(1e9)
      }
    } finally {
      file.close()
    }
  })

  it('fails as its handler fails, not as the thread that then waits for nothing', async context => {
    requireOrSkip(context, probe().userfaultfd)
    const file = createMeasuredFile(tmpdir(), 16 * MIB)
    try {
      const job = { file: file.buffered, fileBytes: 64 * MIB, guest: false, budgetMs: 5000 }
      await expect(measureRoundTrips(job)).rejects.toThrow(/found \d+ bytes, expected 4096/)
    } finally {
      file.close()
    }
  })

  it('has blocks of every kind, even if there is no time for them', async context => {
    requireOrSkip(context, probe().userfaultfd)
    const file = createMeasuredFile(tmpdir(), 32 * MIB)
    try {
      const { buffered, byteLength } = file
      const samples = await measureRoundTrips({ file: buffered, fileBytes: byteLength, guest: false, budgetMs: 0 })
      const kinds =
        allowedCpus().length > 1
          ? ['local message', 'local after 1000', 'message', 'trap', 'remote message']
          : ['local message', 'local after 1000']
      for (const kind of kinds) expect(samples.get(kind)?.length, kind).toBeGreaterThanOrEqual(FAULTS_PER_BLOCK)
      // Of these a few of each block count.
      if (allowedCpus().length > 1) expect(samples.get('together')?.length).toBeGreaterThanOrEqual(FAULTS_PER_BLOCK / 2)
    } finally {
      file.close()
    }
  })

  it("of a KVM guest takes longer than a thread's, as its page is mapped twice", { tags: ['kvm'] }, async context => {
    requireOrSkip(context, allowedCpus().length > 1 ? null : 'one CPU')
    requireOrSkip(context, kvmReason())
    const file = createMeasuredFile(tmpdir(), 16 * MIB)
    try {
      const { buffered, byteLength } = file
      const samples = await measureRoundTrips({ file: buffered, fileBytes: byteLength, guest: true, budgetMs: 2000 })
      const [guest, thread] = ['guest local latency', 'local latency'].map(measure =>
        median([...samples.get(measure)!]),
      )
      expect(guest).toBeGreaterThan(thread)
    } finally {
      file.close()
    }
  })
})

describe("the kernel's lists of CPUs", () => {
  it.each([
    ['0', [0]],
    ['0-3\n', [0, 1, 2, 3]],
    ['1,4-6,9', [1, 4, 5, 6, 9]],
    ['', []],
  ])('are read: %j', (text, cpus) => expect(parseCpuList(text)).toEqual(cpus))

  it('name a CPU that this process may run on', () => expect(allowedCpus().length).toBeGreaterThan(0))
})
