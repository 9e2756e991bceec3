/** Fitting the device model to a device that behaves as the model says, and to one that does not. */
import { describe, expect, it } from 'vitest'
import type { Phase, PhaseResult } from '../../src/calibrate/device/device-load.ts'
import {
  type DeviceRounds,
  deviceParameters,
  LARGE_PHASES,
  SMALL_PHASES,
} from '../../src/calibrate/device/device-parameters.ts'
import { latencyTable } from '../../src/sim/device-queue.ts'
import type { DeviceParameters } from '../../src/storage/device.ts'

const MODEL: DeviceParameters = {
  latencyNs: 60_000,
  latencyP99Ns: 240_000,
  bandwidthBytesPerS: 2e9,
  iopsLimit: 100_000,
  queueDepth: 32,
  cpuPerReadNs: 5000,
}

/** What a phase of the model delivers, with every latency once. */
function phaseOf({ threads, readBytes }: Phase, model: DeviceParameters): PhaseResult {
  const gateNs = Math.max(1e9 / model.iopsLimit, (readBytes * 1e9) / model.bandwidthBytesPerS)
  const latenciesNs = latencyTable(model).map(ns => ns + gateNs + model.cpuPerReadNs)
  const meanNs = latenciesNs.reduce((sum, ns) => sum + ns, 0) / latenciesNs.length
  const readsPerS = Math.min(1e9 / gateNs, (threads * 1e9) / meanNs)
  return { latenciesNs, readsPerS, bytesPerS: readsPerS * readBytes, cpuPerReadNs: model.cpuPerReadNs }
}

function roundsOf(model: DeviceParameters): DeviceRounds {
  const rounds = (phase: Phase) => [0, 1, 2].map(() => phaseOf(phase, model))
  return { small: SMALL_PHASES.map(rounds), large: LARGE_PHASES.map(rounds) }
}

const valuesOf = (rounds: DeviceRounds): DeviceParameters => {
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
    expect(found.cpuPerReadNs).toBe(MODEL.cpuPerReadNs)
    expect(found.queueDepth).toBeGreaterThanOrEqual(8)
    expect(found.queueDepth).toBeLessThanOrEqual(32)
  })

  it('give a read alone the time that it takes, even where busy CPUs kept many from the ceiling', () => {
    const rounds = roundsOf(MODEL)
    const slow = { ...rounds, small: rounds.small.map(phases => phases.map(phase => ({ ...phase, readsPerS: 9000 }))) }
    const { latencyNs, iopsLimit, cpuPerReadNs } = valuesOf(slow)
    const measuredNs = MODEL.latencyNs + 1e9 / MODEL.iopsLimit + MODEL.cpuPerReadNs
    expect((latencyNs + 1e9 / iopsLimit + cpuPerReadNs) / measuredNs).toBeCloseTo(1, 2)
    expect(latencyNs).toBeGreaterThan(1)
  })

  it('have units, sources and, where they were repeated, a spread', () => {
    for (const [name, { unit, source, spread }] of Object.entries(deviceParameters(roundsOf(MODEL)))) {
      expect(unit.length, name).toBeGreaterThan(1)
      expect(source, name).toMatch(/^fitted: /)
      expect(spread === undefined, name).toBe(name === 'queueDepth')
    }
  })
})
