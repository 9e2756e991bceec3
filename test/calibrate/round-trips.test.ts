/** Taking round trips apart, and the CPUs that they run on. */
import { describe, expect, it } from 'vitest'
import { allowedCpus, parseCpuList } from '../../src/calibrate/round-trip/place.ts'
import { samplesOf } from '../../src/calibrate/round-trip/round-trips.ts'
import { type BlockKind, FAULTS_PER_BLOCK, type RoundTripColumns } from '../../src/calibrate/round-trip/schedule.ts'

const KINDS: readonly BlockKind[] = ['local', 'remote', 'pending', 'spinning']

/** Every fault starts at 0 and has these times. */
function columnsOf(faults: number, times: { [K in keyof RoundTripColumns]: number }): RoundTripColumns {
  const column = (name: keyof RoundTripColumns) => new Float64Array(faults).fill(times[name])
  return {
    touchNs: column('touchNs'),
    runNs: column('runNs'),
    foundNs: column('foundNs'),
    readNs: column('readNs'),
    installedNs: column('installedNs'),
  }
}

describe('a round trip', () => {
  const blocks = 40

  it('is taken apart by the kind of its block, and the parts add up to its latency', () => {
    const columns = columnsOf(blocks * FAULTS_PER_BLOCK, {
      touchNs: 100,
      foundNs: 900,
      readNs: 2100,
      installedNs: 5100,
      runNs: 9100,
    })
    const samples = samplesOf({ kinds: KINDS, columns }, blocks)
    const first = Object.fromEntries([...samples].map(([measure, values]) => [measure, values[0]]))
    expect(first).toEqual({
      'local message': 2000,
      'local install': 3000,
      'local run': 4000,
      'local latency': 9000,
      'remote message': 2000,
      'remote install': 3000,
      'remote run': 4000,
      'remote latency': 9000,
      'message read': 1200,
      trap: 800,
    })
    // Of ten blocks of each kind, the first four are warming up.
    expect(samples.get('trap')).toHaveLength(6 * FAULTS_PER_BLOCK)
  })

  it('on one CPU ends for the answering thread where the toucher goes on inside the call that woke it', () => {
    const columns = columnsOf(blocks * FAULTS_PER_BLOCK, {
      touchNs: 0,
      foundNs: 0,
      readNs: 1000,
      installedNs: 60_000,
      runNs: 4000,
    })
    const samples = samplesOf({ kinds: KINDS, columns }, blocks)
    expect(samples.get('local install')![0]).toBe(3000)
    expect(samples.get('local run')![0]).toBe(0)
    expect(samples.get('remote install')![0]).toBe(59_000)
    expect(samples.get('remote run')![0]).toBe(0)
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
