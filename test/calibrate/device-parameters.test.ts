/** Fitting the device model to a device that behaves as the model says, and to one that does not. */
import { describe, expect, it } from 'vitest'
import type { Phase, PhaseResult } from '../../src/calibrate/device/device-load.ts'
import { deviceParameters } from '../../src/calibrate/device/device-parameters.ts'
import { DEVICE_PHASES, type PhaseRounds, readSamples } from '../../src/calibrate/device/device-phases.ts'
import { SPACES_NS, spaceOf } from '../../src/calibrate/device/reader-job.ts'
import { type DeviceParameters, gateTimes } from '../../src/storage/device.ts'
import { DeviceQueue, latencyTable } from '../../src/storage/device-queue.ts'

const MODEL: DeviceParameters = {
  latencyNs: 60_000,
  latencyP99Ns: 240_000,
  bandwidthBytesPerS: 2e9,
  iopsLimit: 100_000,
  queueDepth: 32,
  haltPollNs: 200_000,
  idleWakeNs: 70_000,
  cpuPerReadNs: 5000,
  cpuPerRead4kNs: 250,
}

/** What a phase of the model delivers, with every latency once. */
function phaseOf({ threads, readBytes, way }: Phase, model: DeviceParameters): PhaseResult {
  const { nsPerRead, nsPerByte } = gateTimes(model)
  const gateNs = nsPerRead + readBytes * nsPerByte
  const cpuPerReadNs = model.cpuPerReadNs + (readBytes / 4096) * model.cpuPerRead4kNs
  const latenciesNs = latencyTable(model).map((ns, read) => {
    const pauseNs = way === 'spaced' ? SPACES_NS[spaceOf(read)] + cpuPerReadNs : 0
    return ns + gateNs + cpuPerReadNs + (pauseNs > model.haltPollNs ? model.idleWakeNs : 0)
  })
  const meanNs = latenciesNs.reduce((sum, ns) => sum + ns, 0) / latenciesNs.length
  const readsPerS = Math.min(1e9 / gateNs, (threads * 1e9) / meanNs)
  return { latenciesNs, readsPerS, bytesPerS: readsPerS * readBytes, cpuPerReadNs }
}

function roundsOf(model: DeviceParameters): PhaseRounds[] {
  return DEVICE_PHASES.map(phase => ({ phase, results: [0, 1, 2].map(() => phaseOf(phase, model)) }))
}

/** The same where no more than so many reads of 4 KiB a second were had. */
function slowed(rounds: readonly PhaseRounds[], readsPerS: number): PhaseRounds[] {
  return rounds.map(({ phase, results }) => {
    if (phase.readBytes > 4096) return { phase, results }
    return { phase, results: results.map(result => ({ ...result, readsPerS })) }
  })
}

const valuesOf = (rounds: readonly PhaseRounds[]): DeviceParameters => {
  const entries = Object.entries(deviceParameters(rounds)).map(([name, { value }]) => [name, value])
  return Object.fromEntries(entries)
}

describe('device parameters', () => {
  it('are found again from what the model delivers', () => {
    const found = valuesOf(roundsOf(MODEL))
    expect(found.latencyNs / MODEL.latencyNs).toBeCloseTo(1, 2)
    expect(found.latencyP99Ns / MODEL.latencyP99Ns).toBeCloseTo(1, 1)
    expect(found.bandwidthBytesPerS / MODEL.bandwidthBytesPerS).toBeCloseTo(1, 2)
    expect(found.iopsLimit / MODEL.iopsLimit).toBeCloseTo(1, 2)
    expect(found.haltPollNs).toBe(MODEL.haltPollNs)
    expect(found.idleWakeNs / MODEL.idleWakeNs).toBeCloseTo(1, 1)
    expect([found.cpuPerReadNs, found.cpuPerRead4kNs]).toEqual([MODEL.cpuPerReadNs, MODEL.cpuPerRead4kNs])
    expect(found.queueDepth).toBeGreaterThanOrEqual(8)
    expect(found.queueDepth).toBeLessThanOrEqual(32)
  })

  it('give a read alone the time that it takes, even where busy CPUs kept many from the ceiling', () => {
    const { latencyNs, iopsLimit, cpuPerReadNs, cpuPerRead4kNs } = valuesOf(slowed(roundsOf(MODEL), 9000))
    const measuredNs = MODEL.latencyNs + 1e9 / MODEL.iopsLimit + MODEL.cpuPerReadNs + MODEL.cpuPerRead4kNs
    expect((latencyNs + 1e9 / iopsLimit + cpuPerReadNs + cpuPerRead4kNs) / measuredNs).toBeCloseTo(1, 2)
    expect(latencyNs).toBeGreaterThan(1)
  })

  it('let many reads come near the ceiling, whatever the tail of the latency, even where none were measured to', () => {
    const wide = { ...MODEL, latencyNs: 5000, latencyP99Ns: 1_000_000 }
    const found = valuesOf(slowed(roundsOf(wide), 9000))
    const device = new DeviceQueue(found, 1)
    let doneNs = 0
    for (let read = 0; read < 20_000; read++) doneNs = Math.max(doneNs, device.submit(0, 4096))
    expect((20_000 * 1e9) / doneNs / found.iopsLimit).toBeGreaterThan(0.7)
  })

  it('have a bandwidth where small reads were slower than large ones', () => {
    // A read of 1 MiB takes 530 µs at the gate; half of that at least is for its bytes.
    const { bandwidthBytesPerS } = valuesOf(slowed(roundsOf({ ...MODEL, latencyNs: 5e6, latencyP99Ns: 5e6 }), 100))
    expect(bandwidthBytesPerS).toBeGreaterThan(1e8)
    expect(bandwidthBytesPerS).toBeLessThan(8e9)
  })

  it.each([
    ['never sleeps', { idleWakeNs: 0 }],
    ['sleeps at once', { haltPollNs: 0 }],
    ['sleeps later than any pause', { haltPollNs: 1e9 }],
  ])('say nothing of idle time where the device %s', (_, idle) => {
    const { haltPollNs, idleWakeNs } = valuesOf(roundsOf({ ...MODEL, latencyP99Ns: MODEL.latencyNs, ...idle }))
    expect([haltPollNs, idleWakeNs]).toEqual([0, 0])
  })

  it('have units, sources and, where they were repeated, a spread', () => {
    for (const [name, { unit, source, spread }] of Object.entries(deviceParameters(roundsOf(MODEL)))) {
      expect(unit.length, name).toBeGreaterThan(1)
      expect(source, name).toMatch(name === 'haltPollNs' ? /^KVM's default/ : /^fitted: /)
      expect(spread === undefined, name).toBe(name === 'queueDepth' || name === 'haltPollNs')
    }
  })
})

describe('the samples of reads by a thread alone', () => {
  it('are their CPU, one a round, by how they read and how much', () => {
    const samples = readSamples(roundsOf(MODEL))
    expect(samples.get('direct read 256')).toEqual(new Array(3).fill(5000 + 256 * 250))
    expect(samples.get('alone read 4')).toHaveLength(3)
    expect(readSamples([]).size).toBe(0)
  })
})
